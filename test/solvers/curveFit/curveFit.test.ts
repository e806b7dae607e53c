import { describe, expect, it } from 'vitest';
import { curveFit, type CurveFitOptions } from 'quasi-newton';
import { studentQuantile } from '../../../src/solvers/curveFit/studentT.ts';
import { normal } from '../../../bench/problems/random.js';

const t = Array.from({ length: 30 }, (_, i) => i / 5);
const y = t.map((ti, i) => 4 * Math.exp(-1.1 * ti) + 1 + 0.05 * Math.sin(17 * i * i));
const sigma = t.map((_, i) => 0.02 + 0.01 * (i % 4));
const decay = (ti: number, [a, b, c]: Float64Array) => a * Math.exp(-b * ti) + c;
type Named = { a: number; b: number; c: number };
const named = (ti: number, { a, b, c }: Named) => a * Math.exp(-b * ti) + c;

/** Solutions and covariances of SciPy 1.17, curve_fit with tolerances of 1e-15. */
const scipy: { title: string; options: CurveFitOptions<number[]>; x: number[]; covariance: number[][] }[] = [
  {
    title: 'no sigma',
    options: {},
    x: [3.9689160093003064, 1.0956922727839695, 1.0091953396008677],
    covariance: [
      [0.0008435994622321374, 0.00018066948339896298, -4.470038239190074e-5],
      [0.00018066948339896298, 0.0002693702684563835, 0.00011554442156457291],
      [-4.470038239190074e-5, 0.00011554442156457291, 0.00011742303159226243],
    ],
  },
  {
    title: 'relative sigma',
    options: { sigma },
    x: [3.9767821658328018, 1.0961553158848174, 1.013293632461863],
    covariance: [
      [0.000566272820971744, 6.498398207687216e-5, -7.419150464265725e-5],
      [6.498398207687216e-5, 0.0002254048615167895, 0.00010324793542718882],
      [-7.419150464265725e-5, 0.00010324793542718882, 0.00011309992320115285],
    ],
  },
  {
    title: 'absolute sigma',
    options: { sigma, absoluteSigma: true },
    x: [3.9767821658328018, 1.0961553158848174, 1.013293632461863],
    covariance: [
      [0.0003408366506499231, 3.911351909662098e-5, -4.465547879498759e-5],
      [3.911351909662098e-5, 0.00013567000780252136, 6.214439258648179e-5],
      [-4.465547879498759e-5, 6.214439258648179e-5, 6.807425252459357e-5],
    ],
  },
];

describe('curveFit agrees with SciPy', () => {
  it.each(scipy)('$title', ({ options, x, covariance }) => {
    for (const given of [options, asWeights(options)]) {
      const fit = curveFit(decay, t, y, [3, 1, 1.2], given);
      expect(fit.converged).toBe(true);
      fit.x.forEach((value, j) => expect(Math.abs(value / x[j] - 1)).toBeLessThan(1e-8));
      covariance.forEach((row, i) =>
        row.forEach((value, j) => expect(Math.abs(fit.covariance[i][j] / value - 1)).toBeLessThan(1e-5)),
      );
      fit.standardErrors.forEach((error, j) => expect(error).toBeCloseTo(Math.sqrt(covariance[j][j]), 7));
      expect(fit.correlation[0][1]).toBeCloseTo(
        covariance[0][1] / Math.sqrt(covariance[0][0] * covariance[1][1]),
        5,
      );
    }
  });

  function asWeights({ sigma, ...rest }: CurveFitOptions<number[]>): CurveFitOptions<number[]> {
    return sigma === undefined
      ? rest
      : { ...rest, weights: Array.from(sigma as number[], (s) => 1 / s ** 2) };
  }

  it('curveFit agrees with SciPy on a bound, where it names the parameter and leaves it out of the errors', () => {
    const fit = curveFit(decay, t, y, [3, 1, 1.2], { lower: [0, 0, 1.05] });
    [3.9520751108476935, 1.1358219520708104, 1.05].forEach((value, j) =>
      expect(fit.x[j]).toBeCloseTo(value, 7),
    );
    expect(fit.atBound).toEqual(['p2']);
    expect(fit.standardErrors[2]).toBeNaN();
    // The others are those of a fit with the bound as a constant, but for its degree of freedom.
    const held = curveFit(decay, t, y, [3, 1, 1.05], { fixed: [2] });
    expect(fit.standardErrors[0] / held.standardErrors[0]).toBeCloseTo(Math.sqrt(28 / 27), 5);
    expect(String(fit)).toMatch(/p2 +1\.05 \(at its bound\)/);
  });
});

describe('parameters', () => {
  const free = curveFit(named, t, y, { a: 3, b: 1, c: 1.2 });

  it('are named, in the order of the start', () => {
    expect(free.names).toEqual(['a', 'b', 'c']);
    expect(free.parameters).toEqual({ a: free.x[0], b: free.x[1], c: free.x[2] });
    expect([...free.x]).toEqual([...curveFit(decay, t, y, [3, 1, 1.2]).x]);
  });

  it('that are fixed keep their start, without an error', () => {
    const fit = curveFit(named, t, y, { a: 3, b: 1, c: 1.2 }, { fixed: ['b'] });
    expect(fit.parameters.b).toBe(1);
    expect(fit.standardErrors[1]).toBe(0);
    expect(fit.roles).toEqual(['varied', 'fixed', 'varied']);
    expect(fit.degreesOfFreedom).toBe(28);
    expect(fit.chiSquare).toBeGreaterThan(free.chiSquare);
    expect(fit.correlation[0][1]).toBeNaN();
  });

  it('that are tied follow the others, and so do their errors', () => {
    const fit = curveFit(named, t, y, { a: 3, b: 1, c: 9 }, { tied: { c: ({ a }) => a / 4 } });
    expect(fit.parameters.c).toBe(fit.parameters.a / 4);
    expect(fit.standardErrors[2] / fit.standardErrors[0]).toBeCloseTo(0.25, 8);
    expect(fit.correlation[0][2]).toBeCloseTo(1, 8);
    // The same model with two parameters.
    const two = curveFit((ti: number, [a, b]: Float64Array) => a * Math.exp(-b * ti) + a / 4, t, y, [3, 1]);
    expect(fit.standardErrors[1]).toBeCloseTo(two.standardErrors[1], 8);
    expect(fit.aic).toBeCloseTo(two.aic, 8);
  });

  it('that the data do not determine are named, the others keep their errors', () => {
    const product = (x: number, { a, b, c }: Named) => a * b * x + c;
    const x = [1, 2, 3, 4, 5];
    const values = [2, 4.1, 6, 8.2, 9.9];
    const fit = curveFit(product, x, values, { a: 1, b: 1, c: 0 });
    const line = curveFit((xi: number, [slope, c]: Float64Array) => slope * xi + c, x, values, [1, 0]);
    expect(fit.converged).toBe(true);
    expect(fit.undetermined).toEqual(['a', 'b']);
    expect([...fit.standardErrors]).toEqual([
      Infinity,
      Infinity,
      expect.closeTo(line.standardErrors[1] * Math.sqrt(3 / 2), 6),
    ]);
    expect(String(fit)).toMatch(/a +\S+ ± Infinity: not determined by the data/);
    // What they determine together is known.
    expect(fit.predict([3]).standardErrors[0]).toBeCloseTo(
      line.predict([3]).standardErrors[0] * Math.sqrt(3 / 2),
      6,
    );
  });

  it('as many parameters as points leave no degree of freedom: errors are infinite, unless sigma is known', () => {
    const [x, values] = [
      [0, 1, 2],
      [1, 2, 2.5],
    ];
    const fit = curveFit(decay, x, values, [-1, 1, 3]);
    expect(fit.chiSquare).toBeLessThan(1e-20);
    expect(fit.converged).toBe(true);
    expect([...fit.standardErrors]).toEqual([Infinity, Infinity, Infinity]);
    expect(fit.undetermined).toEqual([]);
    const known = curveFit(decay, x, values, [-1, 1, 3], { sigma: 0.1, absoluteSigma: true });
    expect(known.standardErrors.every(Number.isFinite)).toBe(true);
  });
});

describe('statistics', () => {
  /** A line, for which all is known in closed form. */
  const x = [1, 2, 3, 4, 5, 6];
  const values = [1.1, 1.9, 3.2, 3.9, 5.2, 5.8];
  const fit = curveFit((xi: number, [a, b]: Float64Array) => a + b * xi, x, values, [0, 0]);
  const meanX = 3.5;
  const sxx = 17.5;
  const meanY = values.reduce((a, b) => a + b) / 6;
  const b = x.reduce((sum, xi, i) => sum + (xi - meanX) * (values[i] - meanY), 0) / sxx;
  const residuals = values.map((yi, i) => yi - meanY - b * (x[i] - meanX));
  const rss = residuals.reduce((sum, r) => sum + r * r, 0);
  const total = values.reduce((sum, yi) => sum + (yi - meanY) ** 2, 0);

  it('statistics of a line are those of the textbook', () => {
    expect(fit.x[1]).toBeCloseTo(b, 10);
    expect(fit.chiSquare).toBeCloseTo(rss, 10);
    expect(fit.reducedChiSquare).toBeCloseTo(rss / 4, 10);
    expect(fit.standardErrors[1]).toBeCloseTo(Math.sqrt(rss / 4 / sxx), 8);
    expect(fit.rSquared).toBeCloseTo(1 - rss / total, 10);
    expect(fit.aic).toBeCloseTo(6 * Math.log(rss / 6) + 4, 8);
    expect(fit.bic).toBeCloseTo(6 * Math.log(rss / 6) + 2 * Math.log(6), 8);
    expect([...fit.fitted]).toEqual(x.map((xi) => expect.closeTo(meanY + b * (xi - meanX), 10)));
  });

  it('statistics of a line have the bands of the textbook', () => {
    const t975 = 2.7764451051977987; // of 4 degrees of freedom
    const { values: predicted, standardErrors, confidence, prediction } = fit.predict([0, 3.5, 10]);
    [0, 3.5, 10].forEach((at, i) => {
      const error = Math.sqrt((rss / 4) * (1 / 6 + (at - meanX) ** 2 / sxx));
      expect(standardErrors[i]).toBeCloseTo(error, 8);
      expect(confidence.upper[i] - predicted[i]).toBeCloseTo(t975 * error, 8);
      expect(predicted[i] - prediction!.lower[i]).toBeCloseTo(t975 * Math.sqrt(error ** 2 + rss / 4), 8);
    });
    expect(fit.confidence([0, 3.5, 10])).toEqual(confidence);
    expect(fit.intervals().p1.upper - fit.x[1]).toBeCloseTo(t975 * fit.standardErrors[1], 10);
  });

  it('a band of new observations is offered only where their deviation is known', () => {
    const weighted = curveFit(decay, t, y, [3, 1, 1.2], { sigma, absoluteSigma: true });
    expect(weighted.predict([1]).prediction).toBeNull();
    const { prediction, values, standardErrors } = weighted.predict([1], { sigma: 0.03, level: 0.95 });
    expect(prediction!.upper[0] - values[0]).toBeCloseTo(
      1.959963984540054 * Math.hypot(0.03, standardErrors[0]),
      8,
    );
    expect(() => weighted.predict([1], { level: 95 })).toThrow(/level: must be a number in \(0, 1\), got 95/);
  });

  it('the profile of a linear model is its Wald interval', () => {
    const [wald, profile] = [fit.intervals(0.9), fit.profile(0.9)];
    for (const name of ['p0', 'p1'] as const) {
      expect(profile[name].lower).toBeCloseTo(wald[name].lower, 4);
      expect(profile[name].upper).toBeCloseTo(wald[name].upper, 4);
    }
  });

  it('the profile of a curved one ends where χ², minimized over the others, has risen by F', () => {
    const curved = curveFit(decay, t, y, [3, 1, 1.2]);
    const { p1 } = curved.profile(0.95, ['p1']);
    const limit = curved.chiSquare * (1 + studentQuantile(0.95, 27) ** 2 / 27);
    for (const end of [p1.lower, p1.upper]) {
      expect(curveFit(decay, t, y, [4, end, 1], { fixed: [1] }).chiSquare / limit).toBeCloseTo(1, 5);
    }
    // It is not symmetric.
    expect(curved.x[1] - p1.lower).toBeLessThan(p1.upper - curved.x[1]);
  });

  it('a profile ends at a bound, or nowhere where nothing ends it', () => {
    const bounded = curveFit(decay, t, y, [3, 1, 1.2], { upper: [9, 1.1, 9] });
    expect(bounded.profile(0.95, ['p1']).p1.upper).toBe(1.1);
    const product = curveFit((xi: number, [a, c]: Float64Array) => a * c * xi, x, values, [1, 1]);
    expect(product.profile(0.95, ['p0']).p0.upper).toBe(Infinity);
  });

  it('a profile has no end where χ² stays below the limit however far one goes, though the model overflows there', () => {
    // Biochemical oxygen demand (Bates & Watts 1988, A1.4), with an offset. At k → −∞ only the last point is fitted.
    const [days, demand] = [[1, 2, 3, 4, 5, 7], [8.3, 10.3, 19, 16, 15.6, 19.8]]; // prettier-ignore
    const rising = curveFit((d, [a, k, c]) => a * Math.exp(-k * d) + c, days, demand, [-20, 0.5, 20]);
    const mean = demand.slice(0, 5).reduce((a, b) => a + b) / 5;
    const limit = demand.slice(0, 5).reduce((sum, value) => sum + (value - mean) ** 2, 0);
    const variance = rising.chiSquare / 3;
    expect((limit - rising.chiSquare) / variance).toBeCloseTo(5.958758, 5);
    expect(studentQuantile(0.95, 3) ** 2).toBeGreaterThan(5.958758);
    expect(rising.profile(0.95, ['p1']).p1).toEqual({ lower: -Infinity, upper: Infinity });
    // Below the plateau there is an end.
    const { lower } = rising.profile(0.8, ['p1']).p1;
    const held = curveFit((d, [a, k, c]) => a * Math.exp(-k * d) + c, days, demand, [1, lower, 10], {
      fixed: [1],
    });
    expect((held.chiSquare - rising.chiSquare) / variance).toBeCloseTo(studentQuantile(0.8, 3) ** 2, 3);
  });

  it('intervals hold the truth as often as they say', () => {
    let [inside, count] = [0, 0];
    for (let seed = 0; seed < 200; seed++) {
      const noise = normal(seed);
      const noisy = t.map((ti) => decay(ti, Float64Array.of(4, 1.1, 1)) + 0.1 * noise());
      const intervals = curveFit(decay, t, noisy, [3, 1, 1.2]).intervals(0.9);
      [4, 1.1, 1].forEach((truth, j) => {
        const { lower, upper } = intervals[`p${j}`];
        count++;
        if (lower <= truth && truth <= upper) inside++;
      });
    }
    expect(inside / count).toBeGreaterThan(0.86);
    expect(inside / count).toBeLessThan(0.94);
  });
});

describe('quantiles of Student’s t are those of SciPy 1.17', () => {
  it.each([
    [
      0.5,
      [1, 0.8164965809277261, 0.7266868438004226, 0.6827556933212927, 0.6747351646070093, 0.6744897501960817],
    ],
    [
      0.95,
      [
        12.706204736174694, 4.302652729749462, 2.5705818356363146, 2.0422724563012378, 1.9623390808264083,
        1.959963984540054,
      ],
    ],
    [
      0.999,
      [
        636.6192487687897, 31.599054576445365, 6.868826625881276, 3.6459586350420627, 3.300282648423944,
        3.2905267314919255,
      ],
    ],
  ] as const)('level %d', (level, expected) => {
    [1, 2, 5, 30, 1000, Infinity].forEach((degrees, k) =>
      expect(Math.abs(studentQuantile(level, degrees) / expected[k] - 1)).toBeLessThan(1e-11),
    );
  });
});

describe('data', () => {
  it('curveFit takes data of several variables, and a model of all points at once', () => {
    const points = t.flatMap((u) => [0, 1, 2].map((v) => [u, v] as const));
    const values = points.map(([u, v]) => 2 * Math.exp(-u) + 3 * v);
    const fit = curveFit(
      ([u, v]: readonly [number, number], [a, b]: Float64Array) => a * Math.exp(-u) + b * v,
      points,
      values,
      [1, 1],
    );
    expect([...fit.x]).toEqual([expect.closeTo(2, 8), expect.closeTo(3, 8)]);
    const all = curveFit(
      (list: readonly number[], { rate }: { rate: number }) => list.map((ti) => Math.exp(-rate * ti)),
      t,
      t.map((ti) => Math.exp(-0.7 * ti)),
      { rate: 1 },
      { vectorized: true },
    );
    expect(all.parameters.rate).toBeCloseTo(0.7, 8);
  });

  it('that are missing are refused by place, or left out', () => {
    const holes: (number | null)[] = [...y];
    holes[4] = null;
    holes[7] = NaN;
    expect(() => curveFit(decay, t, holes, [3, 1, 1.2])).toThrow(/ydata\[4\] is null.*missing: 'skip'/);
    const fit = curveFit(decay, t, holes, [3, 1, 1.2], { missing: 'skip', sigma });
    const keep = (_: unknown, i: number) => i !== 4 && i !== 7;
    expect(fit.skipped).toBe(2);
    expect([...fit.x]).toEqual([
      ...curveFit(decay, t.filter(keep), y.filter(keep), [3, 1, 1.2], { sigma: sigma.filter(keep) }).x,
    ]);
    expect(String(fit)).toMatch(/Points: +28 \(2 missing left out\)/);
  });

  it('curveFit fits data with outliers by a robust loss', () => {
    const spoilt = y.map((value, i) => (i % 10 === 3 ? value + 2 : value));
    const [plain, robust] = (['linear', 'cauchy'] as const).map((loss) =>
      curveFit(decay, t, spoilt, [3, 1, 1.2], { loss, scale: 0.1 }),
    );
    const distance = (fit: typeof plain) => Math.hypot(fit.x[0] - 4, fit.x[1] - 1.1, fit.x[2] - 1);
    expect(distance(robust)).toBeLessThan(0.25 * distance(plain));
  });
});

describe('curveFit refuses, by name,', () => {
  type Call = Parameters<typeof curveFit<number, number[]>>;
  const call =
    (change: { model?: unknown; x?: unknown; y?: unknown; p0?: unknown; options?: object }) => () =>
      curveFit(
        (change.model ?? decay) as Call[0],
        (change.x ?? t) as number[],
        (change.y ?? y) as number[],
        (change.p0 ?? [3, 1, 1.2]) as number[],
        (change.options ?? {}) as { vectorized: true },
      );

  it.each([
    ['x and y of other lengths', { x: [1, 2] }, /xdata has 2 values and ydata 30/],
    ['data that are no arrays', { y: 3, x: 4 }, /must be an array, got 4/],
    ['NaN in x', { x: t.map((v, i) => (i === 2 ? NaN : v)) }, /xdata\[2\] is NaN/],
    ['text in y', { y: y.map((v, i) => (i === 1 ? '3' : v)) }, /ydata\[1\] is "3"/],
    [
      'points of other lengths',
      { x: t.map((v, i) => (i === 1 ? [v, v] : [v])), model: () => 1 },
      /must have the same length; xdata\[0\] is \[1\] and xdata\[1\] \[2\]/,
    ],
    [
      'text in y where missing values are skipped',
      { y: y.map((v, i) => (i === 1 ? '3' : v)), options: { missing: 'skip' } },
      /ydata\[1\] is "3"; every value must be a finite number\.$/,
    ],
    [
      'dates in x where missing values are skipped',
      { x: t.map((v, i) => (i === 2 ? new Date(0) : v)), options: { missing: 'skip' } },
      /xdata\[2\] is a Date/,
    ],
    [
      'a weight that is NaN',
      { options: { weights: sigma.map((s, i) => (i ? s : NaN)) } },
      /weights\[0\] is NaN/,
    ],
    ['a sigma of null', { options: { sigma: null } }, /sigma must be a number or an array, got null/],
    ['sigma of 0', { options: { sigma: 0 } }, /sigma must be a finite number > 0, got 0/],
    [
      'a negative sigma',
      { options: { sigma: sigma.map((s, i) => (i === 5 ? -s : s)) } },
      /sigma\[5\] must be a finite number > 0/,
    ],
    ['sigma of another length', { options: { sigma: [1] } }, /sigma has 1 values and ydata 30/],
    ['sigma and weights', { options: { sigma, weights: sigma } }, /give sigma or weights, not both/],
    ['absoluteSigma without sigma', { options: { absoluteSigma: true } }, /absoluteSigma needs sigma/],
    [
      'a start outside its bounds',
      { options: { upper: [2, null, 9] } },
      /start of p0, 3, is outside its bounds \[-Infinity, 2\]/,
    ],
    [
      'bounds that leave no room',
      { options: { lower: [5, 0, 0], upper: [5, 9, 9] } },
      /lower must be below upper; for p0.*fixed/,
    ],
    ['bounds of another length', { options: { lower: [0] } }, /lower has 1 values; there are 3 parameters/],
    [
      'a bound of a parameter that is none',
      { options: { lower: { q: 1 } } },
      /lower: no parameter "q"; there are p0, p1, p2/,
    ],
    ['a fixed parameter that is none', { options: { fixed: [7] } }, /fixed: no parameter 7/],
    ['all parameters fixed', { options: { fixed: [0, 1, 2] } }, /every parameter is fixed or tied/],
    [
      'a parameter both fixed and tied',
      { options: { fixed: [0], tied: { 0: (): number => 1 } } },
      /p0 is both fixed and tied/,
    ],
    [
      'a tied parameter with bounds',
      { options: { tied: { 0: (): number => 1 }, lower: [0, 0, 0] } },
      /p0 is tied and takes no bounds/,
    ],
    ['a tie that is no function', { options: { tied: { 0: 3 } } }, /tied\.p0 must be a function, got 3/],
    ['a start that is NaN', { p0: [3, NaN, 1] }, /start of p1 is NaN/],
    ['a start that is text', { p0: [3, '1', 1] }, /start of p1 must be a number, got "1"/],
    ['a start that is null', { p0: { a: null } }, /start of a must be a number, got null/],
    ['a start that is a bigint', { p0: [3n, 1, 1] }, /start of p0 must be a number, got 3n/],
    ['a start that is a Map', { p0: new Map([['a', 1]]) }, /p0 must be an array or an object .*, got a Map/],
    [
      'a tie that returns text',
      { options: { tied: { 0: () => '3' } } },
      /tied\.p0 must return a number, got "3"/,
    ],
    [
      'a tie that is infinite',
      { options: { tied: { 0: () => 1 / 0 } } },
      /tied\.p0 gives Infinity at p0; it must return a finite number/,
    ],
    ['a start that is a number', { p0: 3 }, /p0 must be an array or an object/],
    ['an empty start', { p0: [] }, /p0 is empty/],
    ['more parameters than points', { x: [1, 2], y: [1, 2] }, /3 parameters vary, and there are 2 points/],
    ['a model that is no function', { model: 3 }, /model must be a function, got 3/],
    [
      'a model that is NaN at the start',
      { model: (ti: number) => Math.log(ti - 1) },
      /model is NaN at point 0 \(x = 0\) for p0/,
    ],
    [
      'a model that is infinite there',
      { model: (ti: number) => 1 / (ti - 1) },
      /model is infinite at point 5 \(x = 1\) for p0/,
    ],
    [
      'a model that returns an array',
      { model: () => [1] },
      /must return a number, got Array\(1\) at x = 0.*vectorized: true/,
    ],
    ['a model that returns a promise', { model: async () => 1 }, /must be synchronous/],
    [
      'too few values of a vectorized model',
      { model: () => [1, 2], options: { vectorized: true } },
      /one value for each of 30 points, got 2 values/,
    ],
    ['an option that is none', { options: { bounds: [] } }, /bounds: no such option/],
    ['an unknown loss', { options: { loss: 'l1' } }, /loss: must be 'linear' or/],
  ])('curveFit refuses by name: %s', (_, change, message) => {
    expect(call(change)).toThrow(message);
  });

  it('a number of values that changes during the fit', () => {
    let calls = 0;
    const shrinking = (list: readonly number[], p: Float64Array) =>
      list.slice(calls++ > 3 ? 1 : 0).map((ti) => decay(ti, p));
    expect(() => curveFit(shrinking, t, y, [3, 1, 1.2], { vectorized: true })).toThrow(
      /each of 30 points, got 29 values/,
    );
  });
});

describe('an ending says what is so', () => {
  it('a fit that is stopped has not converged', () => {
    const fit = curveFit(decay, t, y, [30, 10, 1.2], { maxIterations: 1 });
    expect(fit.converged).toBe(false);
    expect(String(fit)).toMatch(/Status: stopped\n +The iteration limit was reached/);
  });

  it('a model that is NaN somewhere on the way is stepped back from', () => {
    const root = (ti: number, [a, b]: Float64Array): number => Math.sqrt(a - b * ti);
    const values = t.map((ti) => Math.sqrt(7 - 1.1 * ti));
    const fit = curveFit(root, t, values, [60, 0.1]);
    expect([...fit.x]).toEqual([expect.closeTo(7, 6), expect.closeTo(1.1, 6)]);
    expect(fit.converged).toBe(true);
  });

  it('the report is a method, not data', () => {
    const fit = curveFit(decay, t, y, [3, 1, 1.2]);
    expect(Object.keys(fit)).not.toContain('toString');
    expect(JSON.parse(JSON.stringify(fit)).names).toEqual(['p0', 'p1', 'p2']);
    expect(String(fit)).toMatch(
      /Status: success[\s\S]*Reduced χ²: +0\.0014157[\s\S]*p1 +1\.0956922\d ± 0\.0164 \(1\.5 %\)[\s\S]*p1, p2 +0\.650/,
    );
  });

  it('tied parameters have their values in whatever order they are listed', () => {
    const tied = { b: ({ c }: Named) => c, c: ({ a }: Named) => 2 * a };
    const fit = curveFit(
      (x: number, { a }: Named) => a * x,
      [1, 2, 3],
      [2, 4, 6.3],
      { a: 1, b: 7, c: 9 },
      { tied },
    );
    const a = 28.9 / 14; // Σxy/Σx²
    expect([...fit.x]).toEqual([a, 2 * a, 2 * a].map((value) => expect.closeTo(value, 8)));
    expect(fit.standardErrors[1]).toBeCloseTo(2 * fit.standardErrors[0], 8);
  });

  it.each([
    ['itself', { b: ({ b }: Named) => b + 1 }],
    ['each other', { b: ({ c }: Named) => c, c: ({ b }: Named) => 2 * b }],
  ])('refuses tied parameters that depend on %s', (_, tied) => {
    expect(() => curveFit(named, t, y, { a: 3, b: 1, c: 1 }, { tied })).toThrow(
      'curveFit: tied.b gives NaN at p0; it must return a finite number, and must not depend on b, directly or through other tied',
    );
  });

  it('a parameter tied to one at a bound has no standard error', () => {
    const tied = { b: ({ c }: Named) => c };
    const model = (ti: number, { a, c }: Named): number => a * Math.exp(-ti) + c;
    const fit = curveFit(model, t, y, { a: 3, b: 1, c: 2 }, { tied, lower: { c: 1.5 } });
    expect(fit.atBound).toEqual(['c']);
    expect([...fit.standardErrors]).toEqual([expect.any(Number), NaN, NaN]);
    expect(String(fit)).toMatch(/b +1\.5 \(tied to a bound\)/);
  });

  it.each([1e-150, 1e-120, 1e14, 1e20, 1e30, 1e34, 1e60, 1e120, 1e150])(
    'fits data of %g from a start of 0',
    (unit) => {
      const line = (ti: number, [a, b]: Float64Array): number => a + b * ti;
      const one = curveFit(line, t, y, [0, 0]);
      const scaled = y.map((yi) => unit * yi);
      const fit = curveFit(line, t, scaled, [0, 0]);
      const fromUnit = curveFit(line, t, scaled, [unit, 0]);
      for (const j of [0, 1]) {
        expect(fit.x[j] / unit).toBeCloseTo(one.x[j], 7);
        expect(fit.standardErrors[j] / unit).toBeCloseTo(one.standardErrors[j], 7);
        expect(fromUnit.x[j] / unit).toBeCloseTo(one.x[j], 7);
      }
    },
  );

  it.each([2 ** -498, 2 ** -400, 2 ** 400, 2 ** 498])('fits data in units of %g as in units of 1', (unit) => {
    const derivatives = (ti: number, [a, b]: Float64Array) => {
      const e = Math.exp(-b * ti);
      return [e, -a * ti * e, 1];
    };
    const scaled = y.map((yi) => unit * yi);
    for (const options of [
      {},
      { jacobian: derivatives },
      { lower: [0, 0, 0], upper: [Infinity, Infinity, 1.2] },
      { sigma: 0.1, absoluteSigma: true },
      { loss: 'softL1', scale: 0.05 } as const,
    ]) {
      const start = [3, 1, 1];
      const inUnits = { ...options, ...('upper' in options && { upper: [Infinity, Infinity, 1.2 * unit] }) };
      if ('sigma' in inUnits) inUnits.sigma = 0.1 * unit;
      if ('scale' in inUnits) Object.assign(inUnits, { scale: 0.05 * unit });
      const one = curveFit(decay, t, y, start, options);
      const fit = curveFit(decay, t, scaled, [3 * unit, 1, unit], inUnits);
      const factors = [unit, 1, unit];
      const [profile, wanted] = [fit.profile(), one.profile()];
      expect(fit.converged).toBe(one.converged);
      factors.forEach((factor, j) => expect(fit.x[j] / factor / one.x[j]).toBeCloseTo(1, 12));
      for (const j of [0, 1, 2].filter((j) => one.roles[j] === 'varied')) {
        expect(fit.standardErrors[j] / factors[j] / one.standardErrors[j]).toBeCloseTo(1, 7);
        const name = fit.names[j];
        expect(profile[name].upper / factors[j] / wanted[name].upper).toBeCloseTo(1, 7);
      }
      expect(fit.rSquared).toBeCloseTo(one.rSquared, 10);
    }
  });

  it.each([1e16, 1e20, 1e30, 1e40, 1e80])('fits data of %g by a decay from a start of ones', (unit) => {
    const fit = curveFit(
      decay,
      t,
      y.map((yi) => unit * yi),
      [1, 1, 1],
    );
    const one = curveFit(decay, t, y, [1, 1, 1]);
    [unit, 1, unit].forEach((size, j) => expect(fit.x[j] / size).toBeCloseTo(one.x[j], 6));
  });

  it('does not call it a minimum where no parameter changes the model', () => {
    const identity = (ti: number): number => ti;
    const fit = curveFit(identity, t, y, [1, 1]);
    expect(fit.converged).toBe(false);
    expect(fit.message).toMatch(/^No step in any parameter changes the model/);
  });

  it.each([
    ['data too small to square', 1e-200, [0], /y\/σ reaches \d.\de-\d+, too small/],
    ['data too large to square', 1e153, [0], /y\/σ reaches .*e\+153, too large/],
    ['a start too far away', 1, [1e200], /the residuals at p0 reach 1\.0e\+200/],
  ])('refuses %s', (_, unit, start, message) => {
    expect(() => curveFit((_x: number, [a]: Float64Array) => a, [1, 2], [unit, 2 * unit], start)).toThrow(
      message,
    );
  });

  it('tells why an exact fit has no profiles', () => {
    const fit = curveFit((_x: number, [a]: Float64Array) => a, [1, 2, 3], [2, 2, 2], [1]);
    expect(() => fit.profile()).toThrow('the fit is exact (χ² is 0)');
  });

  it.each([
    [3, 'predict: points must be an array, got 3.'],
    [[1, null], 'predict: points[1] is null; it must be a finite number'],
    [[NaN], 'predict: points[0] is NaN;'],
    [[[1, 2]], 'predict: points[0] is [1, 2]; it must be a finite number, like the points of the fit.'],
  ])('refuses to predict at %j', (points, message) => {
    const fit = curveFit(decay, t, y, [3, 1, 1]);
    expect(() => fit.predict(points as number[])).toThrow(message);
  });

  it('refuses to predict at points of another length', () => {
    const plane = ([u, v]: number[], [a, b]: Float64Array): number => a * u + b * v;
    const fit = curveFit(
      plane,
      [
        [0, 1],
        [1, 1],
        [2, 1],
      ],
      [2, 3.1, 3.9],
      [1, 1],
    );
    expect(() => fit.confidence([1, 2])).toThrow('points[0] is 1; it must be an array of 2 finite numbers');
  });

  it('never evaluates outside the bounds, nor ends there, where the solution is at one', () => {
    const line = (ti: number, [a, b]: Float64Array): number => {
      expect(a).toBeLessThanOrEqual(1);
      return a + b * ti;
    };
    const fit = curveFit(
      line,
      t,
      t.map((ti) => 1 + 2 * ti),
      [1, 1],
      { upper: [1, 5] },
    );
    expect([...fit.x]).toEqual([1, expect.closeTo(2, 10)]);
    expect(fit.undetermined).toEqual([]);
  });

  it('tells in its own terms that a noisy model shows no minimum', () => {
    const noise = (u: number): number => (Math.sin(12.9898 * u) * 43_758.5453) % 1;
    const line = (ti: number, [a, b]: Float64Array): number => a + b * ti + 1e-3 * noise(a + 7 * b + ti);
    const fit = curveFit(line, t, y, [1, 1]);
    expect(fit.converged).toBe(false);
    expect(fit.message).toMatch(/^Steps hardly lower the sum of squares, but/);
  });
});
