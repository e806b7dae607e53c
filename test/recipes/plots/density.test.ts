import { describe, expect, it } from 'vitest';
import { density, spectralDensity } from 'quasi-newton/landscape';
import { kernelDensity, silvermanBandwidth } from '../../../src/recipes/plots/densityCurves.ts';
import { gaussian } from '../../../src/recipes/landscape/random.ts';

const areaBelow = (x: ArrayLike<number>, y: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 1; i < x.length; i++) sum += ((x[i] - x[i - 1]) * (y[i] + y[i - 1])) / 2;
  return sum;
};
const samples = { Adam: [3.1, 2.9, 3.3, 2.7], 'L-BFGS': [1, 1.1, 0.9] };
const diagonal = Float64Array.from({ length: 40 }, (_, i) => (i === 0 ? 50 : i / 40));
const spectrum = spectralDensity({
  p0: new Float64Array(40),
  fg: (x, gradient) => {
    gradient?.set(x.map((value, i) => diagonal[i] * value));
    return x.reduce((sum, value, i) => sum + (diagonal[i] * value ** 2) / 2, 0);
  },
});

describe('a kernel estimate', () => {
  it('is the mean of normal densities around the values', () => {
    const values = [0, 1, 1.5, 7];
    const { x, y } = kernelDensity(values, 'linear', 0.7);
    x.forEach((at, k) => {
      const bells = values.map(
        (value) => Math.exp(-(((at - value) / 0.7) ** 2) / 2) / (0.7 * Math.sqrt(2 * Math.PI)),
      );
      expect(y[k]).toBeCloseTo(bells.reduce((a, b) => a + b, 0) / 4, 8);
    });
    expect(areaBelow(x, y)).toBeCloseTo(1, 3);
  });

  it('a kernel estimate of a log axis is that of the logarithms', () => {
    const values = [1e-8, 1e-6, 1e-3, 10];
    const { x, y } = kernelDensity(values, 'log', 0.4);
    const plain = kernelDensity(values.map(Math.log10), 'linear', 0.4);
    expect([...y]).toEqual([...plain.y]);
    expect(areaBelow(x.map(Math.log10), y)).toBeCloseTo(1, 3);
  });

  it('finds a narrow peak that is far from an outlier', () => {
    const draw = gaussian(3);
    const values = [...Array.from({ length: 200 }, () => draw()), 1e9].sort((a, b) => a - b);
    const { x, y } = kernelDensity(values, 'linear', silvermanBandwidth(values, 'linear', 1e9));
    expect(Math.max(...y)).toBeGreaterThan(0.3);
    expect(areaBelow(x, y)).toBeCloseTo(1, 1);
  });

  it('is near the density that many values come from', () => {
    const draw = gaussian(1);
    const values = Array.from({ length: 50_000 }, () => draw()).sort((a, b) => a - b);
    const { x, y } = kernelDensity(values, 'linear', silvermanBandwidth(values, 'linear', 8));
    x.forEach((at, k) => expect(y[k]).toBeCloseTo(Math.exp((-at * at) / 2) / Math.sqrt(2 * Math.PI), 1));
  });

  it('has a bandwidth after Silverman, also for values that are all alike', () => {
    // 0.9 min(σ, IQR / 1.34) n^(−1/5), of which the second is the less.
    expect(silvermanBandwidth([1, 2, 4, 8, 100], 'linear', 99)).toBeCloseTo(0.9 * (6 / 1.34) * 5 ** -0.2, 10);
    expect(silvermanBandwidth([1, 1, 1, 1, 3], 'linear', 2)).toBeCloseTo(
      0.9 * Math.sqrt(0.8) * 5 ** -0.2,
      10,
    );
    expect(silvermanBandwidth([5, 5], 'linear', 200)).toBe(2);
    expect(silvermanBandwidth([5, 5], 'linear', 0)).toBe(0.05);
    expect(silvermanBandwidth([0], 'linear', 0)).toBe(0.01);
    expect(silvermanBandwidth([-1e307, 0, 1e307], 'linear', 2e307)).toBeLessThan(1e307);
  });
});

describe('a figure of densities', () => {
  it('is finite for values that are not normal numbers', () => {
    const svg = density({ tiny: [5e-324, 1e-323], wide: [1e-310, 3e-309] }).toSVG();
    expect(svg).not.toMatch(/NaN|Infinity/);
    expect(silvermanBandwidth([5e-324, 1e-323], 'linear', 5e-324)).toBe(1e-300);
  });

  it('has a curve, an area and strokes for each sample, in every form', () => {
    const plot = density(samples, { xlabel: 'seconds' });
    expect(plot.toSVG()).not.toMatch(/NaN|undefined|Infinity/);
    expect(plot.toSVG().match(/stroke-width="2.4"/g)).toHaveLength(2);
    const { data, layout } = plot.toPlotly();
    expect(data.map(({ mode }) => mode)).toEqual(['lines', 'markers', 'lines', 'markers']);
    expect(areaBelow(data[0]['x'] as number[], data[0]['y'] as number[])).toBeCloseTo(1, 3);
    expect(layout['showlegend']).toBe(true);
    expect(plot.toVega()).toMatchObject({ layer: [{}, {}, { mark: { type: 'tick' } }] });
    const bare = density(samples, { fill: false, points: false });
    expect(bare.toPlotly().data).toHaveLength(2);
    expect(bare.toVega()).toMatchObject({ layer: [{ mark: { type: 'line' } }] });
    expect(bare.toSVG()).not.toContain('fill-opacity');
  });

  it('is a page and a PNG as well', async () => {
    const plot = density(samples);
    expect(plot.toHTML({ plotly: 'https://example.org/plotly.js' })).toContain('Plotly.newPlot');
    expect((await plot.toPNG()).slice(1, 4).join(' ')).toBe('80 78 71');
  });

  it('a figure of densities of a spectrum is drawn as it is, on six decades', () => {
    const { data, layout } = density(spectrum).toPlotly();
    expect(data).toHaveLength(1);
    expect(data[0]['y']).toEqual([...spectrum.y]);
    expect(layout).toMatchObject({ xaxis: { title: { text: 'eigenvalue' } }, yaxis: { type: 'log' } });
    const [low, high] = (layout['yaxis'] as { range: [number, number] }).range;
    expect(high - low).toBeCloseTo(6 + Math.log10(2), 10);
    expect(density({ before: spectrum, after: spectrum }).toPlotly().data).toHaveLength(2);
  });

  it('a figure of densities of a spectrum on a log axis has the same area, per decade, over what is positive', () => {
    const [curve] = density(spectrum, { xscale: 'log', yscale: 'linear' }).toPlotly().data;
    const [x, y] = [curve['x'] as number[], curve['y'] as number[]];
    const positive = x.findIndex((value) => value > 0);
    const logs = x.slice(positive).map(Math.log10);
    const plain = areaBelow(spectrum.x.slice(positive), spectrum.y.slice(positive));
    expect(areaBelow(logs, y.slice(positive))).toBeCloseTo(plain, 1);
    expect(density(spectrum, { xscale: 'log' }).toSVG()).not.toMatch(/NaN|Infinity/);
  });

  it('counts what is left out', () => {
    const svg = density({ a: [1, NaN, Infinity, 2], b: [] }).toSVG();
    expect(svg).toContain('a (2 of 4 finite)');
    expect(density({ a: [0, -1, 2, 3] }, { xscale: 'log', legend: true }).toSVG()).toContain(
      'a (2 of 4 finite and &gt; 0)',
    );
    expect(density({ a: [NaN] }).toSVG()).not.toMatch(/NaN"|Infinity/);
  });

  it.each([[[1e307, -1e307, 3]], [[5]], [[2, 2, 2]], [[1e-300, 2e-300]]])(
    'a figure of densities of %o holds only numbers',
    (values) => {
      for (const yscale of ['linear', 'log'] as const) {
        expect(density({ values }, { yscale }).toSVG()).not.toMatch(/NaN|undefined|Infinity/);
      }
    },
  );

  it('names what is wrong', () => {
    expect(() => density([])).toThrow(/density: samples must hold at least one sample/);
    expect(() => density(5 as never)).toThrow(/density: samples must be .*, got 5/);
    expect(() => density([1, 2] as never)).toThrow(/samples must be \[\{ name, values \}\]/);
    expect(() => density({ a: 'x' as never })).toThrow(/sample "a" must have values/);
    expect(() => density(samples, { bandwidth: 0, fill: 1 as never })).toThrow(/2 options are wrong/);
  });
});
