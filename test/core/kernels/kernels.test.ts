import fc from 'fast-check';
import { expect, test } from 'vitest';
import { embedded, embedKernels } from '../../../scripts/build-kernels.js';
import { readFileSync } from 'node:fs';
import { arenaOf, newArena, TILE } from '../../../src/core/kernels/arena.ts';
import { kernelsFor } from '../../../src/core/kernels/pairs.ts';
import { plainKernels } from '../../../src/core/kernels/plain.ts';
import {
  adoptPairs,
  allocatePairs,
  KERNEL_LENGTH,
  type Pairs,
  type Storage,
} from '../../../src/core/kernels/rows.ts';
import { dot, normInf } from '../../../src/core/vector.ts';
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

interface Case {
  pairs: Pairs;
  readonly vector: () => Float64Array;
}

function randomCase({ n, m, storage, seed }: { n: number; m: number; storage: Storage; seed: number }): Case {
  const random = uniform(seed);
  const vector = () => Float64Array.from({ length: n }, () => (random() - 0.5) * 10 ** (6 * random() - 3));
  const pairs = allocatePairs(n, m, storage);
  for (const row of [...pairs.s, ...pairs.y]) row.set(vector());
  return { pairs, vector };
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
const samePairs = (a: Pairs, b: Pairs): boolean =>
  a.s.every((row, i) => sameBits(row, b.s[i])) && a.y.every((row, i) => sameBits(row, b.y[i]));

const plainCopy = ({ s, y }: Pairs): Pairs => ({
  s: s.map((row) => row.slice()),
  y: y.map((row) => row.slice()),
});

test('the embedded bytes are what the source gives', async () => {
  expect(readFileSync(embedded, 'utf8')).toBe(await embedKernels());
});

test('large rows lie in an arena, small ones do not', () => {
  expect(arenaOf(allocatePairs(KERNEL_LENGTH, 2, 'float64').s[0])).toBeDefined();
  expect(arenaOf(allocatePairs(KERNEL_LENGTH - 1, 2, 'float64').s[0])).toBeUndefined();
});

test('memory beyond what WebAssembly can address is refused', () => {
  expect(newArena(2 ** 24, 17, 8)).toBeNull();
});

test('SIMD and plain kernels agree to the last bit', () => {
  fc.assert(
    fc.property(cases, (parameters) => {
      const { m } = parameters;
      const { pairs, vector } = randomCase(parameters);
      const copy = plainCopy(pairs);
      const simd = kernelsFor(pairs);
      expect(simd).not.toBe(plainKernels);
      expect(kernelsFor(copy)).toBe(plainKernels);

      const g = vector();
      for (let count = 1; count <= m; count++) {
        const products = [new Float64Array(4 * m), new Float64Array(4 * m)];
        simd.project(pairs, count, count - 1, g, products[0]);
        plainKernels.project(copy, count, count - 1, g, products[1]);
        expect(sameBits(products[0], products[1])).toBe(true);

        const by = { a: vector().slice(0, m), b: vector().slice(0, m), c: -0.7 };
        const sums = [new Float64Array(g.length), new Float64Array(g.length)];
        simd.combine(pairs, count, by, g, sums[0]);
        plainKernels.combine(copy, count, by, g, sums[1]);
        expect(sameBits(sums[0], sums[1])).toBe(true);
        const inPlace = g.slice();
        simd.combine(pairs, count, by, inPlace, inPlace);
        expect(sameBits(inPlace, sums[0])).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

test('the plain kernels compute what they should', () => {
  const { pairs, vector } = randomCase({ n: 1003, m: 3, storage: 'float64', seed: 5 });
  const { s, y } = plainCopy(pairs) as { s: Float64Array[]; y: Float64Array[] };
  const g = vector();
  const products = new Float64Array(12);
  plainKernels.project({ s, y }, 3, 1, g, products);
  const rows = [s[0], y[0], s[1], y[1], s[2], y[2]];
  const expectedProducts = Float64Array.from(rows.flatMap((row) => [dot(row, y[1]), dot(row, g)]));
  expect(distance(products, expectedProducts)).toBeLessThan(1e-12);

  const sum = new Float64Array(g.length);
  plainKernels.combine({ s, y }, 2, { a: Float64Array.of(2, 3), b: Float64Array.of(5, 7), c: 11 }, g, sum);
  const expectedSum = g.map((gi, i) => 2 * s[0][i] + 3 * s[1][i] + 5 * y[0][i] + 7 * y[1][i] + 11 * gi);
  expect(distance(sum, expectedSum)).toBeLessThan(1e-12);
});

test('pairs that were cloned are moved to an arena, unchanged', () => {
  for (const storage of ['float64', 'float32'] as const) {
    const { pairs } = randomCase({ n: 700, m: 3, storage, seed: 9 });
    const clone = structuredClone(pairs);
    expect(arenaOf(clone.s[0])).toBeUndefined();
    adoptPairs(clone);
    expect(arenaOf(clone.s[0])).toBeDefined();
    expect(arenaOf(clone.s[0])).not.toBe(arenaOf(pairs.s[0]));
    expect(samePairs(clone, pairs)).toBe(true);
  }
});
