import { writeFileSync } from 'node:fs';
import { Resvg } from '@resvg/resvg-js';
import { describe, expect, it } from 'vitest';
import {
  boxplot,
  contour,
  contourf,
  convergence,
  density,
  heatmap,
  landscape,
  line,
  onPlane,
  surface,
  type LandscapeAttributes,
  type LandscapeData,
  type LandscapePlot,
  type Plot,
} from 'quasi-newton/landscape';
import { uniformStream } from '../../../src/recipes/landscape/random.ts';

/** Number of random figures: raised by hand for a full run. */
const count = Number(process.env['RANDOM_FIGURES'] ?? 40);
/** Where thirty of them are written, to be looked at. */
const folder = process.env['RANDOM_FIGURES_FOLDER'];

type Draw = () => number;
const integer = (draw: Draw, low: number, high: number) => low + Math.floor(draw() * (high - low + 1));
const pick = <Value>(draw: Draw, values: readonly Value[]): Value =>
  values[integer(draw, 0, values.length - 1)];

const alphabet = ['a', 'W', 'i', ' ', '—', '&', '<', '"', 'ß', '漢', '\u0007', '1', '.', 'm'];
const words = (draw: Draw, most: number): string =>
  Array.from({ length: integer(draw, 0, most) }, () => pick(draw, alphabet)).join('');

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
      npoints: integer(draw, 3, 15),
      xrange: [-span, span],
      yrange: [-span, 2 * span],
      metrics: { other: ([x]) => value(Math.abs(x / span)) },
    },
  );
}

const maps: readonly LandscapePlot<LandscapeAttributes>[] = [contourf, contour, heatmap, surface];

/** One random figure of any kind, or null where there is nothing to draw. */
function randomFigure(seed: number): { plot: Plot; width: number; height: number } | null {
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

const numbersOf = (svg: string, attribute: string) =>
  [...svg.matchAll(new RegExp(` ${attribute}="([^"]*)"`, 'g'))].map(([, value]) => Number(value));

/** Texts of tick labels in their order, one list for each axis: those that end at the axis, or stand in its middle. */
function tickLabels(svg: string): string[][] {
  const texts = [...svg.matchAll(/<text ([^>]*)>(.*?)<\/text>/g)].map(([, attributes, text]) => ({
    attributes,
    text,
  }));
  const sides = [/text-anchor="end"/, /text-anchor="middle"/];
  return sides.map((side) =>
    texts
      .filter(({ attributes }) => side.test(attributes) && !/transform|font-weight/.test(attributes))
      .map(({ text }) => text)
      .filter((text) => /^−?\d/.test(text)),
  );
}

describe('random figures', () => {
  it('have no negative size, no label twice in a row, and all text inside the picture', () => {
    const faults: string[] = [];
    let drawn = 0;
    for (let seed = 1; seed <= count; seed++) {
      const figure = randomFigure(seed);
      if (figure === null) continue;
      drawn++;
      const { plot, width, height } = figure;
      const svg = plot.toSVG();
      if (folder !== undefined && seed % Math.ceil(count / 30) === 0)
        writeFileSync(`${folder}/${seed}.svg`, svg);
      const fault = (what: string) => faults.push(`seed ${seed}, ${width}×${height}: ${what}`);
      const drawing = svg.replaceAll(/<text.*?<\/text>|<title>.*?<\/title>/g, '');
      const notNumber = /.{0,40}(NaN|undefined|Infinity).{0,20}/.exec(drawing)?.[0];
      if (notNumber !== undefined) fault(notNumber);
      for (const name of ['width', 'height', 'r']) {
        if (numbersOf(svg, name).some((value) => !(value >= 0))) fault(`${name} below 0`);
      }
      // The plotting area: upright and not squeezed to nothing.
      const frame = /<svg x="[\d.]+" y="[\d.]+" width="([\d.]+)" height="([\d.]+)"/.exec(svg);
      if (frame !== null && (Number(frame[1]) < 0.15 * width || Number(frame[2]) < 0.15 * height)) {
        fault(`plotting area of ${frame[1]}×${frame[2]}`);
      }
      // On a surface, labels of three axes stand side by side.
      for (const labels of frame === null ? [] : tickLabels(svg)) {
        labels.forEach((label, k) => {
          if (k > 0 && label === labels[k - 1]) fault(`label ${label} twice`);
        });
      }
      const texts = svg.match(/<text.*?<\/text>/g)?.filter((text) => !/>\s*<\/text>/.test(text)) ?? [];
      const head = /^<svg[^>]*>/.exec(svg)?.[0] ?? '';
      const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans' };
      const bounds = new Resvg(`${head}${texts.join('')}</svg>`, { font }).getBBox();
      if (bounds !== undefined) {
        const { x, y } = bounds;
        if (x < -1 || y < -1 || x + bounds.width > width + 1 || y + bounds.height > height + 1) {
          fault(`text from (${x}, ${y}) to (${x + bounds.width}, ${y + bounds.height})`);
        }
      }
      // Every form can be made and holds nothing that JSON turns into something else.
      expect(JSON.stringify(plot.toPlotly())).not.toContain('undefined');
      expect(plot.toVega().$schema).toContain('vega');
    }
    if (count > 40)
      console.log(drawn, 'figures drawn,', faults.length, 'faults', faults.slice(0, 40).join('\n'));
    expect(faults).toEqual([]);
    expect(drawn).toBeGreaterThan(0.7 * count);
  }, 600_000);
});
