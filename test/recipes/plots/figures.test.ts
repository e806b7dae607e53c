import { describe, expect, it, vi } from 'vitest';
import { boxplot, convergence, toPNG } from 'quasi-newton/landscape';
import { fiveNumbers, quantileSorted } from '../../../src/recipes/grid/statistics.ts';
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
      /does not record seconds/,
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

  it.each(Object.entries(figures))(
    'references of a %s are diamonds with a line in the legend, if any',
    (_, draw) => {
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
    },
  );

  it('lie within the axes, even beyond the data', () => {
    const heights = (svg: string) =>
      [...svg.matchAll(/d="M[\d.]+,(-?[\d.]+)l7,7/g)].map(([, y]) => Number(y) + 7);
    for (const value of [1e-9, 1e3]) {
      const [mark] = heights(figures.convergence(value).toSVG());
      expect(mark).toBeGreaterThan(20);
      expect(mark).toBeLessThan(480);
    }
  });
});

describe('tick labels', () => {
  const plain = (label: string | null) => label?.replaceAll(/<tspan[^>]*>/g, '^').replaceAll('</tspan>', '');
  const labelsOf = (low: number, high: number) =>
    axisOf('linear', [low, high], [0, 400]).ticks.map(({ label }) => plain(label));

  it('have the digits that their step needs', () => {
    expect(labelsOf(2.3022, 2.3028)).toContain('2.3025');
    expect(labelsOf(123456, 123460)).toContain('123458');
    expect(labelsOf(1.0001e-4, 1.0005e-4)).toContain('1.0003×10^−4');
    expect(labelsOf(-2, 2)).toEqual(['−2', '−1.5', '−1', '−0.5', '0', '0.5', '1', '1.5', '2']);
    expect(labelsOf(0, 3e7)).toEqual(['0', '0.5×10^7', '10^7', '1.5×10^7', '2×10^7', '2.5×10^7', '3×10^7']);
  });

  it('never repeat, however narrow, large or small the domain', () => {
    for (const [center, width] of [
      [Math.LN2, 1e-9],
      [1e300, 1e297],
      [1e-290, 1e-291],
      [-5e15, 3e6],
      [0, 1e-200],
    ]) {
      for (const kind of ['linear', 'log'] as const) {
        const domain = domainOf([center - width, center + width], kind);
        const labels = axisOf(kind, domain, [0, 400])
          .ticks.map(({ label }) => label)
          .filter((label) => label !== null);
        expect(new Set(labels).size, `${center} ± ${width}`).toBe(labels.length);
      }
    }
  });
});

describe('boxes on a page', () => {
  it('have the quartiles and whiskers of the SVG', () => {
    const values = [1, 2, 4, 8, 100];
    const [box] = boxplot({ a: values }).toPlotly().data;
    expect(box).toMatchObject({ q1: [2], median: [4], q3: [8], lowerfence: [1], upperfence: [8] });
  });
});

describe('gaps', () => {
  const broken = [1, NaN, 0.5, 0.4, Infinity, 0.1];

  it('break lines in every form', () => {
    const plot = convergence([{ name: 'a', runs: [broken] }]);
    // The single points 1 and 0.1 are dots.
    expect(plot.toSVG().match(/d="M[^"]*h0\.01M[^"]*L[^"]*M[^"]*h0\.01"/)).not.toBeNull();
    expect(plot.toPlotly().data[0]['y']).toEqual([1, null, 0.5, 0.4, null, 0.1]);
    const { data } = plot.toVega() as unknown as { data: { values: { part: number; y: number }[] } };
    expect(data.values.map(({ part, y }) => [part, y])).toEqual([
      [0, 1],
      [1, 0.5],
      [1, 0.4],
      [2, 0.1],
    ]);
  });
});

describe('names', () => {
  it('names of any length leave room for the plot, and are whole in the tooltip', () => {
    const name =
      'L-BFGS, strong Wolfe line search, memory 20, curvature pairs damped (Powell) and more of it';
    const svg = convergence([{ name, runs: [[1, 0.3]] }], { width: 300 }).toSVG();
    const [, width] = /<svg x="[\d.]+" y="[\d.]+" width="([\d.]+)"/.exec(svg) ?? [];
    expect(Number(width)).toBeGreaterThan(90);
    expect(svg).toContain(`<title>${name}</title>`);
    expect(svg).not.toMatch(/(width|height)="-/);
  });

  it('names of 30 methods stand in one legend, told apart by colors and dashes', () => {
    const many = Array.from({ length: 30 }, (_, k) => ({ name: `method ${k}`, runs: [[1, 0.5]] }));
    const svg = convergence(many).toSVG();
    for (const { name } of many) expect(svg).toContain(`>${name}<`);
    const styles = [...svg.matchAll(/stroke="(#\w+)" stroke-width="2.5"( stroke-dasharray="[\d ]+")?/g)];
    expect(new Set(styles.map(([style]) => style)).size).toBe(30);
  });

  it('names with control characters are drawn without them', () => {
    const svg = convergence([{ name: 'a\u0000b\u001Fc\tlone \uD800', runs: [[1, 2]] }], {
      title: '\u0007',
    }).toSVG();
    // eslint-disable-next-line no-control-regex
    expect(svg).not.toMatch(/[\u0000-\u001F]|\p{Cs}/u);
    expect(svg).toContain('\uFFFDb\uFFFDc');
  });
});

describe('large series', () => {
  const long = Float64Array.from({ length: 200_000 }, (_, i) => 1 / (1 + i));

  it('are drawn without a call that takes them as arguments', () => {
    expect(convergence([{ name: 'a', runs: [long] }]).toSVG().length).toBeLessThan(1e6);
    expect(
      boxplot({ a: long })
        .toSVG()
        .match(/<circle/g),
    ).toHaveLength(1000);
  });
});

describe('boxplot', () => {
  it('divides by the median of the sample named', () => {
    const figure = boxplot({ a: [2, 4, 6], b: [8] }, { relativeTo: 'a' }).toPlotly();
    expect(figure.data[0]['y']).toEqual([[0.5, 1, 1.5]]);
    expect(figure.data[1]['y']).toEqual([[2]]);
    expect(() => boxplot({ a: [1] }, { relativeTo: 'c' })).toThrow(/must name a sample, one of "a"; got "c"/);
    expect(() => boxplot({})).toThrow(/at least one/);
    expect(() => boxplot([{ name: 'a', runs: [1] } as never])).toThrow(
      /sample "a" must have values, .*got an object with name, runs/,
    );
    expect(() => boxplot({ a: 3 as never })).toThrow(/sample "a" must have values, .*got 3/);
  });

  it('leaves out what is not finite and says so, and draws an empty sample as an empty column', () => {
    const plot = boxplot(
      [
        { name: 'a', values: [1, NaN, 3] },
        { name: 'b', values: [] },
      ],
      { yscale: 'log' },
    );
    expect(plot.toSVG()).not.toMatch(/NaN|Infinity/);
    expect(plot.toSVG()).toContain('a (2 of 3 finite)');
    expect(plot.toPlotly().data.map(({ name }) => name)).toEqual(['a (2 of 3 finite)', 'b']);
  });
});

describe('forms', () => {
  it('gives a PNG', async () => {
    const plot = convergence(traces);
    const png = await plot.toPNG({ scale: 1 });
    expect(await toPNG(plot.toSVG(), { scale: 1 })).toEqual(png);
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

  it('gives no page that stands alone in a browser, and says what to do', () => {
    vi.stubGlobal('process', undefined);
    try {
      expect(() => convergence(traces).toHTML()).toThrow(
        "toHTML: plotly.js can be embedded in the page only in Node. Pass the address of a copy: toHTML({ plotly: 'https://…/plotly.min.js' }).",
      );
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('gives Vega-Lite with the same columns', () => {
    const { data, $schema } = convergence(traces).toVega();
    expect($schema).toContain('vega-lite');
    expect(data).toMatchObject({
      values: expect.arrayContaining([{ name: 'Adam', part: 0, x: 1, y: 0.9, q1: 0.9, q3: 0.9 }]),
    });
  });

  interface Drawn {
    readonly type: string;
    readonly name: string;
    readonly x: unknown;
    readonly y: unknown;
    readonly line: { readonly color: string; readonly width: number };
    readonly marker: { readonly color: string };
    readonly boxpoints: string;
    readonly fill?: string;
    readonly opacity: number;
    readonly showlegend?: boolean;
    readonly [statistic: string]: unknown;
  }
  interface Spec {
    readonly title: string;
    readonly data: { readonly values: unknown };
    readonly layer: readonly {
      readonly mark: { readonly type: string };
      readonly encoding: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    }[];
  }
  const drawn = (plot: ReturnType<typeof boxplot>) => plot.toPlotly().data as unknown as readonly Drawn[];
  const specOf = (plot: ReturnType<typeof boxplot>) => plot.toVega() as unknown as Spec;
  const samples = { 'L-BFGS': [1, 2, 4, 8, 100], Adam: [3, 5, 4] };
  const names = Object.keys(samples);

  it('gives plotly boxes with the statistics, colors and limits of the picture', () => {
    const plot = boxplot(samples, { ylims: [0.5, 50], ylabel: 'time', xlabel: 'method' });
    const data = drawn(plot);
    expect(data.map(({ type, name, x }) => [type, name, x])).toEqual(
      names.map((name) => ['box', name, [name]]),
    );
    expect(
      data.map(({ q1, median, q3, lowerfence, upperfence }) =>
        [lowerfence, q1, median, q3, upperfence].flat(),
      ),
    ).toEqual([
      [1, 2, 4, 8, 8],
      [3, 3.5, 4, 4.5, 5],
    ]);
    expect(data.map(({ y }) => y)).toEqual([[[1, 2, 4, 8, 100]], [[3, 4, 5]]]);
    for (const { marker, line, boxpoints } of data) {
      expect([marker.color, boxpoints]).toEqual([line.color, 'all']);
      expect(plot.toSVG()).toContain(marker.color);
    }
    expect(plot.toPlotly().layout).toMatchObject({
      showlegend: false,
      xaxis: { type: 'category', title: { text: 'method' } },
      yaxis: { type: 'linear', range: [0.5, 50], title: { text: 'time' } },
    });
    // Without dots, only those beyond the whiskers.
    const few = boxplot(samples, { points: false, yscale: 'log' });
    expect(drawn(few).map(({ y, boxpoints }) => [y, boxpoints])).toEqual([
      [[[100]], 'outliers'],
      [[[]], 'outliers'],
    ]);
    expect(few.toPlotly().layout).toMatchObject({ yaxis: { type: 'log' } });
  });

  it('gives Vega-Lite the values, in the order and colors of the picture', () => {
    const vega = specOf(boxplot(samples, { ylims: [0.5, 50], ylabel: 'time', title: 'T' }));
    expect(vega).toMatchObject({ $schema: expect.stringContaining('vega-lite'), title: 'T' });
    expect(vega.data.values).toEqual(
      [1, 2, 4, 8, 100]
        .map((value) => ({ name: 'L-BFGS', value }))
        .concat([3, 4, 5].map((value) => ({ name: 'Adam', value }))),
    );
    const [{ mark, encoding }] = vega.layer;
    // Whiskers as in the picture; columns in the given order, not by name; no axis needs 0.
    expect(mark).toEqual({ type: 'boxplot', extent: 1.5 });
    expect(encoding.x).toEqual({ field: 'name', type: 'nominal', sort: null, title: null });
    expect(encoding.y).toEqual({
      field: 'value',
      type: 'quantitative',
      title: 'time',
      scale: { type: 'linear', zero: false, domain: [0.5, 50] },
    });
    const colors = drawn(boxplot(samples)).map(({ line }) => line.color);
    expect(encoding.color).toMatchObject({
      field: 'name',
      type: 'nominal',
      legend: null,
      scale: { domain: names, range: colors },
    });
    const log = specOf(boxplot(samples, { yscale: 'log', xlabel: 'method' }));
    expect(log.layer[0].encoding.y.scale).toEqual({ type: 'log' });
    expect(log.layer[0].encoding.x.title).toBe('method');
  });

  it('gives convergence a band and faint runs only where there are several', () => {
    const modes = (attributes: object) =>
      drawn(convergence(traces, attributes)).map(({ name, fill, opacity, showlegend }) => [
        name,
        fill ?? (opacity < 0.5 ? 'faint' : opacity < 1 ? 'edge' : 'median'),
        showlegend ?? true,
      ]);
    const [several, one] = traces.map(({ name }) => name);
    const band = [
      [several, 'edge', false],
      [several, 'tonexty', false],
    ];
    const faint = [
      [several, 'faint', false],
      [several, 'faint', false],
    ];
    const medians = [
      [several, 'median', true],
      [one, 'median', true],
    ];
    expect(modes({ band: true, runs: true })).toEqual([...band, ...faint, ...medians]);
    expect(modes({ band: true, runs: false })).toEqual([...band, ...medians]);
    expect(modes({ band: false, runs: true })).toEqual([...faint, ...medians]);
    expect(modes({ band: false, runs: false })).toEqual(medians);
    // Lines without markers; edges have no width, and neither they nor single runs have texts under the mouse.
    for (const { type, mode, opacity, fill, line, hoverinfo } of drawn(
      convergence(traces, { band: true, runs: true }),
    )) {
      expect([type, mode]).toEqual(['scatter', 'lines']);
      const isEdge = fill !== undefined || (opacity > 0.5 && opacity < 1);
      expect([line.width, line.color !== undefined]).toEqual(
        isEdge ? [0, false] : [opacity < 1 ? 1 : 2.4, true],
      );
      expect(hoverinfo).toBe(opacity < 1 ? 'skip' : undefined);
    }
  });

  it('gives convergence medians between points in the scale of the axis, and marks at the last x', () => {
    const runs = [
      { x: [0, 2], y: [1, 1e-4] },
      { x: [0, 1, 2], y: [1, 1e-2, 1e-4] },
    ];
    const marked = convergence([{ name: 'a', runs, reference: 1e-5 }], { yscale: 'log', reference: 'known' });
    const median = drawn(marked).find(({ opacity }) => opacity === 1);
    const { x, y } = median as unknown as { x: number[]; y: number[] };
    expect(x.length).toBeGreaterThan(2);
    for (const [i, at] of x.entries()) expect(y[i] * 100 ** at).toBeCloseTo(1, 10);
    expect(drawn(marked).find(({ name }) => name === 'known')).toMatchObject({ x: [2], y: [1e-5] });
  });

  it('gives convergence in Vega-Lite with the scales, limits and colors of the picture', () => {
    const attributes = { xlims: [0, 2], yscale: 'log', ylabel: 'f', title: 'T', legend: false } as const;
    const vega = specOf(convergence(traces, attributes));
    expect(vega.title).toBe('T');
    const [area, lines] = vega.layer;
    expect([area.mark.type, lines.mark.type]).toEqual(['area', 'line']);
    for (const { encoding } of vega.layer) {
      expect(encoding.x).toEqual({
        field: 'x',
        type: 'quantitative',
        title: 'iterations',
        scale: { type: 'linear', zero: false, domain: [0, 2] },
      });
      expect(encoding.y).toMatchObject({ type: 'quantitative', title: 'f', scale: { type: 'log' } });
      expect(encoding.y.scale).not.toHaveProperty('zero');
      expect(encoding.detail).toEqual({ field: 'part' });
      const medians = drawn(convergence(traces)).filter(({ opacity }) => opacity === 1);
      expect(encoding.color).toMatchObject({
        field: 'name',
        sort: null,
        legend: null,
        scale: { domain: traces.map(({ name }) => name), range: medians.map(({ line }) => line.color) },
      });
    }
    expect([area.encoding.y.field, area.encoding.y2.field, lines.encoding.y.field]).toEqual([
      'q1',
      'q3',
      'y',
    ]);
    const plain = specOf(convergence(traces, { band: false }));
    expect(plain.layer.map(({ mark }) => mark.type)).toEqual(['line']);
    expect(plain.layer[0].encoding.color).not.toHaveProperty('legend');
    expect(plain.layer[0].encoding.x.scale).toEqual({ type: 'linear', zero: false });
    expect(plain.layer[0].encoding.color.type).toBe('nominal');
    expect(plain.layer[0].encoding.strokeDash).toMatchObject({
      scale: { domain: traces.map(({ name }) => name) },
    });
    // What lies beyond the limits is cut off.
    for (const { mark } of vega.layer) expect(mark).toMatchObject({ clip: true });
  });

  it('names pages, and refuses what cannot be drawn in the name of the function', () => {
    const titleOf = (page: string) => /<title>(.*?)<\/title>/.exec(page)?.[1];
    const plotly = 'https://example.org/plotly.min.js';
    const titles = [{}, { title: 'Times' }].flatMap((attributes) => [
      titleOf(boxplot(samples, attributes).toHTML({ plotly })),
      titleOf(convergence(traces, attributes).toHTML({ plotly })),
    ]);
    expect(titles).toEqual(['Box plot', 'Convergence', 'Times', 'Times']);
    expect(() => boxplot(samples, { relativeTo: 'SGD' })).toThrow(
      'boxplot: relativeTo must name a sample, one of "L-BFGS", "Adam"; got "SGD".',
    );
    expect(() => boxplot(samples, { ylims: 3 } as never)).toThrow(/^boxplot: /);
    expect(() => boxplot(3 as never)).toThrow(/^boxplot: /);
    expect(() => convergence(traces, { xlims: 3 } as never)).toThrow(/^convergence: /);
    expect(() => convergence([])).toThrow(/^convergence: traces must be an array .* got /);
  });

  it('uses the given colors of samples and traces', () => {
    const color = '#123456';
    const boxes = drawn(
      boxplot([
        { name: 'a', values: [1, 2], color },
        { name: 'b', values: [1] },
      ]),
    );
    expect(boxes.map(({ line }) => line.color === color)).toEqual([true, false]);
    const curves = drawn(convergence([{ ...traces[0], color }, traces[1]]));
    expect(curves.filter(({ opacity }) => opacity === 1).map(({ line }) => line.color === color)).toEqual([
      true,
      false,
    ]);
  });
});
