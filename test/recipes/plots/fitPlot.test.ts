import { describe, expect, it } from 'vitest';
import { curveFit } from 'quasi-newton';
import { fitPlot } from 'quasi-newton/landscape';

const t = Array.from({ length: 15 }, (_, i) => i / 3);
const y = t.map((ti, i) => 4 * Math.exp(-ti) + 1 + 0.1 * Math.sin(9 * i));
const decay = (ti: number, { a, b, c }: { a: number; b: number; c: number }) => a * Math.exp(-b * ti) + c;
const fit = curveFit(decay, t, y, { a: 3, b: 1, c: 0 });
const plot = fitPlot(fit, { title: 'Decay', xlabel: 'time (s)', ylabel: 'counts', npoints: 50 });

describe('fitPlot', () => {
  it('draws data, curve, both bands and residuals', () => {
    const svg = plot.toSVG();
    // Each point twice: as it is, and as its residual.
    expect(svg.match(/<circle/g)).toHaveLength(30);
    expect(svg.match(/fill-opacity="0\.[12]"/g)).toHaveLength(2);
    for (const text of ['Decay', 'time (s)', 'counts', '>residual<']) expect(svg).toContain(text);
    const weighted = curveFit(decay, t, y, { a: 3, b: 1, c: 0 }, { sigma: 0.1 });
    expect(fitPlot(weighted).toSVG()).toContain('residual / σ');
    expect(svg).not.toContain('NaN');
  });

  it('shows the numbers of the fit', () => {
    const { data } = plot.toPlotly();
    const named = (name: string) => data.find((trace) => trace.name === name) as { x: number[]; y: number[] };
    const { values, prediction } = fit.predict([t[0], t[14]]);
    expect(named('fit').y[0]).toBeCloseTo(values[0], 12);
    expect(named('fit').y[49]).toBeCloseTo(values[1], 12);
    expect(named('new observations, 95 %').y[0]).toBeCloseTo(prediction!.upper[0], 12);
    expect(named('data').y).toEqual(y);
    named('residuals').y.forEach((value, i) => expect(value).toBeCloseTo(y[i] - fit.fitted[i], 12));
    const { vconcat } = plot.toVega() as unknown as { vconcat: { layer?: unknown[] }[] };
    expect(vconcat).toHaveLength(2);
    expect(vconcat[0].layer).toHaveLength(4);
  });

  it('leaves out bands that are not known', () => {
    const exact = curveFit(decay, t.slice(0, 3), y.slice(0, 3), { a: 3, b: 1, c: 0 });
    expect(fitPlot(exact).toSVG()).not.toMatch(/fill-opacity="0\.[12]"/);
    expect(fitPlot(fit, { band: false }).toSVG()).not.toMatch(/fill-opacity="0\.[12]"/);
    const lists = curveFit(
      ([ti]: readonly [number], [a]: Float64Array) => a * ti,
      t.map((ti) => [ti] as const),
      y,
      [1],
    );
    expect(fitPlot(lists).toSVG()).toContain('<circle');
  });

  it('draws x on a log axis, with points of the curve at equal ratios', () => {
    const dose = [1e-9, 1e-8, 1e-7, 1e-6, 1e-5];
    const response = (d: number, { top, half }: { top: number; half: number }) => top / (1 + half / d);
    const start = { top: 90, half: 2e-7 };
    const doses = curveFit(response, dose, [1, 9, 52, 88, 101], start);
    const logarithmic = fitPlot(doses, { xscale: 'log', npoints: 41 });
    const { data, layout } = logarithmic.toPlotly() as unknown as {
      data: { name?: string; x: number[] }[];
      layout: { xaxis: { type: string } };
    };
    const { x } = data.find(({ name }) => name === 'fit')!;
    expect([x[0], x[40]]).toEqual([1e-9, 1e-5]);
    x.forEach((value, i) => expect(value / 10 ** (-9 + i / 10)).toBeCloseTo(1, 12));
    expect(layout.xaxis.type).toBe('log');
    expect(JSON.stringify(logarithmic.toVega()).match(/"scale":{"type":"log"}/g)).toHaveLength(5);
    const centers = [...logarithmic.toSVG().matchAll(/<circle cx="([\d.]+)"/g)].map(([, cx]) => Number(cx));
    const gaps = centers.slice(1, 5).map((center, i) => center - centers[i]);
    for (const gap of gaps) expect(gap).toBeCloseTo(gaps[0], 1);
    expect(logarithmic.toSVG()).not.toContain('NaN');
    expect(() => fitPlot(fit, { xscale: 'log' })).toThrow(
      "fitPlot: xscale: 'log' shows positive x only; the lowest here is 0. Leave it out.",
    );
  });

  it('refuses objects that are not fits, models of several variables and bad attributes', () => {
    expect(() => fitPlot({} as typeof fit)).toThrow(/fit must be the result of curveFit/);
    const plane = curveFit(
      ([u, v]: readonly [number, number], [a]: Float64Array) => a * u * v,
      [
        [1, 2],
        [2, 3],
      ] as const,
      [2, 6],
      [1],
    );
    expect(() => fitPlot(plane)).toThrow(/has 2 variables, and a figure shows one/);
    expect(() => fitPlot(fit, { level: 95 })).toThrow(/level: must be a number in \(0, 1\)/);
  });

  it('draws any number of points', () => {
    const wave = Float64Array.from({ length: 200_000 }, (_, i) => Math.sin(i / 1000));
    const points = Array.from(wave, (_, i) => i / 40_000);
    const ones = wave.map(() => 1);
    const many = {
      ...fit,
      points,
      y: wave,
      fitted: ones,
      sigma: ones,
      predict: (at: number[]) => fit.predict(at),
    };
    const svg = fitPlot(many).toSVG();
    expect(svg).not.toContain('<circle');
    expect(svg.length).toBeLessThan(2e6);
  });
});
