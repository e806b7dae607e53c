import { expect, it } from 'vitest';
import { contourf, fromGrid, heatmap, landscape, line, onPlane } from 'quasi-newton/landscape';

const steps = (from: number, step: number) => Float64Array.from({ length: 5 }, (_, i) => from + i * step);
const z = Float64Array.from({ length: 25 }, (_, i) => Math.sin(i));

it('axes that do not reach 0 have no mark at 0: renderers give up on coordinates that far away', () => {
  const far = fromGrid({ x: steps(1e9, 1), y: steps(-2, 1), z });
  for (const figure of [contourf(far), heatmap(far)]) {
    const paths = Array.from(figure.toSVG().matchAll(/ d="([^"]*)"/g), ([, d]) => d).join(' ');
    const lengths = (paths.match(/-?\d+(?:\.\d+)?/g) ?? []).map(Number);
    expect(Math.max(...lengths.map(Math.abs))).toBeLessThan(1e4);
    expect(JSON.stringify(figure.toPlotly())).not.toContain('cross-thin');
  }
  const ahead = fromGrid({ x: steps(1e9, 1), z: z.slice(0, 5) });
  expect(line(ahead).toSVG()).not.toContain('stroke-dasharray="4 4"');

  const around = fromGrid({ x: steps(-2, 1), y: steps(-2, 1), z });
  expect(JSON.stringify(contourf(around).toPlotly())).toContain('cross-thin');
});

it('a path with few markers is drawn over one with many, whatever their order', () => {
  const bowl = { p0: Float64Array.of(0, 0), fg: ([a, b]: Float64Array) => a * a + b * b };
  const data = landscape(bowl, {
    npoints: 5,
    directions: [Float64Array.of(1, 0), Float64Array.of(0, 1)],
    lnorm: 1,
    center: Float64Array.of(1, 1),
  });
  const along = (count: number) => {
    const points = Array.from({ length: count }, (_, i) => Float64Array.of(0.5 + i / count, 1));
    return onPlane(
      data.plane,
      points,
      points.map(() => 1),
    );
  };
  for (const names of [
    ['sparse', 'dense'],
    ['dense', 'sparse'],
  ]) {
    const paths = names.map((name) => ({ name, path: along(name === 'dense' ? 40 : 4) }));
    const svg = contourf(data, { paths }).toSVG();
    expect(svg.indexOf('<title>dense, point 0')).toBeLessThan(svg.indexOf('<title>sparse, point 0'));
    expect(svg.indexOf(`>${names[0]}</text>`)).toBeLessThan(svg.indexOf(`>${names[1]}</text>`));
  }
});

it('a point of a path without a place breaks its line in Vega, which would draw null at 0', () => {
  const data = fromGrid({ x: steps(5, 1), y: steps(-7, 1), z });
  const path = {
    x: [5, NaN, 7],
    y: [-7, -6, -5],
    loss: [1, NaN, Infinity],
    residual: [0, 0, NaN],
    inPlane: [1, 1, 1],
  };
  const figure = contourf(data, { paths: [{ name: 'p', path }] as never }).toVega();
  const { data: tables } = JSON.parse(JSON.stringify(figure)) as {
    data: { name: string; values: Record<string, unknown>[] }[];
  };
  const rows = (name: string) =>
    tables
      .find((table) => table.name === name)
      ?.values.map(({ x, y, loss, residual }) => [x, y, loss, residual]);
  expect(rows('markers')).toEqual([
    [5, -7, 1, 0],
    [7, -5, null, null],
  ]);
  expect(rows('points')?.[1]).toEqual([null, null, null, 0]);
  expect(JSON.stringify(figure)).toContain('"defined":{"signal":"datum.x !== null"}');
});

it('names of paths that have no room are counted, at any size of the picture', () => {
  const data = fromGrid({ x: steps(5, 1), y: steps(-7, 1), z });
  const path = { x: [5, 6], y: [-7, -6], loss: [1, 1], residual: [0, 0], inPlane: [1, 1] };
  const long = 'a name that is much longer than there is room for';
  for (const names of [
    ['L-BFGS (m = 10)', long, 'GD'],
    [long, long, long, long, 'b', 'c'],
    ['a', 'b', 'c'],
  ])
    for (const width of [120, 200, 320, 640])
      for (const height of [120, 240, 480]) {
        const paths = names.map((name) => ({ name, path }));
        const svg = contourf(data, { paths: paths as never, width, height }).toSVG();
        const lines = Array.from(svg.matchAll(/stroke-width="3"\/><text/g)).length;
        const [, more = '0'] = /and (\d+) more<\/text>/.exec(svg) ?? [];
        expect(lines + Number(more)).toBe(names.length);
        expect(/data-left-out="(\d+)"/.exec(svg)?.[1] ?? '0').toBe(more);
      }
});
