import { expect, it } from 'vitest';
import { symmetricEigen } from '../../src/core/symmetricEigen.ts';
import { uniform } from '../../bench/problems/random.js';

it.each([
  [128, 9, 0],
  [128, 40, 9],
  [128, 128, 15],
  [16, 2, 9],
  [40, 0, 0],
])(
  'finds the eigenpairs of matrices [%i, %i] times their transposes, over %i decades',
  (n, rank, decades) => {
    const random = uniform(3);
    for (let repeat = 0; repeat < 6; repeat++) {
      const rows = Array.from({ length: rank }, (_, p) =>
        Float64Array.from({ length: n }, () => (random() - 0.5) * 10 ** ((-decades * p) / rank)),
      );
      const matrix = new Float64Array(n * n);
      for (const row of rows) row.forEach((u, i) => row.forEach((v, j) => (matrix[i * n + j] += u * v)));
      const { values, vectors } = symmetricEigen(matrix, n);
      const largest = values[n - 1];
      let trace = 0;
      for (let i = 0; i < n; i++) trace += matrix[i * n + i];
      let worst = 0;
      for (let k = 0; k < n; k++) {
        for (let i = 0; i < n; i++) {
          let product = 0;
          for (let j = 0; j < n; j++) product += matrix[i * n + j] * vectors[k * n + j];
          worst = Math.max(worst, Math.abs(product - values[k] * vectors[k * n + i]));
        }
      }
      expect(worst).toBeLessThanOrEqual(1e-13 * largest);
      expect(Math.abs(values.reduce((sum, value) => sum + value, 0) - trace)).toBeLessThanOrEqual(
        1e-13 * trace,
      );
      // Of a matrix of lower rank, all other eigenvalues are rounding.
      const rest = values.subarray(0, n - rank).map(Math.abs);
      expect(Math.max(0, ...rest)).toBeLessThanOrEqual(1e-14 * largest);
    }
  },
);
