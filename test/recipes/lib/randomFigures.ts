/** Figures of every kind with data, sizes and texts drawn at random, among them the worst that can be thought of. */
import { curveFit } from 'quasi-newton';
import {
  boxplot,
  contour,
  contourf,
  convergence,
  density,
  fitPlot,
  heatmap,
  landscape,
  line,
  liveLandscape,
  onPlane,
  surface,
  type LandscapeAttributes,
  type LandscapeData,
  type LandscapePlot,
  type Plot,
} from 'quasi-newton/landscape';
import { uniformStream } from '../../../src/recipes/landscape/random.ts';

type Draw = () => number;
const integer = (draw: Draw, low: number, high: number) => low + Math.floor(draw() * (high - low + 1));
const pick = <Value>(draw: Draw, values: readonly Value[]): Value =>
  values[integer(draw, 0, values.length - 1)];

const alphabet = ['a', 'W', 'i', ' ', '—', '&', '<', '"', 'ß', '漢', '\u0007', '1', '.', 'm'];
/** A text, but none that would pass for the label of a tick. */
const words = (draw: Draw, most: number): string =>
  Array.from({ length: integer(draw, 0, most) }, () => pick(draw, alphabet))
    .join('')
    .replace(/^\d[\d.]*$/, 'a$&');

/** A way to fill columns: numbers of one kind. */
function valueKind(draw: Draw): (t: number) => number {
  const offset = pick(draw, [0, 0, 1e6, -3.5, Math.LN2, 1e-300, 1e300, 1e307, -1e307, 1e308]);
  const scale = pick(draw, [1, 1e-12, 1e-6, 1e3, 1e15]);
  const broken = pick(draw, [0, 0, 0.1, 0.9, 1]);
  return pick<(t: number) => number>(draw, [
    (t) => offset + scale * Math.sin(7 * t),
    (t) => 10 ** (30 * t - 15),
    () => offset,
    (t) => (draw() < broken ? pick(draw, [NaN, Infinity, -Infinity]) : offset + scale * t * t),
    (t) => scale * Math.exp(-9 * t),
  ]);
}

const axes = [Float64Array.of(1, 0), Float64Array.of(0, 1)];

function randomLandscape(draw: Draw, dimensions: 1 | 2): LandscapeData {
  const value = valueKind(draw);
  const span = pick(draw, [1, 1e-9, 1e7]);
  return landscape(
    { p0: new Float64Array(2), fg: ([x, y]) => value(Math.abs(x / span + (0.3 * y) / span) / 1.3) },
    {
      dimensions,
      directions: { directions: axes.slice(0, dimensions), labels: [words(draw, 60), words(draw, 60)] },
      ...pick(draw, [
        { npoints: integer(draw, 3, 15) },
        { npoints: integer(draw, 3, 15) },
        { npoints: 25, adaptive: pick(draw, [true, 'log', 'linear'] as const) },
      ]),
      xrange: [-span, span],
      yrange: [-span, 2 * span],
      metrics: { other: ([x]) => value(Math.abs(x / span)) },
    },
  );
}

const maps: readonly LandscapePlot<LandscapeAttributes>[] = [contourf, contour, heatmap, surface];

/** A fit of a line to points of which some are far off. */
function randomFit(draw: Draw, look: object): Plot {
  const value = valueKind(draw);
  const x = Array.from({ length: integer(draw, 3, 40) }, (_, i) => i / 7 - 1);
  // Squares of residuals must neither overflow nor vanish.
  const y = x
    .map((at) => value(Math.abs(at)))
    .map((v) => (Math.abs(v) < 1e100 && Math.abs(v) > 1e-100 ? v : draw()));
  const fit = curveFit((at: number, p) => p.a + p.b * at, x, y, { a: 0, b: 1 }, { maxIterations: 50 });
  return fitPlot(fit, { ...look, xlabel: words(draw, 60), ylabel: words(draw, 60), band: draw() < 0.8 });
}

/** The last picture that a live landscape gives of a run of a few steps. */
function randomLive(draw: Draw, look: object): Plot {
  const value = valueKind(draw);
  const problem = { p0: new Float64Array(3), fg: ([x, y]: Float64Array) => value(Math.abs(x + 0.3 * y) / 3) };
  let last: Plot | undefined;
  const live = liveLandscape(problem, {
    to: (_, plot) => (last = plot),
    interval: 0,
    share: 0.99,
    npoints: integer(draw, 3, 12),
    name: words(draw, 40),
    draw: (data, attributes) => pick(draw, maps)(data, { ...attributes, ...look }),
  });
  for (let step = 0; step < 30; step++) {
    const x = Float64Array.of(Math.sin(step / 5), Math.cos(step / 7), step / 30);
    live.callback({ x, f: problem.fg(x) });
  }
  if (last === undefined) throw new RangeError('nothing to draw');
  return last;
}

/** One random figure of any kind, or null where there is nothing to draw. */
export function randomFigure(seed: number): { plot: Plot; width: number; height: number } | null {
  const draw = uniformStream(seed);
  const [width, height] = [integer(draw, 120, 2000), integer(draw, 120, 2000)].map((side) =>
    draw() < 0.4 ? integer(draw, 120, 400) : side,
  );
  const look = {
    width,
    height,
    title: words(draw, 200),
    fontSize: pick(draw, [14, 14, 8, 30, 100]),
    background: pick(draw, ['white', 'black', 'none', '#223']),
  };
  const series = pick(draw, [0, 1, 2, 8, 40, integer(draw, 1, 40)]);
  const draws: (() => Plot)[] = [
    () =>
      convergence(
        Array.from({ length: Math.max(1, series) }, () => {
          const value = valueKind(draw);
          const runs = Array.from({ length: integer(draw, 1, 3) }, () =>
            Array.from({ length: integer(draw, 1, 30) }, (_, i) => value(i / 30)),
          );
          return { name: words(draw, 60), runs, reference: pick(draw, [undefined, 1, NaN]) };
        }),
        { ...look, yscale: pick(draw, ['log', 'linear']), xscale: pick(draw, ['log', 'linear']) },
      ),
    () =>
      boxplot(
        Array.from({ length: Math.max(1, series) }, () => {
          const value = valueKind(draw);
          return {
            name: words(draw, 40),
            values: Array.from({ length: integer(draw, 0, 12) }, (_, i) => value(i / 12)),
          };
        }),
        { ...look, yscale: pick(draw, ['log', 'linear']), xlabel: words(draw, 40), ylabel: words(draw, 80) },
      ),
    () =>
      density(
        Array.from({ length: Math.max(1, series) }, () => {
          const value = valueKind(draw);
          const values = Array.from({ length: integer(draw, 0, 30) }, (_, i) => value(i / 30));
          return { name: words(draw, 40), values };
        }),
        { ...look, xscale: pick(draw, ['log', 'linear']), yscale: pick(draw, ['log', 'linear']) },
      ),
    () =>
      line(
        Array.from({ length: Math.max(1, series) }, () => ({
          name: words(draw, 60),
          data: randomLandscape(draw, 1),
        })),
        {
          ...look,
          ...(draw() < 0.5 && { right: 'other', rightlabel: words(draw, 60) }),
          yscale: pick(draw, ['log', 'linear']),
        },
      ),
    () => randomFit(draw, look),
    () => randomLive(draw, look),
    ...maps.map((map) => () => {
      const data = randomLandscape(draw, 2);
      const paths = Array.from({ length: Math.min(8, series) }, () => ({
        name: words(draw, 40),
        path: onPlane(data.plane, [Float64Array.of(0.3, 0.1), Float64Array.of(0, 0)], [1, draw()]),
      }));
      const colorbar = draw() < 0.8;
      return map(data, {
        ...look,
        colorbar,
        paths,
        zlabel: words(draw, 60),
        zscale: pick(draw, ['linear', 'log', 'log1p', 'symlog', 'auto']),
        clims: pick(draw, ['robust', 'data']),
        ...(map !== surface && { aspect: pick(draw, ['auto', 'fill']) }),
        ...((map === contour || map === contourf) && { labels: draw() < 0.5 }),
      } as LandscapeAttributes);
    }),
  ];
  try {
    return { plot: pick(draw, draws)(), width, height };
  } catch (error) {
    if (error instanceof RangeError && error.message.includes('nothing to draw')) return null;
    throw error;
  }
}
