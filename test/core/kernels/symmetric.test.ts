import fc from 'fast-check';
import { expect, test } from 'vitest';
import { uniform } from '../../../bench/problems/random.js';
import {
  diagonalMatrix,
  multiply,
  setDiagonal,
  updateLater,
  type Symmetric,
} from '../../../src/core/kernels/symmetric.ts';
import { normInf } from '../../../src/core/vector.ts';

/** Sizes with plain loops, and with SIMD where there is any. */
const sizes = fc.oneof(fc.integer({ min: 1, max: 31 }), fc.integer({ min: 32, max: 75 }));
const seeds = fc.integer();

const randomVector = (n: number, random: () => number): Float64Array =>
  Float64Array.from({ length: n }, () => random() - 0.5);

interface Update {
  scale: number;
  factors: [number, number, number];
  u: Float64Array;
  v: Float64Array;
}

const randomUpdate = (n: number, random: () => number): Update => ({
  scale: random() + 0.5,
  factors: [random() - 0.5, random() - 0.5, random() - 0.5],
  u: randomVector(n, random),
  v: randomVector(n, random),
});

const apply = (matrix: Symmetric, { scale, factors, u, v }: Update): void =>
  updateLater(matrix, scale, factors, u, v);

/** The whole matrix, row by row, from its definition. */
function oracle(n: number, diagonal: number, updates: readonly Update[]): number[][] {
  const A = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => (i === j ? diagonal : 0)),
  );
  for (const {
    scale,
    factors: [a, b, c],
    u,
    v,
  } of updates) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        A[i][j] = scale * A[i][j] + a * u[i] * u[j] + b * (u[i] * v[j] + v[i] * u[j]) + c * v[i] * v[j];
      }
    }
  }
  return A;
}

const times = (A: readonly number[][], x: Float64Array): number[] =>
  A.map((row) => row.reduce((sum, value, j) => sum + value * x[j], 0));

test('the product is that of the whole matrix, with all updates', () => {
  fc.assert(
    fc.property(sizes, seeds, fc.integer({ min: 0, max: 4 }), (n, seed, count) => {
      const random = uniform(seed);
      const matrix = diagonalMatrix(n, 2);
      const updates = Array.from({ length: count }, () => randomUpdate(n, random));
      const out = new Float64Array(n);
      for (const [k, update] of updates.entries()) {
        apply(matrix, update);
        // Some updates wait for the next one, others for a product.
        if (k % 2 === 1) multiply(matrix, update.u, out);
      }
      // The second product finds nothing that waits.
      for (let k = 0; k < 2; k++) {
        const x = randomVector(n, random);
        multiply(matrix, x, out);
        const expected = times(oracle(n, 2, updates), x);
        expect(normInf(out.map((value, i) => value - expected[i]))).toBeLessThan(1e-13 * n);
      }
    }),
  );
});

test('SIMD and plain loops are the same to the last bit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 32, max: 75 }), seeds, (n, seed) => {
      const random = uniform(seed);
      const fast = diagonalMatrix(n, 0.3);
      // A clone has left the memory that the kernels know.
      const plain = structuredClone(fast);
      for (let k = 0; k < 4; k++) {
        const update = randomUpdate(n, random);
        const x = randomVector(n, random);
        const products = [fast, plain].map((matrix) => {
          if (k !== 2) apply(matrix, update);
          const out = x.slice();
          multiply(matrix, out, out);
          return out;
        });
        expect(products[0]).toEqual(products[1]);
      }
      expect(fast.data).toEqual(plain.data);
    }),
  );
});

test('setting a diagonal discards the matrix and an update that is still pending', () => {
  for (const n of [5, 40]) {
    const matrix = diagonalMatrix(n, 1);
    const x = randomVector(n, uniform(1));
    apply(matrix, randomUpdate(n, uniform(2)));
    multiply(matrix, x, new Float64Array(n));
    apply(matrix, randomUpdate(n, uniform(3)));
    setDiagonal(matrix, 3);
    const out = new Float64Array(n);
    multiply(matrix, x, out);
    expect(out).toEqual(x.map((value) => 3 * value));
  }
});

test('names what too many unknowns would take', () => {
  expect(() => diagonalMatrix(200_000, 1)).toThrow(/of 200000 unknowns needs 160 GB, .*lbfgs\(\)/);
  expect(() => diagonalMatrix(200_000, 1)).toThrow(
    expect.objectContaining({ cause: expect.any(RangeError) as RangeError }),
  );
});
