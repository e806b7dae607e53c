import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matricesFor, padded } from '../../../src/core/kernels/matricesFor.ts';
import { plainMatrices } from '../../../src/core/kernels/plainMatrices.ts';
import { simdMatrices } from '../../../src/core/kernels/simdMatrices.ts';
import { uniform } from '../../../bench/problems/random.js';
import type { Matrices } from '../../../src/core/kernels/matrices.ts';

const LENGTH = 40_000;

/** Implementations, the sizes they take multiples of, and their rounding. */
const all: [string, () => Matrices, number, number][] = [
  ['SIMD', () => simdMatrices(LENGTH)!, 8, 1e-5],
  ['plain float32', () => plainMatrices(new Float32Array(LENGTH)), 1, 1e-5],
  ['plain float64', () => plainMatrices(new Float64Array(LENGTH)), 1, 1e-13],
];

const sizes = fc.tuple(...[1, 2, 3].map(() => fc.integer({ min: 1, max: 7 })), fc.integer());

/** Fills a heap with numbers in (−1, 1). */
function fill({ heap }: Matrices, seed: number): void {
  const random = uniform(seed);
  for (let i = 0; i < LENGTH; i++) heap[i] = 2 * random() - 1;
}

/** Number of elements that differ, from one index to another. */
function changes(now: ArrayLike<number>, before: ArrayLike<number>, from: number, to = LENGTH): number {
  let count = 0;
  for (let i = from; i < to; i++) if (now[i] !== before[i]) count++;
  return count;
}

describe.each(all)('%s', (_name, make, unit, rounding) => {
  it('multiplies: every element is the sum that it should be, and nothing beside it changes', () => {
    fc.assert(
      fc.property(sizes, fc.boolean(), ([r, s, t, seed], lower) => {
        const [m, n, k] = [unit * r, unit * (lower ? r : s), t];
        const matrices = make();
        fill(matrices, seed);
        const before = matrices.heap.slice();
        const a = { at: 0, rows: k, cols: m };
        const b = { at: 8000, rows: k, cols: n };
        const c = { at: 16000, rows: m, cols: n };
        matrices.product(a, b, c, lower);
        const { heap } = matrices;
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            if (lower && j > i) continue;
            let sum = 0;
            for (let p = 0; p < k; p++) sum += before[a.at + p * m + i] * before[b.at + p * n + j];
            expect(Math.abs(heap[c.at + i * n + j] - sum)).toBeLessThan(rounding);
          }
        }
        expect(changes(heap, before, 0, c.at)).toBe(0);
        expect(changes(heap, before, c.at + m * n)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('transposes', () => {
    fc.assert(
      fc.property(sizes, ([r, s, , seed]) => {
        const [m, n] = [unit * r, unit * s];
        const matrices = make();
        fill(matrices, seed);
        const before = matrices.heap.slice();
        matrices.transpose({ at: 3, rows: m, cols: n }, { at: 9000, rows: n, cols: m });
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) expect(matrices.heap[9000 + j * m + i]).toBe(before[3 + i * n + j]);
        }
        expect(changes(matrices.heap, before, 9000 + m * n)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it("takes Adam's moments", () => {
    const matrices = make();
    fill(matrices, 5);
    const [n, first, second] = [24, 1000, 2000];
    for (let i = 0; i < n; i++) matrices.heap[second + i] **= 2;
    const before = matrices.heap.slice();
    const numbers = {
      beta1: 0.9,
      beta2: 0.95,
      correction1: 1 / (1 - 0.9 ** 3),
      correction2: 1 / (1 - 0.95 ** 3),
      epsilon: 1e-3,
    };
    matrices.adam(0, first, second, n, numbers);
    const { heap } = matrices;
    for (let i = 0; i < n; i++) {
      const m = 0.9 * before[first + i] + 0.1 * before[i];
      const v = 0.95 * before[second + i] + 0.05 * before[i] ** 2;
      const direction = m / (1 - 0.9 ** 3) / (Math.sqrt(v / (1 - 0.95 ** 3)) + 1e-3);
      expect(Math.abs(heap[first + i] - m)).toBeLessThan(rounding);
      expect(Math.abs(heap[second + i] - v)).toBeLessThan(rounding);
      expect(Math.abs(heap[i] - direction)).toBeLessThan(10 * rounding);
    }
    expect(heap[n]).toBe(before[n]);
    expect(heap[first + n]).toBe(before[first + n]);
  });

  it('reflects as many rows as it is told, and at most three more', () => {
    for (const [count, n, stride] of [
      [1, 4, 8],
      [4, 8, 8],
      [6, 12, 16],
      [9, 24, 24],
    ]) {
      const matrices = make();
      fill(matrices, count);
      const before = matrices.heap.slice();
      matrices.reflect(0, 400, stride, count, n);
      const { heap } = matrices;
      for (let i = 0; i < count; i++) {
        const row = 400 + i * stride;
        let along = 0;
        for (let j = 0; j < n; j++) along += before[j] * before[row + j];
        for (let j = 0; j < stride; j++) {
          const expected = before[row + j] - (j < n ? along * before[j] : 0);
          expect(Math.abs(heap[row + j] - expected)).toBeLessThan(rounding);
        }
      }
      const end = 400 + (count + 3) * stride;
      expect(changes(heap, before, end)).toBe(0);
    }
  });
});

it('one heap grows as it must, in each precision', () => {
  const small = matricesFor('float32', 100);
  expect(matricesFor('float32', 100).heap).toBe(small.heap);
  const { length } = small.heap;
  const large = matricesFor('float32', length + 1);
  expect(large.heap.length).toBeGreaterThan(length);
  large.heap[length] = 1;
  large.transpose({ at: length - 15, rows: 4, cols: 4 }, { at: 0, rows: 4, cols: 4 });
  expect(large.heap[15]).toBe(1);
  expect(matricesFor('float64', 10).heap).toBeInstanceOf(Float64Array);
});

it('sides are filled up for SIMD alone', () => {
  expect([1, 8, 9].map((side) => padded(side, 'float32'))).toEqual([8, 8, 16]);
  expect(padded(9, 'float64')).toBe(9);
});
