import { describe, expect, it } from 'vitest';
import { boxplot, convergence, toPNG } from 'quasi-newton/landscape';
import { fiveNumbers, quantileSorted } from '../../../src/recipes/plots/statistics.ts';
import { summarize } from '../../../src/recipes/plots/traces.ts';
import { axisOf, domainOf } from '../../../src/recipes/plots/axes.ts';

const traces = [
  {
    name: 'L-BFGS <m = 10>',
    runs: [
      { x: [0, 1, 2], y: [1, 0.1, 0.01] },
      { x: [0, 1, 2], y: [3, 0.3, 0.03] },
    ],
  },
  { name: 'Adam', runs: [{ x: [0, 1, 2], y: [1, 0.9, 0.8] }] },
];

describe('statistics', () => {
  it('agree with R (type 7 quantiles, Tukey whiskers)', () => {
    const sorted = [1, 2, 4, 8, 100];
    expect(quantileSorted(sorted, 0.5)).toBe(4);
    expect(quantileSorted(sorted, 0.1)).toBeCloseTo(1.4, 12);
    const five = fiveNumbers([100, 8, 4, NaN, 2, 1]);
    expect(five).toEqual({ low: 1, q1: 2, median: 4, q3: 8, high: 8, outliers: [100] });
  });

  it('take the median across runs, keep the last value of a run that ended, and ignore it before it began', () => {
    const runs = [
      { x: [0, 1, 2, 3], y: [1, 1, 1, 1] },
      { x: [0, 1], y: [5, 3] },
      { x: [2, 3], y: [9, 9] },
    ];
    const { x, median } = summarize(runs, { x: 'linear', y: 'linear' }, 4);
    expect([...x]).toEqual([0, 1, 2, 3]);
    expect([...median]).toEqual([3, 2, 3, 3]);
  });

  it('interpolate in the scale of the axis', () => {
    const runs = [
      { x: [0, 2], y: [1, 1e-4] },
      { x: [0, 1, 2], y: [1, 1e-2, 1e-4] },
    ];
    const { median } = summarize(runs, { x: 'linear', y: 'log' }, 3);
    expect(median[1]).toBeCloseTo(1e-2, 12);
  });
});

describe('axes', () => {
  it('hold all values that have a place on them', () => {
    expect(domainOf([1, NaN, 3, Infinity], 'linear', 0)).toEqual([1, 3]);
    expect(domainOf([1, 0, -2, 100], 'log', 0)).toEqual([1, 100]);
    expect(domainOf([], 'log')).toEqual([0.1, 1]);
    const [low, high] = domainOf([5, 5], 'linear');
    expect(low).toBeLessThan(5);
    expect(high).toBeGreaterThan(5);
  });

  it('label something over any range', () => {
    for (const domain of [
      [1e-9, 1e3],
      [1, 2],
      [0.3, 40],
      [3.2, 3.3],
    ] as const) {
      const { ticks } = axisOf('log', domain, [0, 400]);
      expect(ticks.filter(({ label }) => label !== null).length).toBeGreaterThan(0);
    }
  });
});

describe('convergence', () => {
  it('draws the same picture each time, with names escaped', () => {
    const svg = convergence(traces, { xlabel: 'epoch' }).toSVG();
    expect(svg).toBe(convergence(traces, { xlabel: 'epoch' }).toSVG());
    expect(svg).toContain('L-BFGS &lt;m = 10&gt;');
    expect(svg).not.toMatch(/NaN|undefined/);
  });

  it('reads the trace of a solve against iterations, evaluations and seconds', () => {
    const run = [
      { iteration: 0, f: 4, evaluations: { f: 1, gradient: 1 }, elapsed: 0.5 },
      { iteration: 1, f: 2, evaluations: { f: 4, gradient: 3 }, elapsed: 1.5 },
    ];
    const x = (against: 'iterations' | 'evaluations' | 'seconds') => {
      return convergence([{ name: 'a', runs: [run] }], { against }).toPlotly().data[0]['x'];
    };
    expect(x('iterations')).toEqual([0, 1]);
    expect(x('evaluations')).toEqual([1, 4]);
    expect(x('seconds')).toEqual([0.5, 1.5]);
    expect(() => convergence([{ name: 'a', runs: [[{ f: 1 }]] }], { against: 'seconds' })).toThrow(
      /does not tell seconds/,
    );
  });

  it('draws nothing for values that a log axis has no place for', () => {
    const svg = convergence([{ name: 'a', runs: [{ x: [0, 1, 2], y: [1, 0, 0.5] }] }]).toSVG();
    expect(svg).not.toMatch(/NaN|Infinity/);
  });

  it('names what is wrong', () => {
    expect(() => convergence([])).toThrow(/at least one/);
    expect(() => convergence([{ name: 'a', runs: [{ x: [1], y: [] }] }])).toThrow(/1 x and 0 y/);
    // @ts-expect-error: no such attribute
    expect(() => convergence(traces, { colour: 'red' })).toThrow(/colour: no such option/);
    expect(() => convergence(traces, { xlims: [2, 1] })).toThrow(/low < high/);
    expect(() => convergence([{ name: 'a', values: [1] } as never])).toThrow(/runs an array; got an object/);
    expect(() => convergence([{ name: 'a', runs: [3, 2] as never }])).toThrow(
      /run 0 of "a" must be .*; got 3/,
    );
    expect(() => convergence([{ name: 'a', runs: [{ x: [1] }] as never }])).toThrow(/got an object with x/);
  });

  it('take losses alone, against their number', () => {
    const losses = [3, 2, 1];
    const plain = convergence([{ name: 'a', runs: [losses, Float32Array.from(losses)] }]);
    const run = { x: [0, 1, 2], y: losses };
    expect(plain.toSVG()).toBe(convergence([{ name: 'a', runs: [run, run] }]).toSVG());
  });
});

describe('references', () => {
  const runs = [{ x: [0, 1, 2], y: [1, 0.1, 0.01] }];
  const figures = {
    boxplot: (reference?: number) =>
      boxplot([{ name: 'a', values: [2, 4, 6], reference }], { reference: 'published', relativeTo: 'a' }),
    convergence: (reference?: number) =>
      convergence([{ name: 'a', runs, reference }], { reference: 'published', xlabel: 'epoch' }),
  };

  it.each(Object.entries(figures))('of a %s are diamonds with a line in the legend, if any', (_, draw) => {
    const [plain, marked] = [draw(), draw(1e-3)];
    const diamond = /l7,7l-7,7l-7,-7z/g;
    expect(plain.toSVG()).not.toMatch(diamond);
    expect(plain.toSVG()).not.toContain('published');
    expect(marked.toSVG().match(diamond)).toHaveLength(2);
    expect(marked.toSVG()).toContain('published');
    expect(marked.toPlotly().data.length).toBe(plain.toPlotly().data.length + 1);
    expect(marked.toPlotly().data.at(-1)).toMatchObject({ name: 'published', y: [1e-3] });
    expect(JSON.stringify(plain.toVega())).not.toContain('diamond');
    expect(JSON.stringify(marked.toVega())).toContain('diamond');
  });

  it('stand within the axes, though they be beyond the data', () => {
    const heights = (svg: string) =>
      [...svg.matchAll(/d="M[\d.]+,(-?[\d.]+)l7,7/g)].map(([, y]) => Number(y) + 7);
    for (const value of [1e-9, 1e3]) {
      const [mark] = heights(figures.convergence(value).toSVG());
      expect(mark).toBeGreaterThan(20);
      expect(mark).toBeLessThan(480);
    }
  });
});

describe('boxplot', () => {
  it('divides by the median of the sample named', () => {
    const figure = boxplot({ a: [2, 4, 6], b: [8] }, { relativeTo: 'a' }).toPlotly();
    expect(figure.data[0]['y']).toEqual([0.5, 1, 1.5]);
    expect(figure.data[1]['y']).toEqual([2]);
    expect(() => boxplot({ a: [1] }, { relativeTo: 'c' })).toThrow(/must name a sample, one of "a"; got "c"/);
    expect(() => boxplot({})).toThrow(/at least one/);
    expect(() => boxplot([{ name: 'a', runs: [1] } as never])).toThrow(
      /sample "a" must have values, .*got an object with name, runs/,
    );
    expect(() => boxplot({ a: 3 as never })).toThrow(/sample "a" must have values, .*got 3/);
  });

  it('leaves out what is not finite, and draws an empty sample as an empty column', () => {
    const svg = boxplot(
      [
        { name: 'a', values: [1, NaN, 3] },
        { name: 'b', values: [] },
      ],
      { yscale: 'log' },
    ).toSVG();
    expect(svg).not.toMatch(/NaN|Infinity/);
  });
});

describe('forms', () => {
  it('gives a PNG', async () => {
    const png = await toPNG(convergence(traces), { scale: 1 });
    expect(Buffer.from(png).toString('latin1', 1, 4)).toBe('PNG');
  });

  it('gives a page that stands alone, or loads plotly from an address', () => {
    const plot = convergence(traces, { title: 'A & B' });
    const page = plot.toHTML({ plotly: 'https://example.org/plotly.min.js' });
    expect(page).toContain('<script src="https://example.org/plotly.min.js">');
    expect(page).toContain('<title>A &amp; B</title>');
    // A name in the data must not end the script early.
    expect(page.split('</script>')).toHaveLength(3);
    expect(plot.toHTML().length).toBeGreaterThan(1e6);
  });

  it('gives Vega-Lite with the same columns', () => {
    const { data, $schema } = convergence(traces).toVega();
    expect($schema).toContain('vega-lite');
    expect(data).toMatchObject({
      values: expect.arrayContaining([{ name: 'Adam', x: 1, y: 0.9, q1: 0.9, q3: 0.9 }]),
    });
  });
});
