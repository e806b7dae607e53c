import { describe, expect, it } from 'vitest';
import {
  contour,
  contourf,
  heatmap,
  landscape,
  line,
  onPlane,
  surface,
  toOBJ,
  toVTP,
  type LandscapeAttributes,
  type LandscapePlot,
} from 'quasi-newton/landscape';
import { vectorParams } from '../../../src/core/paramSet.ts';
import { regionsAbove } from '../../../src/recipes/plots/contours.ts';
import { fieldOf, levelsOf, valueAxis } from '../../../src/recipes/plots/field.ts';
import { fillAttributes } from '../../../src/recipes/plots/landscapeAttributes.ts';
import { textWidth } from '../../../src/recipes/plots/svg.ts';
import { upsample } from '../../../src/recipes/plots/upsample.ts';

const memory = Float64Array.of(1, 2);
const params = vectorParams(memory);
const axes = [Float64Array.of(1, 0), Float64Array.of(0, 1)];
/** f = (x − 0.5)² + 4 (y + 0.25)² in the coordinates of the plane. */
const bowl = () => (memory[0] - 1.5) ** 2 + 4 * (memory[1] - 1.75) ** 2;
const data = landscape(bowl, params, {
  directions: axes,
  npoints: [41, 21],
  metrics: { twice: () => 2 * bowl() },
});
const holed = landscape(() => (memory[0] > 1.6 ? NaN : bowl()), params, { directions: axes, npoints: 11 });
const fieldWith = (attributes: LandscapeAttributes) => {
  const filled = fillAttributes(data, attributes);
  return { field: fieldOf(data, filled), filled };
};

describe('upsampling', () => {
  const grid = { nx: 3, ny: 4, values: Float64Array.from({ length: 12 }, (_, k) => (k * 7) % 5) };

  it('keeps every sample', () => {
    const fine = upsample(grid, 4);
    expect([fine.nx, fine.ny]).toEqual([9, 13]);
    for (let j = 0; j < 4; j++) {
      for (let i = 0; i < 3; i++)
        expect(fine.values[4 * j * 9 + 4 * i]).toBeCloseTo(grid.values[3 * j + i], 12);
    }
  });

  it('is exact for planes, also at the edges, and never leaves the range of its samples', () => {
    const plane = {
      nx: 5,
      ny: 4,
      values: Float64Array.from({ length: 20 }, (_, k) => 2 * (k % 5) - Math.floor(k / 5)),
    };
    const fine = upsample(plane, 3);
    fine.values.forEach((value, k) => {
      expect(value).toBeCloseTo((2 * (k % fine.nx)) / 3 - Math.floor(k / fine.nx) / 3, 12);
    });
    const step = { nx: 8, ny: 1, values: Float64Array.of(0, 0, 0, 0, 1, 1, 1, 1) };
    for (const value of upsample(step, 8).values) {
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThanOrEqual(1);
    }
  });
});

describe('contours', () => {
  it('lie where the function has their level, in the coordinates of the axes', () => {
    const { field } = fieldWith({});
    const box = { left: 100, top: 50, right: 500, bottom: 250 };
    const [path] = regionsAbove(upsample(field, 4), [0.2], box);
    // The ring that is a hole in the region above 0.2: the ellipse around the minimum.
    const rings = path.split('Z').filter((ring) => ring !== '');
    const ring = rings
      .map((text) => [...text.matchAll(/[ML]([-\d.]+),([-\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]))
      .find((points) => points.every(([x, y]) => x > 101 && x < 499 && y > 51 && y < 249));
    expect(ring?.length).toBeGreaterThan(20);
    for (const [px, py] of ring ?? []) {
      const x = -1 + ((px - 100) / 400) * 2;
      const y = -1 + ((250 - py) / 200) * 2;
      expect((x - 0.5) ** 2 + 4 * (y + 0.25) ** 2).toBeCloseTo(0.2, 2);
    }
  });

  it('have levels that are evenly spaced, or hold equal areas, or are given', () => {
    const { field, filled } = fieldWith({ levels: 4 });
    const span = field.high - field.low;
    expect(levelsOf(field, filled)).toEqual([1, 2, 3].map((k) => field.low + (k / 4) * span));
    const quantile = fieldWith({ levels: 2, levelSpacing: 'quantile' });
    const [median] = levelsOf(quantile.field, quantile.filled);
    const below = data.z.filter((z) => z < median).length / data.z.length;
    expect(below).toBeCloseTo(0.5, 2);
    const given = fieldWith({ levels: [0.1, 1], zscale: 'log' });
    levelsOf(given.field, given.filled).forEach((level, k) => expect(level).toBeCloseTo(k - 1, 12));
  });
});

describe('scales', () => {
  it('transform at plot time: the data stay raw', () => {
    const log1p = fieldWith({ zscale: 'log1p' }).field;
    expect(log1p.values[0]).toBeCloseTo(Math.log10(1 + data.z[0]), 12);
    expect(log1p.label).toBe('log₁₀(1 + loss)');
    expect(fieldWith({ zscale: 'log', clims: [0.01, 10] }).field).toMatchObject({ low: -2, high: 1 });
    expect(fieldWith({ metric: 'twice' }).field.values[3]).toBe(2 * data.z[3]);
  });

  it('give a loss of 0 the lowest color of a log scale, and mark what is not finite', () => {
    const zero = landscape(() => (memory[0] - 1) ** 2, params, { directions: axes, npoints: 3 });
    const { values } = fieldOf(zero, fillAttributes(zero, { zscale: 'log' }));
    expect([...values.subarray(0, 3)]).toEqual([0, 0, 0]);
    expect(contourf(holed).toSVG()).toContain('#bdbdbd');
    expect(contourf(data).toSVG()).not.toContain('#bdbdbd');
  });
});

describe('the drawings', () => {
  const path = onPlane(data.plane, [Float64Array.of(1.9, 2.5), Float64Array.of(1, 2)], [1, 0.3]);
  const drawings: Record<string, LandscapePlot<LandscapeAttributes>> = {
    contourf,
    contour,
    heatmap,
    surface,
  };

  it.each(Object.entries(drawings))('%s refuses a path that is not from onPlane', (_, draw) => {
    const points = [Float64Array.of(1, 2)];
    expect(() => draw(data, { paths: [{ name: 'a', path: points as never }] })).toThrow(
      /each path from onPlane/,
    );
    expect(() => draw(data, { paths: [points as never] })).toThrow(/each path from onPlane/);
  });

  it.each(Object.entries(drawings))('%s contains no NaN, in any form', (_, draw) => {
    for (const landscape of [data, holed]) {
      const plot = draw(landscape, { zscale: 'log', color: 'magma', paths: [{ name: 'a & b', path }] });
      expect(plot.toSVG()).not.toMatch(/NaN|undefined|Infinity/);
      expect(plot.toSVG()).toBe(plot.toSVG());
      expect(JSON.stringify(plot.toPlotly())).not.toMatch(/NaN|undefined/);
      expect(plot.toVega().$schema).toContain('vega/v5');
      expect(plot.toHTML({ plotly: 'plotly.js' })).toContain('Plotly.newPlot');
    }
  });

  it('are made from a loss in one call, as in FluxOptTools', () => {
    const attributes = { color: 'turbo', npoints: 50, lnorm: 1, seed: 1234 } as const;
    const once = contourf(() => Math.log10(1 + bowl()), params, attributes);
    const svg = once.toSVG();
    expect(svg).toBe(contourf(() => Math.log10(1 + bowl()), params, attributes).toSVG());
    expect(svg).not.toBe(contourf(() => Math.log10(1 + bowl()), params, { ...attributes, seed: 2 }).toSVG());
    expect(once.toPlotly().data[0]['x']).toHaveLength(51);
    expect([...memory]).toEqual([1, 2]);
    const problem = { p0: Float64Array.of(1, 2), fg: (x: Float64Array) => x[0] ** 2 + x[1] };
    expect(heatmap(problem, undefined, { npoints: 5 }).toPlotly().data[0]['z']).toHaveLength(5);
  });

  it('give plotly rows of y and colors as pairs', () => {
    const [main] = contourf(data).toPlotly().data;
    expect(main['z']).toHaveLength(21);
    expect(main['colorscale']).toContainEqual([0, expect.stringMatching(/^#/)]);
  });

  it('a line draws one dimension, and the other drawings two', () => {
    const one = landscape(bowl, params, { dimensions: 1, directions: [axes[0]], npoints: 9 });
    expect(line(one, { yscale: 'log' }).toSVG()).not.toMatch(/NaN|undefined/);
    expect(
      line([
        { name: 'a', data: one },
        { name: 'b', data: one },
      ]).toPlotly().data,
    ).toHaveLength(2);
    expect(() => line(data)).toThrow(/draw it with contourf/);
    for (const draw of Object.values(drawings)) expect(() => draw(one)).toThrow(/draw it with line/);
  });

  it('name what is wrong, all at once', () => {
    expect(() => contourf(data, { color: 'jet' as never, levels: 0 })).toThrow(
      /2 options are wrong[^]*turbo, viridis[^]*levels/,
    );
    expect(() => contourf(bowl, params, { color: 'jet' as never, npoints: 1 })).toThrow(
      /2 options are wrong/,
    );
    expect(() => contourf(data, { npoints: 5 } as never)).toThrow(/npoints: no such option/);
    expect(() => contourf(data, { metric: 'accuracy' })).toThrow(
      /there is no "accuracy" in this landscape; there are twice/,
    );
    expect(() =>
      contourf(
        landscape(() => -1, params, { npoints: 3 }),
        { zscale: 'log' },
      ),
    ).toThrow(/nothing to draw/);
    expect(() => contourf(5 as never)).toThrow(/needs a landscape, a loss/);
    expect(() => contourf(bowl, [memory] as never)).toThrow(
      /as a ParamSet such as tfParams\(model\); got Array\(1\)/,
    );
  });
});

describe('a flat map', () => {
  const flat = landscape(bowl, params, {
    directions: axes,
    npoints: 9,
    xrange: [-4, 4],
    yrange: [-0.5, 0.5],
  });
  const path = onPlane(flat.plane, [Float64Array.of(1.9, 2.5), Float64Array.of(1, 2)], [1, 0.3]);

  it.each([
    ['a title', { title: 'A title that is as wide as the whole picture is, or nearly so' }],
    ['a legend', { paths: [{ name: 'a path', path }] }],
  ])('has a long name at the left that keeps clear of %s', (_, more) => {
    const svg = contourf(flat, {
      aspect: 'equal',
      ylabel: 'a name much longer than the map is high',
      ...more,
    }).toSVG();
    const [, top] = /<rect x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="[\d.]+"\/><path/.exec(svg) ?? [];
    const [, middle, shown] =
      /translate\([\d.]+ ([\d.]+)\) rotate\(-90\)"[^>]*>(a name[^<]*)/.exec(svg) ?? [];
    const length = textWidth(shown, 1.1 * 14);
    expect(Number(middle) - length / 2).toBeGreaterThanOrEqual(Number(top) - 1);
  });
});

describe('paths on a surface', () => {
  const ridge = landscape(() => 1 + Math.exp(-(((memory[1] - 1.8) / 0.1) ** 2)), params, {
    directions: axes,
    npoints: 31,
  });
  /** From left to right at this y, and two points beside the surface. */
  const pathAt = (y: number) =>
    onPlane(
      ridge.plane,
      [-2, -0.5, 0, 0.5, 2].map((x) => Float64Array.of(1 + x, 2 + y)),
      [3, 2, 1.5, 1.2, 1],
    );
  const view = { azimuth: 0, elevation: 15, colorbar: false };
  /** How many quadrilaterals are painted after the last marker. */
  const paintedAfter = (y: number) => {
    const svg = surface(ridge, { ...view, paths: [{ name: 'a', path: pathAt(y) }] }).toSVG();
    expect(svg.match(/<circle/g)).toHaveLength(3);
    return svg.slice(svg.lastIndexOf('<circle')).match(/Z" fill="#/g)?.length ?? 0;
  };

  it('are hidden by what stands before them, and end where it ends', () => {
    const rows = 60;
    expect(paintedAfter(0.5)).toBeGreaterThan(0.6 * rows * rows);
    expect(paintedAfter(-0.5)).toBeLessThan(0.3 * rows * rows);
  });

  it('lie on it: their loss is in the color of the markers', () => {
    const [, trace] = surface(ridge, { paths: [{ name: 'a', path: pathAt(-0.2) }] }).toPlotly().data;
    const heights = trace['z'] as (number | null)[];
    expect(heights.map((z) => z === null)).toEqual([true, false, false, false, true]);
    for (const z of heights.slice(1, 4)) expect(z).toBeCloseTo(2, 1);
  });

  it.each([-155, -60, -25, 0, 45, 115, 180])('leave every label legible, seen from %d°', (azimuth) => {
    const svg = surface(ridge, { azimuth, xlabel: 'first principal axis', ylabel: 'second one' }).toSVG();
    const texts = [...svg.matchAll(/<text x="([\d.-]+)" y="([\d.-]+)"[^>]*>([^<]*)</g)]
      .map(([, x, y, text]) => ({ x: Number(x), y: Number(y), half: 3.5 * text.length, text }))
      .filter(({ x }) => x < 540);
    expect(texts.length).toBeGreaterThan(6);
    for (const a of texts) {
      for (const b of texts) {
        const overlap = Math.abs(a.x - b.x) < a.half + b.half && Math.abs(a.y - b.y) < 10;
        expect(a !== b && overlap, `${a.text} over ${b.text}`).toBe(false);
      }
    }
  });
});

describe('the scale chosen by the values', () => {
  const drawnOf = (f: (x: number, y: number) => number) => {
    const drawn = landscape(() => f(memory[0] - 1, memory[1] - 2), params, { directions: axes, npoints: 21 });
    return { drawn, zscale: fillAttributes(drawn, { zscale: 'auto' }).zscale };
  };

  it('is logarithmic over decades, symlog with both signs, else linear', () => {
    expect(drawnOf((x, y) => 1 + x * x + y * y).zscale).toBe('linear');
    expect(drawnOf((x, y) => 10 ** (8 * (x * x + y * y) - 8)).zscale).toBe('log');
    expect(drawnOf((x, y) => Math.sin(3 * x) + y).zscale).toBe('linear');
    expect(drawnOf((x) => x * 10 ** (6 * Math.abs(x))).zscale).toBe('symlog');
    expect(drawnOf(() => 7).zscale).toBe('linear');
  });

  it('symlog is odd, linear near 0, and has labels on both sides', () => {
    const { drawn } = drawnOf((x) => x * 10 ** (6 * Math.abs(x)));
    const filled = fillAttributes(drawn, { zscale: 'symlog' });
    const field = fieldOf(drawn, filled);
    const c = field.transform.threshold;
    expect(field.transform.apply(-3)).toBe(-field.transform.apply(3));
    expect(field.transform.apply(c * 1e-6) / 1e-6).toBeCloseTo(1 / Math.LN10, 5);
    expect(field.transform.apply(99 * c)).toBeCloseTo(2, 12);
    expect(field.low).toBeCloseTo(-field.high, 9);
    const labels = valueAxis(field, 'symlog', [400, 0]).ticks.map(({ label }) => label);
    expect(labels).toContain('0');
    expect(labels.filter((label) => label?.startsWith('−')).length).toBeGreaterThan(0);
    expect(new Set(labels).size).toBe(labels.length);
    const draws: LandscapePlot<LandscapeAttributes>[] = [contourf, heatmap, surface];
    for (const draw of draws) {
      expect(draw(drawn, { zscale: 'symlog' }).toSVG()).not.toMatch(/NaN|undefined|Infinity/);
      expect(JSON.stringify(draw(drawn, { zscale: 'auto' }).toVega())).toContain('±log₁₀(1 + |loss|');
    }
  });
});

describe('missing values', () => {
  /** 1 everywhere, 10 in one far corner, nothing for x > 0.5: the level 4 is nowhere near the gap. */
  const far = landscape(
    () => (memory[0] > 1.5 ? NaN : memory[0] < 0.05 && memory[1] < 1.05 ? 10 : 1),
    params,
    {
      directions: axes,
      npoints: 21,
    },
  );

  it('raise no contours along their edge', () => {
    const svg = contour(far, { levels: [4] }).toSVG();
    const [, left, width] = /<svg x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/.exec(svg) ?? [];
    const [, path] = /<path d="(M[^"]*)" fill="none" stroke="#/.exec(svg) ?? [];
    const xs = [...path.matchAll(/[ML]([-\d.]+),/g)].map(
      ([, x]) => -1 + (2 * (Number(x) - Number(left))) / Number(width),
    );
    expect(xs.filter((x) => x > 0.3 && x < 0.55)).toEqual([]);
    expect(xs.length).toBeGreaterThan(3);
  });

  it('are gray in SVG and Vega, and null on the page', () => {
    for (const plot of [contourf(holed), contour(holed), heatmap(holed), surface(holed)]) {
      expect(JSON.stringify(plot.toVega())).toContain('#bdbdbd');
      expect(JSON.stringify(plot.toPlotly().data[0]['z'])).toContain('null');
    }
  });
});

describe('levels on a page', () => {
  it('are those of the SVG, with the same colors', () => {
    const given = { levels: [0.5, 1, 3], zscale: 'linear' } as const;
    const [trace] = contourf(data, given).toPlotly().data;
    expect(trace).toMatchObject({ zmin: 0, zmax: 4, contours: { start: 1, end: 3, size: 1 } });
    // In units of levels: a value between 1 and 3 lies between 2 and 3.
    const cell = data.z.findIndex((z) => z > 1 && z < 3);
    const z = (trace['z'] as number[][])[Math.floor(cell / 41)][cell % 41];
    expect(z).toBeCloseTo(2 + (data.z[cell] - 1) / 2, 12);
    const svg = contourf(data, given).toSVG();
    for (const [, color] of trace['colorscale'] as [number, string][])
      expect(svg).toContain(`fill="${color}"`);
    const quantiles = contourf(data, { levels: 5, levelSpacing: 'quantile' }).toPlotly().data[0];
    expect(quantiles).toMatchObject({ contours: { start: 1, end: 4, size: 1 } });
  });
});

describe('small pictures', () => {
  it.each([120, 160, 200, 260])('small pictures of a surface at %d px are upright', (side) => {
    const svg = surface(data, { width: side, height: side, elevation: 20, mark: false }).toSVG();
    const quads = [...svg.matchAll(/d="M([-\d.]+),([-\d.]+)L[^"]*Z" fill="#/g)].map(([, x, y]) => [
      Number(x),
      Number(y),
    ]);
    const xs = quads.map(([x]) => x);
    // The high corner at x = y = 1 lies to the right of and above the low middle.
    expect(Math.max(...xs) - Math.min(...xs)).toBeGreaterThan(0.2 * side);
    const top = quads.reduce((best, quad) => (quad[1] < best[1] ? quad : best));
    const low = quads.reduce((best, quad) => (quad[1] > best[1] ? quad : best));
    expect(top[1]).toBeLessThan(low[1] - 0.1 * side);
  });
});

describe('3D files', () => {
  it('hold a vertex for each point and a face for each cell without holes', () => {
    const obj = toOBJ(data).split('\n');
    expect(obj.filter((row) => row.startsWith('v '))).toHaveLength(41 * 21);
    expect(obj.filter((row) => row.startsWith('f '))).toHaveLength(40 * 20);
    const faces = toOBJ(holed)
      .split('\n')
      .filter((row) => row.startsWith('f ')).length;
    expect(faces).toBeLessThan(100);
    expect(toOBJ(holed)).not.toContain('NaN');
  });

  it('keep the raw loss and the metrics for ParaView', () => {
    const vtp = toVTP(data, { zscale: 'log' });
    expect(vtp).toContain('NumberOfPoints="861" NumberOfPolys="800"');
    const [, text] = /Name="loss" NumberOfComponents="1" format="binary">([^<]*)</.exec(vtp) ?? [];
    const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
    expect(new DataView(bytes.buffer).getUint32(0, true)).toBe(8 * 861);
    expect(new Float64Array(bytes.slice(4).buffer)).toEqual(data.z);
    expect(vtp).toContain('Name="twice"');
  });
});

/** A landscape of f over [−1, 1]², with axes of the same unit. */
const over = (f: (x: number, y: number) => number, npoints: number | [number, number] = 21) =>
  landscape(() => f(memory[0] - 1, memory[1] - 2), params, { directions: axes, npoints });

describe('limits of the colors', () => {
  const peak = over((x, y) => 1 + x * x + y * y + (x > 0.85 && y > 0.85 ? 700 : 0));
  const fieldFor = (attributes: LandscapeAttributes) => fieldOf(peak, fillAttributes(peak, attributes));

  it('leave out a single peak, unless all data are wanted, and say so in every form', () => {
    const robust = fieldFor({});
    expect(robust.high).toBeLessThan(6);
    expect([robust.low, robust.above, robust.below]).toEqual([1, true, false]);
    const all = fieldFor({ clims: 'data' });
    expect([all.low, all.high, all.above]).toEqual([1, 703, false]);
    const [cut, whole] = [contourf(peak), contourf(peak, { clims: 'data' })];
    const arrow = /<path d="M[\d.]+,[\d.]+h18.2L[^"]*Z"/;
    expect(cut.toSVG()).toMatch(arrow);
    expect(whole.toSVG()).not.toMatch(arrow);
    for (const form of ['toVega', 'toPlotly'] as const) {
      expect(JSON.stringify(cut[form]())).toContain('loss, cut off above');
      expect(JSON.stringify(whole[form]())).not.toContain('cut off');
    }
  });

  it('hold all values of a smooth landscape, and of one that is nearly flat', () => {
    const smooth = fieldOf(data, fillAttributes(data, {}));
    expect([smooth.above, smooth.below]).toEqual([false, false]);
    const step = over((x) => (x === 1 ? 5 : 1), 61);
    expect(fieldOf(step, fillAttributes(step, {})).high).toBe(5);
  });

  it('the default limits of the colors show all of ten decades', () => {
    const decades = over((x, y) => 10 ** (5 * (x + y * y)));
    const filled = fillAttributes(decades, {});
    expect(filled.zscale).toBe('log');
    const field = fieldOf(decades, filled);
    expect(field.high - field.low).toBeGreaterThan(8);
    // No band takes more than a quarter of the picture.
    const levels = [field.low, ...levelsOf(field, filled), field.high];
    const shares = levels.slice(1).map((level, k) => {
      const inBand = field.values.filter((value) => value >= levels[k] && value < level).length;
      return inBand / field.values.length;
    });
    expect(Math.max(...shares)).toBeLessThan(0.25);
  });

  it.each([1e307, -1e307])('are right for values up to %d', (size) => {
    const huge = over((x) => size * x);
    const field = fieldOf(huge, fillAttributes(huge, { clims: 'data' }));
    expect([field.low, field.high]).toEqual([-1e307, 1e307]);
    const svg = heatmap(huge, { color: 'viridis' }).toSVG();
    expect(svg).not.toMatch(/NaN|Infinity/);
    const row = [...svg.matchAll(/height="[\d.]+" fill="(#\w{6})"/g)].map(([, color]) => color).slice(0, 21);
    expect([row[0], row[10], row[20]]).toEqual(
      size > 0 ? ['#440154', '#21918c', '#fde725'] : ['#fde725', '#21918c', '#440154'],
    );
    expect(row).not.toContain('#bdbdbd');
  });
});

describe('contour labels', () => {
  it('stand on their lines, inside the picture, apart from each other, at round values', () => {
    const bowlLike = over((x, y) => 3 * (x * x + y * y), 41);
    const svg = contour(bowlLike, { labels: true, levels: 8, mark: false }).toSVG();
    const [, left, top, width, height] =
      /<svg x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/.exec(svg)?.map(Number) ?? [];
    const labels = [
      ...svg.matchAll(/<text transform="translate\(([\d.]+) ([\d.]+)\)[^>]*paint-order[^>]*>([\d.]+)</g),
    ].map(([, x, y, text]) => ({ x: Number(x), y: Number(y), value: Number(text) }));
    expect(labels.length).toBeGreaterThan(4);
    for (const { x, y, value } of labels) {
      const [u, v] = [(2 * (x - left)) / width - 1, 1 - (2 * (y - top)) / height];
      expect(3 * (u * u + v * v)).toBeCloseTo(value, 1);
      expect(value).toBe(Math.round(value * 2) / 2);
    }
    labels.forEach((a, i) =>
      labels.slice(i + 1).forEach((b) => expect(Math.hypot(a.x - b.x, a.y - b.y)).toBeGreaterThan(14)),
    );
  });

  it('are in every form where they are wanted, and refused where there are no lines', () => {
    const plot = contourf(data, { labels: true });
    const texts = plot.toPlotly().data.find(({ mode }) => mode === 'text')?.['text'] as string[];
    expect(texts.length).toBeGreaterThan(2);
    expect(plot.toVega()['data']).toContainEqual(
      expect.objectContaining({ name: 'labels', values: expect.arrayContaining([expect.anything()]) }),
    );
    const plain = contourf(data);
    expect(plain.toSVG()).not.toContain('paint-order');
    expect(plain.toPlotly().data.some(({ mode }) => mode === 'text')).toBe(false);
    expect(() => heatmap(data, { labels: true } as never)).toThrow(/labels: no such option/);
  });

  it.each([
    ['log', 10, (x: number) => 10 ** (9 * x), [1e-8, 1e-6, 1e-4, 0.01, 1, 100, 1e4, 1e6, 1e8]],
    ['symlog', 7, (x: number) => x * 10 ** (6 * Math.abs(x)), [-1e4, -100, -1, 0, 1, 100, 1e4]],
    ['linear', 5, (x: number) => x + 1, [0.5, 1, 1.5]],
  ] as const)('contour labels of a %s scale are at round values', (zscale, levels, f, expected) => {
    const drawn = over(f, 41);
    const trace = contour(drawn, { zscale, levels, labels: true, clims: 'data' }).toPlotly().data[0];
    const field = fieldOf(drawn, fillAttributes(drawn, { zscale }));
    const colors = trace['colorscale'] as [number, string][];
    expect(colors).toHaveLength(expected.length);
    expected.forEach((value, k) => {
      const t = (field.transform.apply(value) - field.low) / (field.high - field.low);
      expect(colors[k][1]).toBe(field.color(t));
    });
  });
});

describe('the aspect of a map', () => {
  const sizeOf = (svg: string) =>
    /<svg x="[\d.]+" y="[\d.]+" width="([\d.]+)" height="([\d.]+)"/.exec(svg)?.slice(1).map(Number) ?? [];

  it('is equal where both axes have one unit', () => {
    for (const draw of [contourf, contour]) {
      const [width, height] = sizeOf(draw(over((x) => x)).toSVG());
      expect(Math.abs(width - height)).toBeLessThanOrEqual(2);
    }
    const wide = landscape(() => memory[0], params, { directions: axes, npoints: 5, yrange: [-0.7, 0.7] });
    const [width, height] = sizeOf(contourf(wide).toSVG());
    expect(width / height).toBeCloseTo(2 / 1.4, 1);
    expect(contourf(wide).toPlotly().layout['yaxis']).toMatchObject({ scaleanchor: 'x' });
    const vega = contourf(wide).toVega();
    expect(Number(vega['width']) / Number(vega['height'])).toBeCloseTo(2 / 1.4, 10);
    // The cells of a heatmap are square where its points are.
    const [cellsAcross, cellsUp] = sizeOf(heatmap(over((x) => x, [21, 21])).toSVG());
    expect(Math.abs(cellsAcross - cellsUp)).toBeLessThanOrEqual(2);
  });

  it('is free where units differ, the map would become a strip, or it is to fill', () => {
    const units = landscape(() => memory[0], params, {
      directions: [Float64Array.of(1, 0), Float64Array.of(0, 3)],
      npoints: 5,
    });
    const strip = landscape(() => memory[0], params, { directions: axes, npoints: 5, yrange: [-0.1, 0.1] });
    const full = sizeOf(
      contourf(
        over((x) => x),
        { aspect: 'fill' },
      ).toSVG(),
    );
    for (const plot of [contourf(units), contourf(strip)]) {
      const [width, height] = sizeOf(plot.toSVG());
      expect(width / height).toBeGreaterThan(1.05);
      expect(width).toBeGreaterThan(full[0] - 60);
      expect(plot.toPlotly().layout['yaxis']).not.toHaveProperty('scaleanchor');
    }
    const [width, height] = sizeOf(contourf(strip, { aspect: 'equal' }).toSVG());
    expect(width / height).toBeCloseTo(10, 0);
  });
});
