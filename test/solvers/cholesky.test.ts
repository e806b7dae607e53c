import { describe, expect, it } from 'vitest';
import { factor, solveFactored } from '../../src/solvers/cholesky.ts';
import { uniform } from '../../bench/problems/random.js';

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
  it.each([1, 7, 63, 64, 127, 128, 129, 200, 321])('factors and solves, k = %d', (k) => {
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

  it.each([3, 150, 300])('tells where a matrix is not positive definite, k = %d', (k) => {
    const matrix = definite(k, k, 1);
    matrix[(k - 1) * k + k - 1] = -1;
    expect(factor(matrix, k, k)).toBe(false);
  });
});
