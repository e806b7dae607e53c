import { describe, expect, it } from 'vitest';
import { gradientsOf, imageOf, standardErrorOf } from '../../../src/solvers/curveFit/covariance.ts';
import type { ParameterSet } from '../../../src/solvers/curveFit/parameters.ts';

/** Two parameters in units of 1/2 and 1/5, of which the data determine only the sum. */
const sumOnly = {
  // The inverse is [3, 1; 1, 2].
  factor: [
    Float64Array.of(1, 1, 0),
    Float64Array.of(1, 0, 0),
    Float64Array.of(1, 0, 0),
    Float64Array.of(0, 1, 0),
  ],
  loose: [Float64Array.of(3, -3, 0)],
  // The third is held by a bound.
  norms: Float64Array.of(2, 5, 0),
};

describe('the standard error of a function of the parameters', () => {
  it.each([1e-6, 1, 1e6])(
    'is infinite from a share of 1e-4 in an undetermined direction on, times %d',
    (unit) => {
      /** Gradient of the sum and, to a share of δ, of the difference. */
      const gradient = (delta: number) =>
        Float64Array.of(2 * (1 + delta), 5 * (1 - delta), 0).map((g) => g * unit);
      for (const sign of [-1, 1]) {
        const [a, b] = gradient(sign * 0.9e-4);
        const expected = 3 * a * a + 2 * a * b + 2 * b * b;
        expect(standardErrorOf(sumOnly, gradient(sign * 0.9e-4), 3) ** 2 / expected / 9).toBeCloseTo(1, 12);
        expect(standardErrorOf(sumOnly, gradient(sign * 1.1e-4), 3)).toBe(Infinity);
      }
    },
  );

  it('is that of the free parameters where another one is held', () => {
    expect(standardErrorOf(sumOnly, Float64Array.of(2, -5, 7), 1)).toBe(Infinity);
    expect(standardErrorOf(sumOnly, Float64Array.of(2, 5, 7), 3) ** 2).toBeCloseTo(
      9 * (3 * 4 + 2 * 10 + 2 * 25),
      9,
    );
  });
});

it('the covariance of two functions is s²·gᵀ(JᵀJ)⁻¹h', () => {
  const factor = sumOnly.factor.map((u) => u.subarray(0, 2));
  const covarianceOf = (g: number[], h: number[], s: number): number => {
    const [a, b] = [g, h].map((slopes) => imageOf({ factor }, Float64Array.from(slopes), s));
    return a.reduce((sum, value, k) => sum + value * b[k], 0);
  };
  expect(covarianceOf([1, 0], [0, 1], 1)).toBe(1);
  expect(covarianceOf([2, -1], [3, 4], 2)).toBe(4 * (18 + 8 - 3 - 8));
});

describe('gradients of all parameters', () => {
  const set = (expand: ParameterSet['expand'], tied: number[]): ParameterSet => ({
    names: ['a', 'fixed', 'b', 'c'],
    start: Float64Array.of(1, 2, 3, 4),
    varied: [0, 2],
    lower: new Float64Array(4),
    upper: new Float64Array(4),
    tied,
    isFixed: [false, true, false, false],
    expand,
    present: (all) => all,
  });

  it('are columns of the identity where none is tied, without evaluations', () => {
    const never = () => {
      throw new Error('evaluated');
    };
    expect(gradientsOf(set(never, []), Float64Array.of(1, 3)).map((g) => Array.from(g))).toEqual([
      [1, 0],
      [0, 0],
      [0, 1],
      [0, 0],
    ]);
  });

  it.each([
    [1e4, -1e-4],
    [0, 3],
    [1e-4, -2e5],
  ])('the gradients of tied parameters are their derivatives, at a = %d and b = %d', (a, b) => {
    const expand = ([a, b]: Float64Array) => Float64Array.of(a, (1 + a) ** 3, b, (1 + b) ** 3);
    const gradients = gradientsOf(set(expand, [1, 3]), Float64Array.of(a, b)).map((g) => Array.from(g));
    const near = (slope: number) => expect.closeTo(slope, 6 - Math.log10(slope)) as number;
    expect(gradients).toEqual([
      [1, 0],
      [near(3 * (1 + a) ** 2), 0],
      [0, 1],
      [0, near(3 * (1 + b) ** 2)],
    ]);
  });
});
