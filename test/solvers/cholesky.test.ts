import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { factor, solveFactored } from '../../src/solvers/cholesky.ts';

/** The lower triangle of AAᵀ + shift·I, row by row in rows of m numbers, NaN elsewhere; and the whole of it. */
function matrixOf(A: number[][], shift: number, m: number) {
  const k = A.length;
  const full = A.map((row, i) =>
    A.map((other, j) => row.reduce((sum, value, l) => sum + value * other[l], i === j ? shift : 0)),
  );
  const lower = new Float64Array(m * m).fill(NaN);
  for (let i = 0; i < k; i++) for (let j = 0; j <= i; j++) lower[i * m + j] = full[i][j];
  return { full, lower };
}

describe('a Cholesky factor', () => {
  it('solves its system, of any size within its rows, and leaves the rest alone', () => {
    const element = fc.double({ min: -2, max: 2, noNaN: true });
    const sizes = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 3 }));
    fc.assert(
      fc.property(
        sizes.chain(([k, room]) =>
          fc.tuple(
            fc.array(fc.array(element, { minLength: k, maxLength: k }), { minLength: k, maxLength: k }),
            fc.array(element, { minLength: k, maxLength: k }),
            fc.constant(k + room),
          ),
        ),
        ([A, x, m]) => {
          const k = x.length;
          const { full, lower } = matrixOf(A, 1, m);
          const b = new Float64Array(m).fill(NaN);
          full.forEach((row, i) => (b[i] = row.reduce((sum, value, j) => sum + value * x[j], 0)));
          const untouched = lower.map((value, i) => (i >= k * m ? value : 0));
          expect(factor(lower, k, m)).toBe(true);
          solveFactored(lower, k, m, b);
          expect(Math.max(...x.map((value, i) => Math.abs(value - b[i])))).toBeLessThan(1e-10);
          expect(lower.map((value, i) => (i >= k * m ? value : 0))).toEqual(untouched);
          expect(b.slice(k)).toEqual(new Float64Array(m - k).fill(NaN));
          // LLᵀ is the matrix.
          const L = A.map((_, i) => A.map((_, j) => (j <= i ? lower[i * m + j] : 0)));
          const product = matrixOf(L, 0, m).full;
          const error = product.flatMap((row, i) => row.map((value, j) => Math.abs(value - full[i][j])));
          expect(Math.max(...error)).toBeLessThan(1e-12 * 30);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('does not exist of a matrix that is not positive definite', () => {
    expect(factor(Float64Array.of(0), 1, 1)).toBe(false);
    expect(factor(Float64Array.of(-1), 1, 1)).toBe(false);
    expect(factor(Float64Array.of(NaN), 1, 1)).toBe(false);
    expect(factor(Float64Array.of(1, NaN, 2, 4), 2, 2)).toBe(false);
    expect(factor(Float64Array.of(1, NaN, 2, 3), 2, 2)).toBe(false);
    expect(factor(Float64Array.of(1, NaN, 2, 4.5), 2, 2)).toBe(true);
  });
});
