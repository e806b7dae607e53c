import { describe, expect, it } from 'vitest';
import { curveFit, type CurveFitOptions } from 'quasi-newton';
import { uniform } from '../../../bench/problems/random.js';
import { correlationRoot, deviationsOf, whiten } from '../../../src/solvers/curveFit/correlatedErrors.ts';

const decay = (t: number, { a, rate, c }: { a: number; rate: number; c: number }) =>
  a * Math.exp(-rate * t) + c;
const t = Array.from({ length: 12 }, (_, i) => i / 2);
const y = [5.1, 4.35, 3.62, 3.2, 2.71, 2.4, 2.02, 1.93, 1.7, 1.62, 1.41, 1.4];
const start = { a: 3, rate: 1, c: 0 };
/** Errors that grow, each correlated with those before it. */
const covariance = t.map((_, i) =>
  t.map((__, j) => 0.01 * Math.sqrt((1 + i / 10) * (1 + j / 10)) * 0.7 ** Math.abs(i - j)),
);
const fit = (options: CurveFitOptions<typeof start, number>) => curveFit(decay, t, y, start, options);

const line = (x: number, [p, q]: Float64Array) => p + q * x;

/** A random covariance matrix of k points. */
function randomCovariance(k: number, next: () => number, size = 1): number[][] {
  const factors = Array.from({ length: k }, () => Array.from({ length: k + 2 }, () => size * (next() - 0.5)));
  return factors.map((u) => factors.map((v) => u.reduce((sum, value, i) => sum + value * v[i], 0)));
}

/** Solves Ax = b by elimination with pivots. */
function solve(matrix: readonly (readonly number[])[], b: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, b[i]]);
  const n = rows.length;
  for (let k = 0; k < n; k++) {
    const pivot = rows
      .slice(k)
      .reduce((best, row, i) => (Math.abs(row[k]) > Math.abs(rows[best][k]) ? k + i : best), k);
    [rows[k], rows[pivot]] = [rows[pivot], rows[k]];
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const factor = rows[i][k] / rows[k][k];
      rows[i] = rows[i].map((value, j) => value - factor * rows[k][j]);
    }
  }
  return rows.map((row, i) => row[n] / row[i]);
}

const inner = (a: ArrayLike<number>, b: readonly number[]) =>
  b.reduce((sum, value, i) => sum + value * a[i], 0);

describe('errors that are correlated', () => {
  it('give the numbers of SciPy 1.10 for a matrix sigma and exact derivatives', () => {
    const relative = fit({ sigma: covariance });
    const absolute = fit({ sigma: covariance, absoluteSigma: true });
    const close = (values: ArrayLike<number>, expected: readonly number[], digits: number) =>
      expected.forEach((value, j) => expect(values[j] / value - 1).toBeCloseTo(0, digits));
    close(relative.x, [4.125162939499533, 0.42653802080361536, 0.9751026897496742], 8);
    close(relative.standardErrors, [0.23079069581523637, 0.04652421413347452, 0.21454627465101153], 6);
    close(absolute.standardErrors, [0.25866077473624804, 0.05214243680513726, 0.24045469173693979], 6);
    expect(relative.chiSquare).toBeCloseTo(7.16502903143932, 9);
    expect(relative.sigma[11]).toBeCloseTo(Math.sqrt(0.021), 14);
  });

  it('follow from generalized least squares, in any units', () => {
    const next = uniform(5);
    for (let run = 0; run < 40; run++) {
      const k = 4 + Math.floor(8 * next());
      const unit = 10 ** (12 * next() - 6);
      const times = Array.from({ length: k }, (_, i) => i + next());
      const data = times.map((value) => unit * (2 - 3 * value + 5 * next()));
      const sigma = randomCovariance(k, next, unit);
      const fitted = curveFit(line, times, data, [unit, unit], {
        sigma,
        absoluteSigma: true,
      });

      const columns = [times.map(() => 1), times];
      const weighted = columns.map((column) => solve(sigma, column)); // Σ⁻¹X
      const normal = columns.map((column) => weighted.map((w) => inner(w, column)));
      const theta = solve(
        normal,
        weighted.map((w) => inner(w, data)),
      );
      theta.forEach((value, j) => expect(fitted.x[j] / value - 1).toBeCloseTo(0, 6));
      [0, 1].forEach((j) => {
        const column = solve(
          normal,
          [0, 1].map((i) => Number(i === j)),
        );
        column.forEach((value, i) => expect(fitted.covariance[i][j] / value - 1).toBeCloseTo(0, 5));
      });
      const rest = data.map((value, i) => value - fitted.fitted[i]);
      expect(fitted.chiSquare / inner(solve(sigma, rest), rest) - 1).toBeCloseTo(0, 6);
      const constant = inner(weighted[0], data) / inner(weighted[0], columns[0]);
      const around = data.map((value) => value - constant);
      expect(fitted.rSquared).toBeCloseTo(1 - fitted.chiSquare / inner(solve(sigma, around), around), 6);
    }
  });

  it('are those of single standard deviations if the matrix is diagonal', () => {
    const sigma = t.map((_, i) => 0.1 + 0.02 * i);
    const matrix = t.map((_, i) => t.map((__, j) => (i === j ? sigma[i] ** 2 : 0)));
    const [ofList, ofMatrix] = [fit({ sigma }), fit({ sigma: matrix })];
    ofList.x.forEach((value, j) => expect(ofMatrix.x[j]).toBeCloseTo(value, 10));
    ofList.standardErrors.forEach((value, j) => expect(ofMatrix.standardErrors[j]).toBeCloseTo(value, 10));
    expect(ofMatrix.rSquared).toBeCloseTo(ofList.rSquared, 12);
    expect(ofMatrix.predict([1]).prediction).toBeNull(); // which σ a new point has, the matrix does not say
  });

  it('keep their correlations if points are missing', () => {
    const kept = t.map((_, i) => i).filter((i) => i !== 3 && i !== 7 && i !== 9);
    const holes = covariance.map((row, i) => row.map((value, j) => (i === 9 || j === 9 ? NaN : value)));
    const withHoles = curveFit(
      decay,
      t,
      y.map((value, i) => (i === 3 ? null : i === 7 ? NaN : value)),
      start,
      { sigma: holes, missing: 'skip' },
    );
    const without = curveFit(
      decay,
      kept.map((i) => t[i]),
      kept.map((i) => y[i]),
      start,
      { sigma: kept.map((i) => kept.map((j) => covariance[i][j])) },
    );
    expect(withHoles.skipped).toBe(3);
    expect([...withHoles.x]).toEqual([...without.x]);
  });

  it('work with bounds, profiles and derivatives of the user', () => {
    const jacobian = (x: number, { a, rate }: typeof start) => {
      const e = Math.exp(-rate * x);
      return { a: e, rate: -a * x * e, c: 1 };
    };
    const [plain, exact] = [fit({ sigma: covariance }), fit({ sigma: covariance, jacobian })];
    exact.x.forEach((value, j) => expect(value).toBeCloseTo(plain.x[j], 7));
    exact.standardErrors.forEach((value, j) => expect(value).toBeCloseTo(plain.standardErrors[j], 6));
    const bounded = curveFit(
      decay,
      t,
      y,
      { ...start, rate: 0.2 },
      { sigma: covariance, absoluteSigma: true, upper: { rate: 0.4 } },
    );
    const fixed = curveFit(
      decay,
      t,
      y,
      { ...start, rate: 0.4 },
      { sigma: covariance, absoluteSigma: true, fixed: ['rate'] },
    );
    expect(bounded.atBound).toEqual(['rate']);
    expect(bounded.parameters.a).toBeCloseTo(fixed.parameters.a, 8);
    expect(bounded.standardErrors[0]).toBeCloseTo(fixed.standardErrors[0], 6);
    const { lower, upper } = plain.profile(0.95, ['rate']).rate;
    expect(lower).toBeLessThan(plain.parameters.rate);
    expect(upper).toBeGreaterThan(plain.parameters.rate);

    const wrong = (x: number, p: typeof start) => ({ ...jacobian(x, p), c: x === 2 ? 7 : 1 });
    expect(() => fit({ sigma: covariance, jacobian: wrong })).toThrow(
      'curveFit: jacobian gives 7 for the derivative by c at point 4 (x = 2); by differences of the model it is 1.00000.',
    );
  });

  it('are understated if the correlations are ignored: only the matrix gives the true scatter', () => {
    const next = uniform(9);
    const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    const [times, rho] = [Array.from({ length: 30 }, (_, i) => i / 30), 0.8];
    const matrix = times.map((_, i) => times.map((__, j) => rho ** Math.abs(i - j)));
    const [single, full]: [number[], number[]] = [[], []];
    for (let run = 0; run < 400; run++) {
      let error = normal();
      const data = times.map((x) => {
        const value = 1 + 2 * x + error;
        error = rho * error + Math.sqrt(1 - rho ** 2) * normal();
        return value;
      });
      const slopeError = (sigma: number | number[][]) => {
        const { x, standardErrors } = curveFit(line, times, data, [1, 2], { sigma, absoluteSigma: true });
        return (x[1] - 2) / standardErrors[1];
      };
      single.push(slopeError(1));
      full.push(slopeError(matrix));
    }
    const spread = (values: number[]) => Math.sqrt(inner(values, values) / values.length);
    expect(spread(full)).toBeGreaterThan(0.9);
    expect(spread(full)).toBeLessThan(1.1);
    expect(spread(single)).toBeGreaterThan(1.8);
  });
});

describe('a covariance matrix', () => {
  const two = [
    [4, 1],
    [1, 9],
  ];

  it('is R D from both sides: whitened residuals have the square rᵀΣ⁻¹r', () => {
    const next = uniform(2);
    for (let k = 1; k < 9; k++) {
      const sigma = randomCovariance(k, next);
      const deviations = deviationsOf(sigma);
      const all = sigma.map((_, i) => i);
      const errors = {
        rootWeights: deviations.map((value) => 1 / value),
        correlationRoot: correlationRoot(sigma, all, deviations),
      };
      const rows = Float64Array.from({ length: 2 * k }, () => next());
      const [r, s] = [0, 1].map((column) => all.map((i) => rows[2 * i + column]));
      const white = whiten(errors, rows.slice(), 2);
      const [u, v] = [0, 1].map((column) => all.map((i) => white[2 * i + column]));
      expect(inner(u, v)).toBeCloseTo(inner(solve(sigma, r), s), 8);
      expect(inner(v, v)).toBeCloseTo(inner(solve(sigma, s), s), 8);
      expect([...whiten(errors, Float64Array.from(r))]).toEqual(u);
    }
  });

  const withSigma = (sigma: unknown, options: object = {}) => {
    try {
      curveFit(line, [1, 2], [3, 4], [1, 1], { sigma, ...options } as never);
      return 'nothing';
    } catch (error) {
      return String(error);
    }
  };
  const change = (i: number, j: number, value: unknown) =>
    two.map((row, k) => row.map((old, l) => (k === i && l === j ? value : old)));
  it.each<[unknown, string]>([
    [two, 'nothing'],
    [two.map((row) => Float32Array.from(row)), 'nothing'],
    [
      [[4, 1], [1]],
      'RangeError: curveFit: a matrix sigma must have 2 numbers in each row, as many as rows; sigma[1] has 1 values.',
    ],
    [
      [[4, 1], 9],
      'RangeError: curveFit: a matrix sigma must have 2 numbers in each row, as many as rows; sigma[1] has 9.',
    ],
    [[[4]], 'RangeError: curveFit: sigma has 1 values and ydata 2; there must be one for each.'],
    [
      [4, 0, 0, 4],
      'RangeError: curveFit: sigma has 4 values and ydata 2; there must be one for each. A covariance matrix is an array of 2 rows.',
    ],
    [
      change(1, 1, Infinity),
      'RangeError: curveFit: sigma[1][1], a variance, must be a finite number > 0, got Infinity.',
    ],
    [change(1, 1, 0), 'RangeError: curveFit: sigma[1][1], a variance, must be a finite number > 0, got 0.'],
    [
      change(1, 1, '9'),
      'RangeError: curveFit: sigma[1][1], a variance, must be a finite number > 0, got "9".',
    ],
    [
      change(1, 1, null),
      "RangeError: curveFit: sigma[1][1] is NaN; every value must be a finite number, or pass missing: 'skip' to leave such points out.",
    ],
    [change(1, 0, NaN), 'RangeError: curveFit: sigma[1][0] must be a finite number, got NaN.'],
    [change(1, 0, '1'), 'RangeError: curveFit: sigma[1][0] must be a finite number, got "1".'],
    [
      change(0, 1, 1.1),
      'RangeError: curveFit: a matrix sigma must be symmetric; sigma[1][0] is 1 and sigma[0][1] 1.1.',
    ],
    [
      change(0, 1, '1'),
      'RangeError: curveFit: a matrix sigma must be symmetric; sigma[1][0] is 1 and sigma[0][1] "1".',
    ],
    [
      [
        [4, 6],
        [6, 9],
      ],
      'RangeError: curveFit: sigma, a covariance matrix, is not positive definite: errors of some points follow from those of others, or cannot be correlated like this. Leave such points out, or add the variance of independent errors to the diagonal.',
    ],
  ])('%j is taken or refused in words', (sigma, message) => {
    expect(withSigma(sigma)).toBe(message);
  });

  it('does not go with losses that judge each point by itself', () => {
    expect(withSigma(two, { loss: 'huber' })).toBe(
      "RangeError: curveFit: loss: 'huber' judges each point by itself, which correlated errors do not allow; leave it out, or give sigma as one standard deviation for each point.",
    );
    expect(withSigma(two, { loss: 'linear' })).toBe('nothing');
  });
});
