import fc from 'fast-check';
import { expect, test } from 'vitest';
import { uniform } from '../../bench/problems/random.js';
import { addSquares, multiply, setIdentity, zeros } from '../../src/solvers/dense.ts';
import { normInf } from '../../src/core/vector.ts';

const sizes = fc.integer({ min: 1, max: 41 });

function randomVector(n: number, random: () => number): Float64Array {
  return Float64Array.from({ length: n }, () => random() - 0.5);
}

/** Random numbers in the lower triangle; above it NaN, which must not be read. */
function lowerTriangle(n: number, random: () => number): Float64Array {
  const matrix = new Float64Array(n * n).fill(NaN);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) matrix[i * n + j] = random() - 0.5;
  return matrix;
}

const entry = (matrix: Float64Array, n: number, i: number, j: number): number =>
  matrix[Math.max(i, j) * n + Math.min(i, j)];

test('the product is that of the whole symmetric matrix', () => {
  fc.assert(
    fc.property(sizes, fc.integer(), (n, seed) => {
      const random = uniform(seed);
      const matrix = lowerTriangle(n, random);
      const x = randomVector(n, random);
      const out = randomVector(n, random);
      multiply(matrix, -2, x, out);
      const error = out.map((value, i) => {
        let sum = 0;
        for (let j = 0; j < n; j++) sum += entry(matrix, n, i, j) * x[j];
        return value + 2 * sum;
      });
      expect(normInf(error)).toBeLessThan(1e-13 * n);
    }),
  );
});

test('the update adds the three products in the lower triangle', () => {
  fc.assert(
    fc.property(
      sizes,
      fc.integer(),
      fc.tuple(
        fc.double({ min: 0.1, max: 3, noNaN: true }),
        fc.double({ min: -1, max: 1, noNaN: true }),
        fc.double({ min: -3, max: -0.1, noNaN: true }),
      ),
      (n, seed, [a, b, c]) => {
        const random = uniform(seed);
        const matrix = lowerTriangle(n, random);
        const before = matrix.slice();
        const u = randomVector(n, random);
        const v = randomVector(n, random);
        addSquares(matrix, 0.7, [a, b, c], u.slice(), v.slice());
        for (let i = 0; i < n; i++) {
          for (let j = 0; j <= i; j++) {
            const added = a * u[i] * u[j] + b * (u[i] * v[j] + v[i] * u[j]) + c * v[i] * v[j];
            expect(matrix[i * n + j]).toBeCloseTo(0.7 * before[i * n + j] + added, 12);
          }
        }
      },
    ),
  );
});

test('the identity has its diagonal', () => {
  expect(setIdentity(new Float64Array(4).fill(7), 2, 3)).toEqual(Float64Array.of(3, 0, 0, 3));
});

test('names what too many unknowns would take', () => {
  expect(zeros(3)).toEqual(new Float64Array(9));
  expect(() => zeros(200_000)).toThrow(/of 200000 unknowns needs 320 GB, .*lbfgs\(\)/);
});
