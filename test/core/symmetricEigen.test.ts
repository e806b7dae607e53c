import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { symmetricEigen } from '../../src/core/symmetricEigen.ts';
import { uniform } from '../../bench/problems/random.js';

/** Largest errors of A vₖ = λₖ vₖ and of vᵢ·vₖ = δᵢₖ. */
function errorsOf(matrix: Float64Array, n: number) {
  const { values, vectors } = symmetricEigen(matrix, n);
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const rowsOf = (a: Float64Array) =>
    Array.from({ length: n }, (_, i) => Array.from(a.subarray(i * n, (i + 1) * n)));
  const [A, V] = [rowsOf(matrix), rowsOf(vectors)];
  const pairs = V.flatMap((v, k) => A.map((row, i) => Math.abs(dot(row, v) - values[k] * v[i])));
  const angles = V.flatMap((v, k) => V.map((w, i) => Math.abs(dot(v, w) - (i === k ? 1 : 0))));
  return { values, vectors, pair: Math.max(0, ...pairs), angle: Math.max(0, ...angles) };
}

/** Symmetric matrices, `[n, n]`, some with many zeros or equal elements, or with elements of one far-off size. */
const symmetric = fc
  .tuple(
    fc.integer({ min: 1, max: 9 }),
    fc.constantFrom(1, 1, 1e-155, 1e-120, 1e140, 1e154),
    fc.constantFrom<fc.Arbitrary<number>>(
      fc.integer({ min: -1, max: 1 }),
      fc.double({ min: -2, max: 2, noNaN: true }),
      fc.integer({ min: -9, max: 0 }).map((power) => 10 ** power),
    ),
  )
  .chain(([n, size, element]) =>
    fc.array(element, { minLength: n * n, maxLength: n * n }).map((all) => ({
      n,
      size,
      matrix: Float64Array.from(all, (_, at) => {
        const [i, j] = [Math.floor(at / n), at % n];
        return size * all[Math.max(i, j) * n + Math.min(i, j)];
      }),
    })),
  );

it('finds orthonormal eigenvectors of any symmetric matrix, in ascending order of their eigenvalues', () => {
  fc.assert(
    fc.property(symmetric, ({ n, size, matrix }) => {
      const before = matrix.slice();
      const { values, vectors, pair, angle } = errorsOf(matrix, n);
      expect(matrix).toEqual(before);
      expect([values.length, vectors.length]).toEqual([n, n * n]);
      expect(values.every((value, k) => k === 0 || values[k - 1] <= value)).toBe(true);
      expect(pair).toBeLessThanOrEqual(1e-13 * size);
      expect(angle).toBeLessThanOrEqual(1e-13);
    }),
    { numRuns: 150 },
  );
});

it.each([1, 2, 3, 17, 60])('knows the vibrations of a string of %i masses', (n) => {
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] = 2;
    if (i > 0) matrix[i * n + i - 1] = matrix[(i - 1) * n + i] = -1;
  }
  const { values, vectors } = symmetricEigen(matrix, n);
  for (let k = 1; k <= n; k++) {
    expect(values[k - 1]).toBeCloseTo(2 - 2 * Math.cos((k * Math.PI) / (n + 1)), 13);
    // Element i of mode k is √(2/(n + 1)) sin(ikπ/(n + 1)), up to the sign.
    let along = 0;
    for (let i = 1; i <= n; i++) {
      along += vectors[(k - 1) * n + i - 1] * Math.sqrt(2 / (n + 1)) * Math.sin((i * k * Math.PI) / (n + 1));
    }
    expect(Math.abs(along)).toBeCloseTo(1, 12);
  }
});

it('leaves a diagonal matrix as it is, but for the order', () => {
  const { values, vectors } = symmetricEigen(Float64Array.of(3, 0, 0, 0, -1, 0, 0, 0, 2), 3);
  expect(values).toEqual(Float64Array.of(-1, 2, 3));
  expect(vectors).toEqual(Float64Array.of(0, 1, 0, 0, 0, 1, 1, 0, 0));
});

it('of no rows has no eigenvalues', () => {
  expect(symmetricEigen(new Float64Array(0), 0).values).toEqual(new Float64Array(0));
});

it.each([1, 2, 4])('refuses a matrix of %i rows that is not finite, with NaN or infinities anywhere', (n) => {
  for (const value of [NaN, Infinity, -Infinity]) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        const matrix = new Float64Array(n * n).fill(1);
        matrix[i * n + j] = matrix[j * n + i] = value;
        expect(() => symmetricEigen(matrix, n)).toThrow(
          new RangeError(
            `symmetricEigen: element ${Math.min(i * n + j, j * n + i)} of the matrix is ${value}; all must be finite.`,
          ),
        );
      }
    }
  }
});

it.each([2 ** -1074, 2 ** -1060, 2 ** 1020])('finds the same at any scale, such as %d', (scale) => {
  // Whole numbers, so that no digit is lost where the scale is a subnormal number.
  const random = uniform(2);
  for (let n = 1; n <= 6; n++) {
    const matrix = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) matrix[i * n + j] = matrix[j * n + i] = Math.floor(5 * random()) - 2;
    }
    const [plain, scaled] = [matrix, matrix.map((value) => scale * value)].map((each) =>
      symmetricEigen(each, n),
    );
    expect(scaled.values).toEqual(plain.values.map((value) => scale * value));
    expect(scaled.vectors).toEqual(plain.vectors);
  }
});

it('splits two rows by one sweep, whose shift is an eigenvalue of theirs', () => {
  const random = uniform(5);
  const root = vi.spyOn(Math, 'sqrt');
  for (let k = 0; k < 50; k++) {
    const [a, b, c] = [random() - 0.5, random() - 0.5, random() - 0.5];
    symmetricEigen(Float64Array.of(a, b, b, c), 2);
  }
  const roots = root.mock.calls.length;
  root.mockRestore();
  // Two square roots each: one for the shift, one for the rotation.
  expect(roots).toBe(2 * 50);
});

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
