import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { uniform } from '../../../bench/problems/random.js';
import {
  checkRoom,
  diagonalMatrix,
  multiply,
  setDiagonal,
  update,
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

const apply = (matrix: Symmetric, { scale, ...by }: Update): void => update(matrix, scale, by);

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

/** The product with all updates, each applied to x by itself, and the size of its terms. */
function productOf(diagonal: number, updates: readonly Update[], x: Float64Array) {
  const product = x.map((value) => diagonal * value);
  const size = product.map(Math.abs);
  for (const { scale, factors, u, v } of updates) {
    const [a, b, c] = factors;
    const [ux, vx] = [u, v].map((vector) => vector.reduce((sum, value, i) => sum + value * x[i], 0));
    for (let i = 0; i < x.length; i++) {
      const term = (a * ux + b * vx) * u[i] + (b * ux + c * vx) * v[i];
      product[i] = scale * product[i] + term;
      size[i] = scale * size[i] + Math.abs(term);
    }
  }
  return { product, size: normInf(size) };
}

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

test.each([
  [511, 3],
  [512, 0],
  [512, 1],
  [512, 32],
  [512, 33],
  [512, 65],
  [512, 170],
  [512, 171],
  [513, 172],
  [601, 203],
])('the product is that of the whole sum of %i unknowns after %i updates', (n, count) => {
  const random = uniform(count);
  const matrix = diagonalMatrix(n, 2);
  const updates = Array.from({ length: count }, () => randomUpdate(n, random));
  for (const update of updates) apply(matrix, { ...update, u: update.u.slice(), v: update.v.slice() });
  // After n/3 terms, a triangle.
  expect(matrix.isSum).toBe(n >= 512 && count <= n / 3);
  expect(matrix.sum.parts.some((part) => part !== null)).toBe(count > 0 && matrix.isSum);
  for (let k = 0; k < 2; k++) {
    const x = randomVector(n, random);
    const { product, size } = productOf(2, updates, x);
    multiply(matrix, x, x);
    expect(normInf(x.map((value, i) => value - product[i]))).toBeLessThan(1e-13 * size);
  }
});

test('a matrix that is copied on the way is the same to the last bit', () => {
  const n = 514;
  const random = uniform(4);
  const matrix = diagonalMatrix(n, 0.5);
  let copy = structuredClone(matrix);
  for (let k = 0; k < 180; k++) {
    const update = randomUpdate(n, random);
    const x = randomVector(n, random);
    const products = [matrix, copy].map((one) => {
      const out = new Float64Array(n);
      apply(one, update);
      if (k % 4 === 0) multiply(one, x, out);
      return out;
    });
    expect(products[0]).toEqual(products[1]);
    if (k % 59 === 0) copy = structuredClone(matrix);
  }
  expect(matrix.isSum).toBe(false);
  expect(copy.triangle.data).toEqual(matrix.triangle.data);
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
      expect(fast.triangle.data).toEqual(plain.triangle.data);
    }),
  );
});

test('setting a diagonal discards the matrix and an update that is still pending', () => {
  for (const n of [5, 40, 512]) {
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

test('a sum starts again after its diagonal is set, and after it was a triangle', () => {
  const n = 512;
  const random = uniform(8);
  const matrix = diagonalMatrix(n, 1);
  for (const count of [3, 171, 40]) {
    setDiagonal(matrix, 2);
    expect(matrix.isSum).toBe(true);
    const updates = Array.from({ length: count }, () => randomUpdate(n, random));
    for (const update of updates) apply(matrix, update);
    const x = randomVector(n, random);
    const out = new Float64Array(n);
    multiply(matrix, x, out);
    const { product, size } = productOf(2, updates, x);
    expect(normInf(out.map((value, i) => value - product[i]))).toBeLessThan(1e-13 * size);
  }
});

test('rows of a sum are allocated as terms come, no more than it may have', () => {
  const matrix = diagonalMatrix(512, 1);
  const update = randomUpdate(512, uniform(1));
  const rowsAfter = (count: number) => {
    while (matrix.sum.count < count) apply(matrix, update);
    return matrix.sum.parts.map((part) => part?.length ?? 0);
  };
  expect(rowsAfter(0)).toEqual([0, 0, 0, 0]);
  expect(rowsAfter(32)).toEqual([64, 0, 0, 0]);
  expect(rowsAfter(33)).toEqual([64, 64, 0, 0]);
  expect(rowsAfter(65)).toEqual([64, 64, 128, 0]);
  expect(rowsAfter(129)).toEqual([64, 64, 128, 84]);
  // At most 1024 terms.
  expect(diagonalMatrix(4000, 1).sum).toMatchObject({
    count: 0,
    parts: Array.from({ length: 6 }, () => null),
  });
});

test('room is checked for triangles and sums together', () => {
  expect(() => checkRoom(511, 2)).not.toThrow();
  expect(() => checkRoom(512, 2)).not.toThrow();
  expect(() => checkRoom(200_000, 1)).toThrow(/of 200000 unknowns needs 163 GB, .*lbfgs\(\)/);
  const asked: number[] = [];
  const whole = ArrayBuffer;
  vi.stubGlobal(
    'ArrayBuffer',
    class extends whole {
      constructor(length: number) {
        super(8);
        asked.push(length / 8);
      }
    },
  );
  checkRoom(512, 2);
  checkRoom(100, 1);
  vi.unstubAllGlobals();
  // Two triangles of 256·257·2 elements, each with up to 170 pairs of vectors; one of 50·51·2 elements.
  expect(asked).toEqual([131_584, 174_080, 131_584, 174_080, 5100, 0]);
});

test('names what too many unknowns would take', () => {
  expect(() => diagonalMatrix(200_000, 1)).toThrow(/of 200000 unknowns needs 160 GB, .*lbfgs\(\)/);
  expect(() => diagonalMatrix(200_000, 1)).toThrow(
    expect.objectContaining({ cause: expect.any(RangeError) as RangeError }),
  );
});
