import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { curveFit } from 'quasi-newton';

/** Points of a line with errors, and the deviation of each. */
const points = [0, 1, 2.5, 3, 4.2, 6];
const values = [1.1, 2.8, 6.3, 6.9, 9.6, 12.7];
const sigma = [0.1, 0.3, 0.2, 0.5, 0.1, 0.4];
const line = (t: number, [a, b]: Float64Array) => a + b * t;

/** Weighted regression of a line, from its normal equations. */
function textbook(x: number[], y: number[], weights: number[]) {
  const sum = (of: (i: number) => number) => x.reduce((total, _, i) => total + weights[i] * of(i), 0);
  const [w, wx, wy] = [sum(() => 1), sum((i) => x[i]), sum((i) => y[i])];
  const [wxx, wxy] = [sum((i) => x[i] ** 2), sum((i) => x[i] * y[i])];
  const determinant = w * wxx - wx * wx;
  const [a, b] = [(wxx * wy - wx * wxy) / determinant, (w * wxy - wx * wy) / determinant];
  const chiSquare = sum((i) => (y[i] - a - b * x[i]) ** 2);
  const mean = wy / w;
  const inverse = [
    [wxx / determinant, -wx / determinant],
    [-wx / determinant, w / determinant],
  ];
  return { x: [a, b], chiSquare, rSquared: 1 - chiSquare / sum((i) => (y[i] - mean) ** 2), inverse };
}

const close = (value: number) => expect.closeTo(value, 8) as number;

describe('the statistics of a weighted line', () => {
  const expected = textbook(
    points,
    values,
    sigma.map((s) => 1 / s ** 2),
  );

  it.each([
    [false, expected.chiSquare / 4],
    [true, 1],
  ])('are those of its normal equations, absoluteSigma %s', (absoluteSigma, factor) => {
    const fit = curveFit(line, points, values, [0, 1], { sigma, absoluteSigma });
    expect([...fit.x]).toEqual(expected.x.map(close));
    expect(fit.message).toBe(
      'The sum of squares is at a minimum: no step that the derivatives suggest lowers it.',
    );
    expect(fit.chiSquare).toBeCloseTo(expected.chiSquare, 8);
    expect(fit.rSquared).toBeCloseTo(expected.rSquared, 10);
    expect(fit.degreesOfFreedom).toBe(4);
    expect(fit.reducedChiSquare).toBeCloseTo(expected.chiSquare / 4, 8);
    const likelihood = 6 * Math.log(expected.chiSquare / 6);
    expect(fit.aic).toBeCloseTo(likelihood + 2 * 2, 8);
    expect(fit.bic).toBeCloseTo(likelihood + 2 * Math.log(6), 8);
    expect([...fit.sigma]).toEqual(sigma.map(close));
    expect(fit.covariance.map((row) => Array.from(row))).toEqual(
      expected.inverse.map((row) => row.map((value) => close(factor * value))),
    );
    const [[va, c], [, vb]] = expected.inverse;
    expect([...fit.standardErrors]).toEqual([close(Math.sqrt(factor * va)), close(Math.sqrt(factor * vb))]);
    expect(fit.correlation.map((row) => Array.from(row))).toEqual([
      [close(1), expect.closeTo(c / Math.sqrt(va * vb), 6)],
      [expect.closeTo(c / Math.sqrt(va * vb), 6), close(1)],
    ]);
  });

  it('are intervals by the quantile of Student’s t, or of the normal where sigma is absolute', () => {
    // Quantiles at 0.975 of t with 4 degrees of freedom and of the normal; at 0.95 of the former.
    for (const [level, absoluteSigma, quantile] of [
      [0.95, false, 2.7764451051977987],
      [0.95, true, 1.959963984540054],
      [0.9, false, 2.13184678132664],
    ] as const) {
      const fit = curveFit(line, points, values, [0, 1], { sigma, absoluteSigma });
      const intervals = fit.intervals(level);
      Object.values(intervals).forEach(({ lower, upper }, j) => {
        expect((upper - lower) / 2 / fit.standardErrors[j]).toBeCloseTo(quantile, 6);
        expect((upper + lower) / 2).toBeCloseTo(fit.x[j], 8);
      });
    }
  });
});

describe('a fixed parameter', () => {
  it('has no error, and no covariance with the others', () => {
    const fit = curveFit(line, points, values, [1, 1], { fixed: [0] });
    const [fixed, varied] = fit.covariance;
    expect([...fixed]).toEqual([0, 0]);
    expect(varied[0]).toBe(0);
    expect(varied[1]).toBeGreaterThan(0);
    expect(fit.standardErrors[0]).toBe(0);
  });
});

describe('without degrees of freedom', () => {
  it('a fixed parameter has no error, the others an infinite one', () => {
    const fit = curveFit(line, [2], [7], [1, 1], { fixed: [0] });
    expect([...fit.standardErrors]).toEqual([0, Infinity]);
    expect(fit.covariance.map((row) => Array.from(row))).toEqual([
      [0, 0],
      [0, Infinity],
    ]);
    expect(fit.undetermined).toEqual([]);
    expect(fit.intervals()).toEqual({
      p0: { lower: 1, upper: 1 },
      p1: { lower: -Infinity, upper: Infinity },
    });
    expect(fit.predict([0, 2]).standardErrors).toEqual(Float64Array.of(0, Infinity));
  });

  it('intervals are those of σ where that is known', () => {
    const fit = curveFit(line, [0, 2], [1, 7], [1, 1], { sigma: 0.1, absoluteSigma: true });
    // Slope (y₂ − y₁)/2, with an error of 0.1·√2/2; 1.959963984540054 is the quantile of the normal distribution.
    const { lower, upper } = fit.intervals().p1;
    expect([lower, upper]).toEqual(
      [-1, 1].map((s) => expect.closeTo(3 + s * 1.959963984540054 * 0.1 * Math.SQRT1_2, 9)),
    );
  });

  it('the scatter is not known, even if the fit is not exact', () => {
    const fit = curveFit((_t: number, [a]: Float64Array) => a, [1], [-1], [3], { lower: [0] });
    expect(fit.chiSquare).toBe(1);
    expect(fit.reducedChiSquare).toBeNaN();
    expect(() => fit.profile()).toThrow('profile: without degrees of freedom there are no intervals.');
  });
});

it.each(
  [1e-150, 1e-100, 1, 1e100, 1e150].flatMap((unit) =>
    [1e-150, 1e-100, 1, 1e100, 1e150].map((size) => [unit, size]),
  ),
)('with data in units of %d and parameters of %d, all errors are as in units of 1', (unit, size) => {
  const fitIn = (unit: number, size: number) =>
    curveFit(
      (t: number, [a, b]: Float64Array) => unit * (a / size + (b / size) * t),
      points,
      values.map((value) => unit * value),
      [size, size],
    );
  const [fit, plain] = [fitIn(unit, size), fitIn(1, 1)];
  const [band, plainBand] = [fit.predict([2]), plain.predict([2])];
  const pairs = [
    ...[0, 1].map((j) => [fit.standardErrors[j] / size, plain.standardErrors[j]]),
    [fit.correlation[0][1], plain.correlation[0][1]],
    [fit.intervals().p1.upper / size, plain.intervals().p1.upper],
    [band.standardErrors[0] / unit, plainBand.standardErrors[0]],
    [band.confidence.upper[0] / unit, plainBand.confidence.upper[0]],
    [Number(band.prediction?.upper[0]) / unit, Number(plainBand.prediction?.upper[0])],
  ];
  for (const [value, expected] of pairs) expect(value / expected).toBeCloseTo(1, 6);
});

it.each(['huber', 'softL1', 'cauchy', 'arctan'] as const)(
  'a fit with the loss %s is at a minimum of that, not of the squares',
  (loss) => {
    const y = values.map((value, i) => (i === 2 ? value + 9 : value));
    const fit = curveFit(line, points, y, [0, 1], { loss });
    expect(fit.message).toBe(
      'The robust loss is at a minimum: no step that the derivatives suggest lowers it.',
    );
    expect(fit.chiSquare).toBeGreaterThan(1.01 * curveFit(line, points, y, [0, 1]).chiSquare);
  },
);

describe('covariances', () => {
  const rows = (fit: { covariance: readonly Float64Array[] }) => fit.covariance.map((row) => Array.from(row));

  it('are 0 with what is fixed and NaN with what is not determined, which has an infinite variance', () => {
    // The data determine only the sum of b and c.
    const model = (_t: number, [a, b, c]: Float64Array) => a + b + c;
    const fit = curveFit(model, points, values, [1, 1, 1], { fixed: [0] });
    expect(rows(fit)).toEqual([
      [0, 0, 0],
      [0, Infinity, NaN],
      [0, NaN, Infinity],
    ]);
    expect(fit.undetermined).toEqual(['p1', 'p2']);
    expect(fit.message).toBe(
      'The sum of squares is at a minimum, but the data do not determine all parameters.',
    );
  });

  it('are not known where a parameter is at its bound, or depends on such ones alone', () => {
    const tied = { 2: ([, b]: Float64Array) => 2 * b, 3: ([a, b]: Float64Array) => a + b };
    const model = (t: number, [a, b]: Float64Array) => a + b * t;
    const fit = curveFit(model, points, values, [0, 1, 0, 0], { upper: [null, 1, null, null], tied });
    expect(fit.roles).toEqual(['varied', 'at bound', 'tied', 'tied']);
    const v = fit.standardErrors[0] ** 2;
    // The scatter about a line of slope 1: its mean has the variance s²/m.
    const rests = values.map((y, i) => y - points[i]);
    const mean = rests.reduce((a, b) => a + b) / 6;
    expect(v).toBeCloseTo(rests.reduce((sum, r) => sum + (r - mean) ** 2, 0) / 4 / 6, 7);
    const near = expect.closeTo(v, 8) as number;
    expect(rows(fit)).toEqual([
      [near, NaN, NaN, near],
      [NaN, NaN, NaN, NaN],
      [NaN, NaN, NaN, NaN],
      [near, NaN, NaN, near],
    ]);
  });
});

it('a band of the curve has the level asked for', () => {
  const fit = curveFit(line, points, values, [0, 1]);
  const [half, most] = [0.5, 0.95].map((level) => fit.predict([0, 3, 10], { level }).confidence);
  expect(fit.confidence([0, 3, 10], 0.5)).toEqual(half);
  expect(fit.confidence([0, 3, 10])).toEqual(most);
  // Quantiles of Student's t with 4 degrees of freedom.
  const widths = [half, most].map(({ lower, upper }) => upper[1] - lower[1]);
  expect(widths[0] / widths[1]).toBeCloseTo(0.7406970841 / 2.7764451052, 8);
});

describe('methods refuse in their own name', () => {
  const fit = curveFit(line, points, values, [0, 1]);

  it('a level outside of (0, 1)', () => {
    for (const level of [0, 1, NaN, 95]) {
      expect(() => fit.intervals(level)).toThrow(
        `intervals: level: must be a number in (0, 1), got ${level}`,
      );
      expect(() => fit.profile(level)).toThrow(`profile: level: must be a number in (0, 1), got ${level}`);
    }
  });

  it('a profile of a parameter that does not vary', () => {
    expect(() => fit.profile(0.95, ['slope' as 'p0'])).toThrow(
      new RangeError(`profile: no parameter "slope" that varies; there are ${fit.names.join(', ')}.`),
    );
  });

  it('a profile without degrees of freedom', () => {
    const exact = curveFit(line, [0, 1], [1, 3.5], [0, 1]);
    expect(exact.reducedChiSquare).toBe(NaN);
    expect(() => exact.profile()).toThrow('profile: without degrees of freedom there are no intervals.');
  });
});

it('console.log shows the report of a fit', () => {
  const fit = curveFit(line, points, values, [0, 1]);
  expect(inspect(fit)).toBe(String(fit));
});
