import { expect, it } from 'vitest';
import { curveFit } from 'quasi-newton';
import {
  boxplot,
  contour,
  contourf,
  convergence,
  density,
  fitPlot,
  fromGrid,
  heatmap,
  line,
} from 'quasi-newton/landscape';

const steps = (from: number, to: number) =>
  Array.from({ length: 21 }, (_, i) => from + ((to - from) * i) / 20);

type Json = Record<string, unknown>;

/** All values below a key, at any depth. */
function valuesAt(json: unknown, key: string): unknown[] {
  if (typeof json !== 'object' || json === null) return [];
  return Object.entries(json).flatMap(([name, value]) =>
    (name === key ? [value as unknown] : []).concat(valuesAt(value, key)),
  );
}

const numbers = (values: readonly unknown[]): number[] =>
  values.flat(3).filter((value): value is number => typeof value === 'number');

const largest = (values: readonly unknown[]) => Math.max(...numbers(values).map(Math.abs));

const x = steps(1e6, 1e6 + 1);
const y = steps(-2e7, -2e7 + 1);
const map = fromGrid({ x, y, z: y.flatMap((v) => x.map((u) => 1e9 + (u - 1e6) ** 2 + (v + 2e7) ** 2)) });
const row = fromGrid({ x, z: steps(2e9, 2e9 + 1), metrics: { error: steps(3e9, 3e9 + 1) } });
const many = Array.from({ length: 30 }, (_, i) => 1e6 + Math.sin(i));
const runs = [{ x: steps(1e6, 1e6 + 1), y: steps(5e6, 5e6 + 1) }];
const fit = curveFit(
  (t: number, { p, q }: { p: number; q: number }) => p + q * (t - 1e6),
  x,
  steps(5e7, 5e7 + 1),
  {
    p: 5e7,
    q: 1,
  },
);

it.each([
  ['contourf', contourf(map), ['x − 10⁶', 'y + 2×10⁷']],
  ['contour', contour(map, { labels: true }), ['x − 10⁶', 'y + 2×10⁷']],
  ['heatmap', heatmap(map), ['x − 10⁶', 'y + 2×10⁷']],
  ['line', line(row, { right: 'error' }), ['x − 10⁶', 'loss − 2×10⁹', 'error − 3×10⁹']],
  ['convergence', convergence([{ name: 'a', runs, reference: 5e6 }]), ['iterations − 10⁶', 'loss − 5×10⁶']],
  ['density', density({ a: many }, { xlabel: 'value' }), ['value − 10⁶']],
  ['boxplot', boxplot({ 'at +3': many }, { ylabel: 'value' }), ['value − 10⁶']],
  ['fitPlot', fitPlot(fit), ['x − 10⁶', 'y − 5×10⁷']],
] as const)('pages of %s far from 0 are drawn less the offsets that their axes tell', (kind, plot, names) => {
  const { data, layout } = plot.toPlotly();
  const titles = valuesAt(layout, 'title').map((title) => (title as { text: string }).text);
  const vega = plot.toVega() as Json;
  const titlesOfVega = valuesAt(vega, 'title');
  for (const name of names) {
    expect(titles).toContain(name);
    expect(titlesOfVega).toContain(name);
  }
  // No number of an axis is as far from 0 as the values are: labels are short.
  for (const key of ['x', 'y', 'range', 'q1', 'median'])
    expect(largest([...valuesAt(data, key), ...valuesAt(layout, key), 0])).toBeLessThan(50);
  const rows = valuesAt(vega, 'values').flat() as Json[];
  // Labels of contours have their places in pixels.
  const columns = kind.startsWith('contour') ? [] : ['x', 'y', 'q1', 'q3', 'value', 'low', 'high'];
  expect(largest([...columns.flatMap((key) => rows.map((each) => each[key])), 0])).toBeLessThan(50);
  expect(largest([...valuesAt(vega, 'domain'), 0])).toBeLessThan(50);
});

it('pages show the values themselves: less an offset, together with it', () => {
  const [curve] = line(row).toPlotly().data as unknown as { x: number[]; y: number[] }[];
  expect(curve.x.map((value) => value + 1e6)).toEqual(x);
  expect(curve.y.map((value) => value + 2e9)).toEqual(Array.from(row.z));
  const path = {
    x: [1e6 + 0.25, NaN],
    y: [-2e7 + 0.5, 0],
    loss: [1e9, 1e9],
    residual: [0, 0],
    inPlane: [1, 1],
  };
  const figure = contourf(map, { paths: [{ name: 'p', path }] as never }).toPlotly();
  const points = figure.data.find(({ name }) => name === 'p') as unknown as {
    x: (number | null)[];
    y: number[];
  };
  expect(points.x).toEqual([0.25, null]);
  expect(points.y[0]).toBe(0.5);
  const box = boxplot({ a: [1e6 + 1, 1e6 + 2, 1e6 + 4] }).toPlotly().data[0] as unknown as {
    median: number[];
  };
  expect(box.median).toEqual([2]);
});

it('what a page shows under the mouse tells the offsets', () => {
  const [curve] = line(row).toPlotly().data;
  expect(curve['hovertemplate']).toBe('x − 10⁶: %{x}<br>loss − 2×10⁹: %{y}<extra>%{fullData.name}</extra>');
  const near = line(fromGrid({ x: steps(-1, 1), z: steps(0, 1) })).toPlotly();
  expect(near.data[0]).not.toHaveProperty('hovertemplate');
});

it.each<[string, Parameters<typeof line>[0], string | undefined, string | undefined]>([
  ['all', row, 'x − 10⁶: %{x}<br>loss − 2×10⁹: %{y}', 'x − 10⁶: %{x}<br>error − 3×10⁹: %{y}'],
  [
    'the second y',
    fromGrid({ x: steps(0, 1), z: steps(0, 1), metrics: { error: steps(3e9, 3e9 + 1) } }),
    'x: %{x}<br>loss: %{y}',
    'x: %{x}<br>error − 3×10⁹: %{y}',
  ],
  [
    'the first y',
    fromGrid({ x: steps(0, 1), z: steps(2e9, 2e9 + 1), metrics: { error: steps(0, 1) } }),
    'x: %{x}<br>loss − 2×10⁹: %{y}',
    'x: %{x}<br>error: %{y}',
  ],
  [
    'x',
    fromGrid({ x: steps(1e6, 1e6 + 1), z: steps(0, 1), metrics: { error: steps(0, 1) } }),
    'x − 10⁶: %{x}<br>loss: %{y}',
    'x − 10⁶: %{x}<br>error: %{y}',
  ],
  [
    'none',
    fromGrid({ x: steps(0, 1), z: steps(0, 1), metrics: { error: steps(0, 1) } }),
    undefined,
    undefined,
  ],
])(
  'of two quantities, what is under the mouse tells the offsets of its own axes: %s',
  (_, grid, ...names) => {
    const hovered = line(grid, { right: 'error' })
      .toPlotly()
      .data.map(({ hovertemplate }) => hovertemplate);
    expect(hovered).toEqual(names.map((name) => name && `${name}<extra>%{fullData.name}</extra>`));
  },
);

it('residuals, marks and references far from 0 tell the offsets under the mouse', () => {
  const hoveredOf = (plot: { toPlotly(): { data: readonly object[] } }, name: string) =>
    (plot.toPlotly().data as Json[]).find((trace) => trace['name'] === name)?.['hovertemplate'];
  expect(hoveredOf(fitPlot(fit), 'residuals')).toMatch(/^x − 10⁶: %\{x\}<br>residuals?: %\{y\}<extra>/);
  const marks = density({ a: many }, { xlabel: 'value', points: true }).toPlotly().data as Json[];
  expect(marks.map(({ mode, hovertemplate }) => [mode, String(hovertemplate).slice(0, 15)])).toEqual([
    ['lines', 'value − 10⁶: %{'],
    ['markers', 'value − 10⁶: %{'],
  ]);
  // With the digits that differ, and without the density.
  expect(marks[1]['hovertemplate']).toMatch(/^value − 10⁶: %\{x:[^}]+\}<extra>/);
  const boxes = boxplot([{ name: 'a', values: many, reference: 1e6 }], { reference: 'known' });
  expect(hoveredOf(boxes, 'a')).toBeUndefined();
  // Axes without a name have none there either.
  expect(hoveredOf(boxes, 'known')).toMatch(/^%\{x\}<br>\+10⁶: %\{y\}<extra>/);
  const close = density({ a: [1, 2, 4] }, { xlabel: 'value', points: true }).toPlotly().data as Json[];
  expect(close.map(({ hovertemplate }) => String(hovertemplate).includes('value'))).toEqual([false, false]);
  const compared = convergence([{ name: 'a', runs, reference: 5e6 }], { reference: 'known' });
  expect(hoveredOf(compared, 'known')).toMatch(/^iterations − 10⁶: %\{x\}<br>loss − 5×10⁶: %\{y\}</);
  const tooltips = valuesAt(compared.toVega(), 'tooltip').flat() as Json[];
  expect(tooltips).toContainEqual({ field: 'y', title: 'loss − 5×10⁶' });
  // Runs behind a median, and edges of bands, have no text.
  const several = convergence([{ name: 'a', runs: [...runs, ...runs] }]).toPlotly().data as Json[];
  for (const trace of several) expect('hoverinfo' in trace && 'hovertemplate' in trace).toBe(false);
});

it('a log axis over a narrow range is linear on pages, less its offset', () => {
  const { layout } = convergence([{ name: 'a', runs }], { xlims: [1e6, 1e6 + 2] }).toPlotly();
  expect(layout).toMatchObject({ xaxis: { range: [0, 2] }, yaxis: { type: 'linear' } });
  const across = (x: number[]) =>
    convergence([{ name: 'a', runs: [{ x, y: [3, 2, 1] }] }], { xscale: 'log' }).toPlotly().layout;
  expect(across([1e6, 1e6 + 1, 1e6 + 2])).toMatchObject({ xaxis: { type: 'linear' } });
  expect(across([1, 10, 100])).toMatchObject({ xaxis: { type: 'log' } });
  const wide = convergence([{ name: 'a', runs: [[1, 0.1, 1e-5]] }]).toPlotly();
  expect(wide.layout).toMatchObject({ yaxis: { type: 'log', title: { text: 'loss' } } });
});

it('pages of heatmaps show the whole outer cells, as pictures do', () => {
  const grid = fromGrid({ x: [0, 1, 2], y: [0, 1], z: [1, 2, 3, 4, 5, 6] });
  const { layout } = heatmap(grid).toPlotly();
  expect(layout).toMatchObject({ xaxis: { range: [-0.5, 2.5] }, yaxis: { range: [-0.5, 1.5] } });
  const vega = heatmap(grid, { width: 300, height: 200, aspect: 'fill' }).toVega() as unknown as {
    scales: { domain: number[] }[];
    data: { values: { path: string }[] }[];
  };
  expect(vega.scales.slice(0, 2).map(({ domain }) => domain)).toEqual([
    [-0.5, 2.5],
    [-0.5, 1.5],
  ]);
  // Cells of 100 × 100 px; the first at the lower left.
  const corners = vega.data[0].values.map(({ path }) =>
    /M([\d.]+),([\d.]+)/.exec(path)!.slice(1).map(Number),
  );
  expect(corners).toEqual([
    [0, 100],
    [100, 100],
    [200, 100],
    [0, 0],
    [100, 0],
    [200, 0],
  ]);
});
