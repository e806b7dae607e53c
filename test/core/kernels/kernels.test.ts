import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TILE } from '../../../src/core/kernels/tiles.ts';
import { plainKernels } from '../../../src/core/kernels/plain.ts';
import { allocateRows, kernelsFor, vectorBeside } from '../../../src/core/kernels/placement.ts';
import type { RowSelection } from '../../../src/core/kernels/kernels.ts';
import type { Row, Storage } from '../../../src/core/kernels/rows.ts';
import { addScaled, dot, KERNEL_LENGTH, normInf } from '../../../src/core/vector.ts';
import { uniform } from '../../../bench/problems/random.js';

/** Lengths with every remainder, below and above a tile, and at its edges. */
const lengths = fc.oneof(
  fc.integer({ min: KERNEL_LENGTH, max: KERNEL_LENGTH + 40 }),
  fc.integer({ min: TILE - 9, max: TILE + 9 }),
  fc.integer({ min: 2 * TILE - 9, max: 3 * TILE }),
);
const cases = fc.record({
  n: lengths,
  m: fc.integer({ min: 1, max: 7 }),
  storage: fc.constantFrom<Storage>('float64', 'float32'),
  seed: fc.integer(),
});

function randomCase({ n, m, storage, seed }: { n: number; m: number; storage: Storage; seed: number }) {
  const random = uniform(seed);
  const fill = (vector: Row) => {
    for (let i = 0; i < n; i++) vector[i] = (random() - 0.5) * 10 ** (6 * random() - 3);
    return vector;
  };
  const rows = allocateRows(n, 2 * m, storage);
  rows.forEach(fill);
  return { rows, vector: (where: Row = new Float64Array(n)) => fill(where) as Float64Array };
}

/** The largest difference, relative to the largest element. */
function distance(actual: Float64Array, expected: Float64Array): number {
  const differences = expected.map((value, i) => actual[i] - value);
  return actual.length === expected.length ? normInf(differences) / normInf(expected) : Infinity;
}

/** Equal bit by bit; `toEqual` of long arrays takes its time. */
const sameBits = (a: ArrayBufferView, b: ArrayBufferView): boolean =>
  Buffer.compare(bytes(a), bytes(b)) === 0;
const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);
const sameRows = (a: readonly Row[], b: readonly Row[]): boolean => a.every((row, i) => sameBits(row, b[i]));

/** All rows, in reverse order. */
const all = (rows: readonly Row[]): RowSelection => ({
  rows,
  order: rows.map((_, i) => rows.length - 1 - i),
});

const inOrder = (rows: readonly Row[]): RowSelection => ({ rows, order: rows.map((_, i) => i) });

const plainCopy = (rows: readonly Row[]): Row[] => rows.map((row) => row.slice());

test('SIMD and plain kernels agree to the last bit, wherever the vectors lie', () => {
  fc.assert(
    fc.property(cases, fc.boolean(), (parameters, beside) => {
      const { m, n } = parameters;
      const { rows, vector } = randomCase(parameters);
      const copy = plainCopy(rows);
      const simd = kernelsFor(rows[0]);
      expect(simd).not.toBe(plainKernels);
      expect(kernelsFor(copy[0])).toBe(plainKernels);
      const place = () => vector(beside ? vectorBeside(rows[0]) : undefined);
      const [x, gradient, trial, trialGradient, out] = [place(), place(), place(), place(), place()];

      for (let count = 1; count <= m; count++) {
        const part = (some: Row[]) => all(some.slice(0, 2 * count));
        for (const [of, inCopy] of [
          [gradient, gradient],
          [rows[1], copy[1]],
        ]) {
          const products = [new Float64Array(2 * m), new Float64Array(2 * m)];
          simd.project(part(rows), of, products[0]);
          plainKernels.project(part(copy), inCopy, products[1]);
          expect(sameBits(products[0], products[1])).toBe(true);
        }

        const factors = new Float64Array(2 * m);
        factors.set(vector().subarray(0, 2 * count));
        const expected = new Float64Array(n);
        const slope = plainKernels.combine(part(copy), factors, -0.7, gradient, expected);
        expect(simd.combine(part(rows), factors, -0.7, gradient, out)).toBe(slope);
        expect(sameBits(out, expected)).toBe(true);
        const inPlace = gradient.slice();
        expect(simd.combine(part(rows), factors, -0.7, inPlace, inPlace)).toBe(slope);
        expect(sameBits(inPlace, expected)).toBe(true);

        if (count < m) continue;
        const ahead = expected.map((value, i) => x[i] + value);
        for (const by of [simd, plainKernels]) {
          const step = { x, trial: by === simd ? vector(trial) : new Float64Array(n) };
          const rowsOf = part(by === simd ? rows : copy);
          expect(by.combine(rowsOf, factors, -0.7, gradient, out, step)).toBe(slope);
          expect(sameBits(out, expected)).toBe(true);
          expect(sameBits(step.trial, ahead)).toBe(true);
        }
      }

      vector(trial);
      const move = { x, gradient, trial, trialGradient };
      const others = (some: Row[]) => ({ rows: some, order: all(some).order.slice(0, -2) });
      const [products, inPlain, expected] = Array.from({ length: 3 }, () => new Float64Array(2 * m));
      const sums = simd.record(move, rows[0], rows[1], others(rows), products);
      expect(sums).toEqual(plainKernels.record(move, copy[0], copy[1]));
      expect(sums).toEqual(plainKernels.record(move, copy[0], copy[1], others(copy), inPlain));
      expect(sums).toEqual(simd.record(move, rows[0], rows[1]));
      expect(sameRows(rows, copy)).toBe(true);
      simd.project(others(rows), trialGradient, expected);
      expect(sameBits(products, expected)).toBe(true);
      expect(sameBits(inPlain, expected)).toBe(true);
      // By this a Gram matrix knows the gradient again.
      simd.project({ rows, order: [0, 1] }, trialGradient, expected);
      expect([...expected.subarray(0, 2)]).toEqual([sums.sg, sums.yg]);
    }),
    { numRuns: 60 },
  );
});

test('vectors in an arena are worked on by SIMD, to the last bit as elsewhere', () => {
  fc.assert(
    fc.property(cases, (parameters) => {
      const { rows, vector } = randomCase(parameters);
      const [a, b, out] = [
        vector(vectorBeside(rows[0])),
        vector(vectorBeside(rows[0])),
        vectorBeside(rows[0]),
      ];
      const [c, d, expected] = [a.slice(), b.slice(), new Float64Array(a.length)];
      expect(dot(a, b)).toBe(dot(c, d));
      expect(normInf(a)).toBe(normInf(c));
      addScaled(a, -0.3, b, out);
      addScaled(c, -0.3, d, expected);
      expect(sameBits(out, expected)).toBe(true);
      a[a.length >> 1] = NaN;
      expect(normInf(a)).toBeNaN();
      b[0] = -Infinity;
      expect(normInf(b)).toBe(Infinity);
    }),
    { numRuns: 60 },
  );
});

test('a sum of rows keeps the sign of zeros and what is infinite, by SIMD as in plain loops', () => {
  for (const storage of ['float64', 'float32'] as const) {
    for (const n of [KERNEL_LENGTH + 3, TILE + 3, 2 * TILE + 4200]) {
      const rows = allocateRows(n, 7, storage);
      const [g, beside] = [vectorBeside(rows[0]).fill(1), vectorBeside(rows[0])];
      for (const row of rows) row.fill(1);
      for (const from of [0, n - 3]) {
        for (const vector of [g, ...rows]) vector[from] = 0;
        g[from + 1] = 0;
        rows[2][from + 2] = Infinity;
      }
      const factors = new Float64Array(7).fill(-1);
      // Rows that are not selected have no part in it.
      rows[6].fill(NaN);
      kernelsFor(rows[0]).project({ rows, order: [6] }, g, new Float64Array(1));
      for (const order of [[], [2], [2, 0], [5, 4, 3, 2, 1], [2, 1, 5, 3, 0, 4]]) {
        const expected = new Float64Array(n);
        plainKernels.combine({ rows, order }, factors, -1, g, expected);
        for (const out of [beside, new Float64Array(n)]) {
          kernelsFor(rows[0]).combine({ rows, order }, factors, -1, g, out);
          expect(out.findIndex((value, i) => !Object.is(value, expected[i]))).toBe(-1);
        }
        const infinite = order.includes(2) ? -Infinity : -1 - order.length;
        expect([...expected.subarray(n - 3)]).toEqual([-0, -order.length || -0, infinite]);
      }
    }
  }
});

test('the norms of a step show what is not finite, as its sums do', () => {
  const { rows, vector } = randomCase({ n: 2 * TILE + 3, m: 1, storage: 'float64', seed: 3 });
  const move = { x: vector(), gradient: vector(), trial: vector(), trialGradient: vector() };
  for (const [value, at] of [
    [NaN, 5],
    [NaN, TILE + 1],
    [Infinity, 2 * TILE + 2],
  ]) {
    const trialGradient = move.trialGradient.slice();
    trialGradient[at] = value;
    for (const kernels of [kernelsFor(rows[0]), plainKernels]) {
      const { gInf, sInf } = kernels.record({ ...move, trialGradient }, rows[0], rows[1]);
      expect([gInf, Number.isFinite(sInf)]).toEqual([value, true]);
    }
  }
});

test('the plain kernels compute what they should', () => {
  const { rows, vector } = randomCase({ n: 1003, m: 2, storage: 'float64', seed: 5 });
  const copy = plainCopy(rows) as Float64Array[];
  const g = vector();
  const products = new Float64Array(4);
  const [s, y] = copy;
  plainKernels.project(inOrder(copy), g, products);
  const expectedProducts = Float64Array.from(copy.map((row) => dot(row, g)));
  expect(distance(products, expectedProducts)).toBeLessThan(1e-12);

  const sum = new Float64Array(g.length);
  const slope = plainKernels.combine(inOrder(copy), Float64Array.of(2, 3, 5, 7), 11, g, sum);
  const expectedSum = g.map(
    (gi, i) => 2 * copy[0][i] + 3 * copy[1][i] + 5 * copy[2][i] + 7 * copy[3][i] + 11 * gi,
  );
  expect(distance(sum, expectedSum)).toBeLessThan(1e-12);
  expect(Math.abs(slope - dot(g, expectedSum))).toBeLessThan(1e-12 * dot(g, g));

  const move = { x: vector(), gradient: g, trial: vector(), trialGradient: vector() };
  const sums = plainKernels.record(move, s, y);
  expect(s).toEqual(move.trial.map((value, i) => value - move.x[i]));
  expect(y).toEqual(move.trialGradient.map((value, i) => value - g[i]));
  const end = move.trialGradient;
  const expectedSums = Float64Array.of(dot(s, y), dot(y, y), dot(s, s), dot(s, end), dot(y, end));
  const { sy, yy, ss, sg, yg, sInf, gInf } = sums;
  expect([sInf, gInf]).toEqual([normInf(Float64Array.from(s)), normInf(end)]);
  expect(distance(Float64Array.of(sy, yy, ss, sg, yg), expectedSums)).toBeLessThan(1e-12);
});
