import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { factor } from '../../../src/core/kernels/cholesky.ts';
import { factorColumns, solveFactored } from '../../../src/core/kernels/choleskyColumns.ts';
import { normInf } from '../../../src/core/vector.ts';
import { uniform } from '../../../bench/problems/random.js';

/** The lower triangle of AAᵀ + shift·I, row by row in rows of m numbers, 7 elsewhere; and the whole of it. */
function matrixOf(A: number[][], shift: number, m: number) {
  const k = A.length;
  const full = A.map((row, i) =>
    A.map((other, j) => row.reduce((sum, value, l) => sum + value * other[l], i === j ? shift : 0)),
  );
  const lower = new Float64Array(m * m).fill(7);
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
          const b = new Float64Array(m).fill(7);
          full.forEach((row, i) => (b[i] = row.reduce((sum, value, j) => sum + value * x[j], 0)));
          const untouched = lower.map((value, i) => (i >= k * m ? value : 0));
          expect(factor(lower, k, m)).toBe(true);
          solveFactored(lower, k, m, b);
          expect(Math.max(...x.map((value, i) => Math.abs(value - b[i])))).toBeLessThan(1e-10);
          expect(lower.map((value, i) => (i >= k * m ? value : 0))).toEqual(untouched);
          expect(b.slice(k)).toEqual(new Float64Array(m - k).fill(7));
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

/** A symmetric, positive definite matrix `[k, k]` in rows of length m. */
function definite(k: number, m: number, seed: number): Float64Array {
  const random = uniform(seed);
  const matrix = new Float64Array(k * m);
  for (let i = 0; i < k; i++) {
    for (let j = 0; j <= i; j++) matrix[i * m + j] = random() - 0.5 + (i === j ? k : 0);
  }
  return matrix;
}

describe('Cholesky', () => {
  it.each([1, 7, 63, 64, 127, 128, 129, 200, 321, 515])('factors and solves, k = %d', (k) => {
    const m = k + 3;
    const matrix = definite(k, m, k);
    const whole = (i: number, j: number) => matrix[Math.max(i, j) * m + Math.min(i, j)];
    const x = Float64Array.from({ length: k }, (_, i) => Math.sin(i));
    const b = Float64Array.from(x, (_, i) => x.reduce((sum, value, j) => sum + whole(i, j) * value, 0));
    const root = matrix.slice();
    expect(factor(root, k, m)).toBe(true);
    for (const [i, j] of [
      [0, 0],
      [k - 1, 0],
      [k - 1, k - 1],
      [k >> 1, k >> 2],
    ]) {
      let sum = 0;
      for (let l = 0; l <= j; l++) sum += root[i * m + l] * root[j * m + l];
      expect(Math.abs(sum - whole(i, j))).toBeLessThan(1e-12 * k);
    }
    solveFactored(root, k, m, b);
    b.forEach((value, i) => expect(value).toBeCloseTo(x[i], 10));
  });

  it('is the same by blocks as column by column', () => {
    const [k, m] = [530, 531];
    const byBlocks = definite(k, m, 4);
    const byColumns = byBlocks.slice();
    factor(byBlocks, k, m);
    factorColumns(byColumns, k, m, 0, k);
    expect(normInf(byBlocks.map((value, at) => value - byColumns[at]))).toBeLessThan(1e-12);
  });

  it.each([70, 130, 200])('leaves the rows beyond those of the system alone, k = %d', (k) => {
    const m = 2 * k;
    const matrix = definite(m, m, k);
    const root = matrix.slice();
    expect(factor(root, k, m)).toBe(true);
    expect(root.subarray(k * m)).toEqual(matrix.subarray(k * m));
    const whole = (i: number, j: number) => matrix[i * m + j];
    for (let i = 0; i < k; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = 0;
        for (let l = 0; l <= j; l++) sum += root[i * m + l] * root[j * m + l];
        expect(Math.abs(sum - whole(i, j))).toBeLessThan(1e-12 * m);
      }
      expect(root.subarray(i * m + k, (i + 1) * m)).toEqual(matrix.subarray(i * m + k, (i + 1) * m));
    }
  });

  it('Cholesky of no unknowns exists', () => {
    expect(factor(new Float64Array(4), 0, 2)).toBe(true);
  });

  it.each([3, 150, 300, 515])('tells where a matrix is not positive definite, k = %d', (k) => {
    const matrix = definite(k, k, 1);
    matrix[(k - 1) * k + k - 1] = -1;
    expect(factor(matrix, k, k)).toBe(false);
  });
});
