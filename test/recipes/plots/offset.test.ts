import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
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
  surface,
} from 'quasi-newton/landscape';
import { axisOf } from '../../../src/recipes/plots/axes.ts';
import { namedLess, nameLess, offsetOf } from '../../../src/recipes/plots/offset.ts';
import { shortened } from '../../../src/recipes/plots/text.ts';
import { tickLabels } from '../../../src/recipes/plots/ticks.ts';

const steps = (from: number, to: number) =>
  Array.from({ length: 21 }, (_, i) => from + ((to - from) * i) / 20);

/** A bowl with values from `bottom` to `bottom` + 3·`height`. */
function bowl(x: readonly number[], y: readonly number[], bottom: number, height: number) {
  const z = y.flatMap((_, j) =>
    x.map((__, i) => bottom + height * ((i / 10 - 1) ** 2 + 2 * (j / 10 - 1) ** 2)),
  );
  return fromGrid({ x, y, z });
}

const near = fromGrid({ x: steps(-1, 1), z: steps(0, 1) });

const far = bowl(steps(1e6 - 2e-6, 1e6 + 2e-6), steps(-20_000_001, -20_000_000), 1e9, 1);

/** Reads a label or an offset: 10⁶, −1.7×10^12, 0.004. */
function numberIn(text: string): number {
  const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';
  const normal = text
    .replaceAll(/<tspan[^>]*>/g, '^')
    .replaceAll('</tspan>', '')
    .replaceAll('−', '-')
    .replace(
      /([⁻⁰¹²³⁴-⁹]+)/,
      (power) =>
        `^${power.replace('⁻', '-').replaceAll(/[⁰¹²³⁴-⁹]/g, (c) => String(superscripts.indexOf(c)))}`,
    );
  const [, sign, mantissa, power] = /^(-?)(?:([\d.]+)(?:×|$))?(?:10\^(-?\d+))?$/.exec(normal) ?? [];
  if (sign === undefined) throw new Error(`not a number: ${text}`);
  return Number(`${sign}${mantissa ?? '1'}e${power ?? '0'}`);
}

const textsOf = (svg: string) =>
  Array.from(svg.matchAll(/<text[^>]*>(.*?)<\/text>/g), ([, content]) => content.replaceAll(/<[^>]*>/g, ''));

describe('the offset in a name', () => {
  it('stays whole where the name is shortened, without a mark of what is not missing', () => {
    expect(shortened('temperature', 90, 14, ' − 10⁶')).toMatch(/^t.*… − 10⁶$/);
    expect(shortened('', 20, 14, '+1.7×10¹²')).toBe('+1.7×10¹²');
  });

  it('is not taken from a name of the user', () => {
    expect(shortened('subscription plan +12', 60, 14)).toMatch(/^s.*…$/);
    const names = ['a subscription plan +12', 'a subscription plan +13', 'a subscription plan −14'];
    const samples = Object.fromEntries(names.map((name) => [name, [1, 2, 3]]));
    const svg = boxplot(samples, { width: 160, height: 160 }).toSVG();
    const texts = textsOf(svg.replaceAll(/<title>.*?<\/title>/g, ''));
    expect(texts.filter((text) => text.startsWith('a sub') && text.includes('…'))).toHaveLength(3);
    expect(texts.filter((text) => /[+−]1\d$/.test(text))).toEqual([]);
    // A name without an offset is left out where there is no room.
    const small = { width: 120, height: 120, fontSize: 60, xlabel: 'voltage −5', ylabel: '' };
    const shown = textsOf(line(near, small).toSVG()).join();
    expect(shown).toBe(
      textsOf(line(near, { ...small, xlabel: 'voltage' }).toSVG())
        .join()
        .replace('voltage', 'voltage −5'),
    );
  });
});

describe('an axis far from 0', () => {
  it('has short labels that give its ticks together with the offset', () => {
    const size = fc.tuple(fc.double({ min: 1, max: 10, noNaN: true }), fc.integer({ min: -200, max: 200 }));
    fc.assert(
      fc.property(
        size,
        fc.boolean(),
        fc.double({ min: 5.1, max: 11, noNaN: true }),
        ([digits, power], isNegative, far) => {
          const middle = (isNegative ? -1 : 1) * digits * 10 ** power;
          const range = Math.abs(middle) * 10 ** -far;
          const domain = [middle - range / 2, middle + range / 2] as const;
          const offset = offsetOf(domain);
          expect(offset).not.toBeNull();
          const { value, text } = offset!;
          expect(numberIn(text)).toBe(value);
          const { ticks } = axisOf('linear', domain, [0, 400], { horizontal: true });
          expect(ticks.length).toBeGreaterThan(1);
          const step = ticks[1].value - ticks[0].value;
          for (const tick of ticks) {
            const label = tick.label ?? '0';
            if (tick.label === null) continue;
            expect(label.replaceAll(/<[^>]*>/g, '').length).toBeLessThanOrEqual(11);
            expect(Math.abs(value + numberIn(label) - tick.value)).toBeLessThan(
              1e-3 * step + 4e-16 * Math.abs(middle),
            );
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([
    [[1e6 - 1, 1e6 + 1], '10⁶'],
    [[1.7e12, 1.7e12 + 1000], '1.7×10¹²'],
    [[-123456.8, -123456.7], '−123457'],
    [[1e-9, 1.00001e-9], '10⁻⁹'],
    [[2.71928182, 2.71928183], '2.7192818'],
    [[1e5, 1e5 + 1e-3], '10⁵'],
    [[120000, 120000.01], '1.2×10⁵'],
    [[-120000.01, -120000], '−1.2×10⁵'],
    [[123000, 123000.01], '123000'],
    [[-123000.01, -123000], '−123000'],
    [[12000, 12000.01], '12000'],
    [[1.2e7, 1.2e7 + 1], '1.2×10⁷'],
    [[1.234e7, 1.234e7 + 1], '1.234×10⁷'],
    [[0.05, 0.05000001], '0.05'],
    [[0.00123, 0.00123000001], '0.00123'],
    [[0.00047, 0.00047000001], '4.7×10⁻⁴'],
    [[-0.0005, -0.00049999999], '−5×10⁻⁴'],
  ] as const)('over %j leaves out %s', (domain, text) => {
    expect(offsetOf(domain)?.text).toBe(text);
  });

  it('leaves out the number of fewest digits within ten ranges of its middle', () => {
    const middle = fc.double({ min: 0.01, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(middle, fc.boolean(), fc.double({ min: 5.1, max: 9 }), (size, isNegative, far) => {
        const center = isNegative ? -size : size;
        const range = size * 10 ** -far;
        const { value, text } = offsetOf([center - range / 2, center + range / 2])!;
        expect(Math.abs(value - center)).toBeLessThanOrEqual(10.01 * range);
        const digits = text.replace(/(×?10)?[⁻⁰¹²³⁴-⁹]+$/, '').replaceAll(/\D/g, '');
        const count = digits.replace(/^0+/, '').replace(/0+$/, '').length;
        // One digit is the least.
        const rounder = count > 1 ? Number(center.toPrecision(count - 1)) : Infinity;
        expect(Math.abs(rounder - center)).toBeGreaterThan(9.99 * range);
      }),
    );
  });

  it('begins where labels would need seven digits, or five beside a power of ten', () => {
    const has = (low: number, fraction: number) => offsetOf([low, low * (1 + fraction)]) !== null;
    for (const low of [1.01e7, 1e12, 0.99e-3, 1e-9])
      expect([low, has(low, 0.99e-4), has(low, 1.01e-4)]).toEqual([low, true, false]);
    for (const low of [0.99e7, 1, 1.01e-3])
      expect([low, has(low, 0.99e-5), has(low, 1.01e-5)]).toEqual([low, true, false]);
    // Smaller powers of ten are not exact.
    expect([has(1e-280, 1e-6), has(1e-290, 1e-6)]).toEqual([true, false]);
  });

  it('keeps labels that are short enough, and has none around 0 or over decades', () => {
    for (const domain of [
      [2020, 2025],
      [123456, 123460],
      [19998.5, 20001.5],
      [-1, 1],
      [0, 1e-9],
      [5, 5],
    ] as const)
      expect(offsetOf(domain)).toBeNull();
    expect(offsetOf([1e-9, 1e9])).toBeNull();
    expect(offsetOf([1e9, 1e9 + 1])?.text).toBe('10⁹');
  });

  it('is named less its offset, or by what to add to the labels', () => {
    const offset = offsetOf([-1e6 - 1, -1e6 + 1]);
    expect(nameLess('y', offset)).toBe('y + 10⁶');
    expect(nameLess('', offset)).toBe('−10⁶');
    const above = offsetOf([1e6 - 1, 1e6 + 1]);
    expect([nameLess('y', above), nameLess('', above)]).toEqual(['y − 10⁶', '+10⁶']);
    const names = { xlabel: 'x', ylabel: '' };
    const ends = (x: readonly [number, number] | null, y: readonly [number, number]) =>
      namedLess(names, x, y).nameEnds;
    expect(ends([0, 1], [1e6 - 1, 1e6 + 1])).toEqual({ x: '', y: '+10⁶' });
    expect(ends([1e6 - 1, 1e6 + 1], [0, 1])).toEqual({ x: ' − 10⁶', y: '' });
    expect(ends(null, [0, 1])).toEqual({ x: '', y: '' });
    expect(nameLess('y', null)).toBe('y');
  });
});

describe('a figure far from 0', () => {
  const long = 'a name that is much longer than there is room for it anywhere';
  const x = steps(1.7e12, 1.7e12 + 1000);
  const y = x.map((value, i) => 5e7 + 0.1 * i + 0.01 * Math.sin(value));
  const fit = curveFit(
    (t: number, { p, q }: { p: number; q: number }) => p + q * ((t - 1.7e12) / 1000),
    x,
    y,
    { p: 5e7, q: 1 },
  );
  const values = [1e6 + 1e-4, 1e6 + 2e-4, 1e6 + 2.2e-4, 1e6 + 5e-4];
  const run = { x: [1, 2, 3, 4], y: [1e6 + 1, 1e6 + 0.5, 1e6 + 0.2, 1e6 + 0.1] };
  const row = fromGrid({ x: steps(1e6, 1e6 + 1e-3), z: steps(2e9, 2e9 + 1) });

  it.each([
    {},
    { width: 160, height: 120 },
    { xlabel: long, ylabel: long, zlabel: long },
    { width: 200, height: 700, fontSize: 30 },
  ])('tells every offset that its labels leave out, with %j', (size) => {
    const names = Object.fromEntries(Object.entries(size).filter(([name]) => name !== 'zlabel'));
    const figures: [string, string, string[]][] = [
      ['contourf', contourf(far, size).toSVG(), ['− 10⁶', '+ 2×10⁷', '− 10⁹']],
      ['contour', contour(far, size).toSVG(), ['− 10⁶', '+ 2×10⁷', '− 10⁹']],
      ['heatmap', heatmap(far, size).toSVG(), ['− 10⁶', '+ 2×10⁷', '− 10⁹']],
      ['log', contourf(far, { ...size, zscale: 'log' }).toSVG(), ['− 10⁹']],
      ['symlog', contourf(far, { ...size, zscale: 'symlog' }).toSVG(), ['− 10⁹']],
      ['log1p', contourf(far, { ...size, zscale: 'log1p' }).toSVG(), ['− 9']],
      ['fitPlot', fitPlot(fit, names).toSVG(), ['− 1.7×10¹²', '− 5×10⁷']],
      ['density', density([{ name: 'a', values }], names).toSVG(), ['10⁶']],
      ['boxplot', boxplot([{ name: 'a', values }], names).toSVG(), ['10⁶']],
      [
        'convergence',
        convergence([{ name: 'a', runs: [run] }], { ...names, yscale: 'linear' }).toSVG(),
        ['− 10⁶'],
      ],
      ['convergence, log', convergence([{ name: 'a', runs: [run] }], names).toSVG(), ['− 10⁶']],
      ['line', line(row, names).toSVG(), ['− 10⁶', '− 2×10⁹']],
    ];
    for (const [name, svg, offsets] of figures) {
      const texts = textsOf(svg);
      for (const offset of offsets)
        expect(
          texts.some((text) => text.endsWith(offset)),
          `${name}: ${texts.join('|')}`,
        ).toBe(true);
    }
  });

  it.each([{}, { xlabel: long, ylabel: long }, { colorbar: false }])(
    'tells both offsets as a surface, from every side, with %j',
    (names) => {
      for (const azimuth of steps(0, 357)) {
        const texts = textsOf(surface(far, { ...names, azimuth, upsample: 1 }).toSVG());
        const told = ['− 10⁶', '+ 2×10⁷'].filter((offset) => texts.some((text) => text.endsWith(offset)));
        expect(told).toHaveLength(2);
      }
    },
  );

  it('a surface far from 0 without a color bar has labels of its values', () => {
    for (const width of [300, 420, 640]) {
      for (const azimuth of [-35, 40, 130, 220]) {
        const size = { width, height: 0.75 * width, azimuth, colorbar: false, upsample: 1 };
        const texts = textsOf(surface(bowl(steps(-1, 1), steps(-1, 1), 1e9, 1), size).toSVG());
        expect(texts).toContain('loss − 10⁹');
        expect(texts).toContain('3'); // the highest value is 10⁹ + 3, the floors of x and y end at 1
        // Without room for the name, labels are those of the values.
        const long = 'z'.repeat(2000);
        const named = textsOf(
          surface(bowl(steps(-1, 1), steps(-1, 1), 1e9, 1), { ...size, zlabel: long }).toSVG(),
        );
        expect(named.some((text) => text.endsWith('… − 10⁹'))).toBe(named.includes('3'));
      }
    }
  });

  it.each(steps(0, 357))(
    'a surface far from 0 without room for its names has full labels, %d degrees',
    (azimuth) => {
      const size = { width: 160, height: 120, xlabel: long, ylabel: long, colorbar: false };
      const texts = textsOf(surface(far, { ...size, azimuth, upsample: 1 }).toSVG());
      const isNamed = ['− 10⁶', '+ 2×10⁷'].every((offset) => texts.some((text) => text.endsWith(offset)));
      const isShort = texts.some((text) => /^−?([12]×)?10−6$|^−?0\.\d+$/.test(text));
      expect(isNamed || !isShort).toBe(true);
    },
  );

  it('has labels on the color bar under every scale', () => {
    for (const zscale of ['linear', 'log', 'log1p', 'symlog'] as const) {
      const svg = contourf(far, { zscale, ylabel: '', xlabel: '' }).toSVG();
      const bar = svg.slice(svg.lastIndexOf('<g fill="none" stroke'));
      expect(textsOf(bar).length).toBeGreaterThan(3);
    }
  });

  it('tells apart the labels of its contours', () => {
    for (const zscale of ['linear', 'log', 'symlog'] as const) {
      const figure = contour(far, { labels: true, zscale, levels: 6 }).toVega() as unknown as {
        data: { name: string; values: { text: string }[] }[];
      };
      const texts = figure.data.find(({ name }) => name === 'labels')?.values.map(({ text }) => text) ?? [];
      // A level may have several lines.
      expect(new Set(texts).size).toBeGreaterThan(2);
    }
  });

  it('is drawn by plotly as a surface less its offsets, in which single precision tells its points apart', () => {
    const path = { x: [1e6], y: [-20_000_000.5], loss: [1e9], residual: [0], inPlane: [1] };
    const { data, layout } = surface(far, { paths: [{ name: 'p', path }] as never }).toPlotly();
    const [main, trace] = data as Record<string, number[]>[];
    for (const axis of ['x', 'y']) expect(new Set(Float32Array.from(main[axis])).size).toBe(21);
    const heights = main['z'] as unknown as number[][];
    expect(heights[10][10]).toBe(0);
    expect(heights[0][0]).toBeCloseTo(3, 6);
    expect([main['cmin'], main['cmax']]).toEqual([0, 3]);
    expect(trace['x']).toEqual([0]);
    expect(trace['z'][0]).toBeCloseTo(0.03, 2);
    const names = Object.values((layout['scene'] ?? {}) as Record<string, { title?: { text: string } }>);
    expect(names.flatMap(({ title }) => title?.text ?? [])).toEqual(['x − 10⁶', 'y + 2×10⁷', 'loss − 10⁹']);
    expect(main['hovertemplate']).toContain('y + 2×10⁷: %{y:');
  });

  it('shows hovered values in the units of the user, with the digits that differ', () => {
    const [main] = contourf(far, { zscale: 'log' }).toPlotly().data;
    expect((main['customdata'] as number[][])[10][10]).toBe(1e9);
    expect(main['hovertemplate']).toBe(
      'x − 10⁶: %{x:.4g}<br>y + 2×10⁷: %{y:.4g}<br>%{fullData.name} %{customdata:.13~g}<extra></extra>',
    );
    const round = bowl(steps(-1, 1), steps(-1, 1), 0, 1);
    const [height] = surface(round, { zscale: 'log1p' }).toPlotly().data;
    expect(height['hovertemplate']).toBe(
      'x %{x:.4g}<br>y %{y:.4g}<br>%{fullData.name} %{z:.4g}<extra></extra>',
    );
    expect(height['name']).toBe('log₁₀(1 + loss)');
  });
});

it('a single tick is labeled with its value', () => {
  expect(tickLabels([2.5])).toEqual(['2.5']);
});

it('a grid may lie as far from 0 as its numbers can tell apart', () => {
  const x = steps(1.7e12, 1.7e12 + 0.1);
  expect(Array.from(fromGrid({ x, z: x }).x)).toEqual(x);
  const same = steps(1.7e12, 1.7e12 + 1e-3);
  expect(() => fromGrid({ x: same, z: same })).toThrow(/ascend in equal steps/);
});
