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
        const b = lower ? a : { at: 8000, rows: k, cols: n };
        const c = { at: 16000, rows: m, cols: n };
        if (lower) matrices.lowerProduct(a, c);
        else matrices.product(a, b, c);
        const { heap } = matrices;
        let beyond = 0;
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            const at = c.at + i * n + j;
            if (lower && j > i) {
              if (j >= i - (i % 8) + 8 && heap[at] !== before[at]) beyond++;
              continue;
            }
            let sum = 0;
            for (let p = 0; p < k; p++) sum += before[a.at + p * m + i] * before[b.at + p * n + j];
            expect(Math.abs(heap[at] - sum)).toBeLessThan(rounding);
          }
        }
        expect(beyond).toBe(0);
        expect(changes(heap, before, 0, c.at)).toBe(0);
        expect(changes(heap, before, c.at + m * n)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('blends lower triangles, and leaves what is beyond their last squares of 8 alone', () => {
    for (const count of [1, 2, 3]) {
      const n = unit === 1 ? 5 * count : unit * count;
      const matrices = make();
      fill(matrices, count);
      const before = matrices.heap.slice();
      const c = { at: 100, rows: n, cols: n };
      const s = { at: 5000, rows: n, cols: n };
      matrices.blendLower(c, s, 0.8);
      const { heap } = matrices;
      let worst = 0;
      let beyond = 0;
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          const at = i * n + j;
          const blended = 0.8 * before[100 + at] + 0.2 * before[5000 + at];
          if (j <= i) worst = Math.max(worst, Math.abs(heap[100 + at] - blended));
          if (j >= i - (i % 8) + 8 && heap[100 + at] !== before[100 + at]) beyond++;
        }
      }
      expect(worst).toBeLessThan(rounding);
      expect(beyond).toBe(0);
      expect(changes(heap, before, 0, 100) + changes(heap, before, 100 + n * n)).toBe(0);
    }
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

  it.each([1, 2, 3, 4, 5, 8, 13, 16, 31])(
    'orthonormalizes %i rows: as many of them span what as many did',
    (size) => {
      const stride = unit * Math.ceil(size / unit);
      const matrices = make();
      const [from, to] = [0, 4000];
      fill(matrices, size);
      const { heap } = matrices;
      for (let i = 0; i < size; i++) heap.fill(0, from + i * stride + size, from + (i + 1) * stride);
      const before = heap.slice();
      matrices.orthonormalize(from, to, size, stride);
      const dot = (a: ArrayLike<number>, i: number, j: number) => {
        let sum = 0;
        for (let p = 0; p < size; p++) sum += a[i + p] * heap[j + p];
        return sum;
      };
      let outside = 0;
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) {
          const product = dot(heap, to + i * stride, to + j * stride);
          expect(Math.abs(product - (i === j ? 1 : 0))).toBeLessThan(rounding);
          // Row i of what is given has no part in the later rows of the result.
          if (j > i) outside = Math.max(outside, Math.abs(dot(before, from + i * stride, to + j * stride)));
        }
        expect(heap.subarray(to + i * stride + size, to + (i + 1) * stride).every((v) => v === 0)).toBe(true);
      }
      expect(outside).toBeLessThan(rounding);
      expect(heap.subarray(to + size * stride, to + stride ** 2).every((v) => v === 0)).toBe(true);
      expect(changes(heap, before, from + (size + 3) * stride, to)).toBe(0);
      expect(changes(heap, before, to + (stride + 3) * stride)).toBe(0);
    },
  );

  it('orthonormalizes rows of rank one, and rows of zeros', () => {
    const [size, from, to] = [8, 0, 4000];
    for (const scale of [1, 0]) {
      const matrices = make();
      const { heap } = matrices;
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) heap[from + i * size + j] = scale * (i + 1) * (j - 2);
      }
      matrices.orthonormalize(from, to, size, size);
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) {
          let sum = 0;
          for (let p = 0; p < size; p++) sum += heap[to + i * size + p] * heap[to + j * size + p];
          expect(Math.abs(sum - (i === j ? 1 : 0))).toBeLessThan(rounding);
        }
      }
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
