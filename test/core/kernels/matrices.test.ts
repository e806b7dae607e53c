import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float32Matrices } from '../../../src/core/kernels/float32Matrices.ts';
import { float64Matrices } from '../../../src/core/kernels/float64Matrices.ts';
import { newMatrices, paddedSide } from '../../../src/core/kernels/newMatrices.ts';
import { simdMatrices } from '../../../src/core/kernels/simdMatrices.ts';
import { vectorKernels } from '../../../src/core/kernels/vectorMemory.ts';
import { KERNEL_LENGTH } from '../../../src/core/vector.ts';
import { uniform } from '../../../bench/problems/random.js';
import type { Matrices } from '../../../src/core/kernels/matrices.ts';

const LENGTH = 40_000;

/** Implementations, the sizes they take multiples of, and their rounding. */
const all: [string, () => Matrices, number, number][] = [
  ['plain float64', () => float64Matrices(new Float64Array(LENGTH)), 1, 1e-13],
  ['plain float32', () => float32Matrices(new Float32Array(LENGTH)), 8, 1e-5],
  ['SIMD', () => simdMatrices(LENGTH, 0, 0)!.matrices, 8, 1e-5],
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
  it.each(['product', 'multiply'] as const)(
    '%s: every element is the sum that it should be, and nothing beside it changes',
    (operation) => {
      fc.assert(
        fc.property(sizes, ([r, s, t, seed]) => {
          const [m, n] = [unit * r, unit * s];
          const k = operation === 'multiply' ? unit * t : t;
          const matrices = make();
          fill(matrices, seed);
          const before = matrices.heap.slice();
          const [rows, cols, term] = operation === 'multiply' ? [m, k, 1] : [k, m, m];
          const row = operation === 'multiply' ? k : 1;
          const [b, c] = [8000, 16000];
          matrices[operation](
            { at: 0, rows, cols },
            { at: b, rows: k, cols: n },
            { at: c, rows: m, cols: n },
          );
          const { heap } = matrices;
          let worst = 0;
          for (let i = 0; i < m; i++) {
            for (let j = 0; j < n; j++) {
              let sum = 0;
              for (let p = 0; p < k; p++) sum += before[i * row + p * term] * before[b + p * n + j];
              worst = Math.max(worst, Math.abs(heap[c + i * n + j] - sum));
            }
          }
          expect(worst).toBeLessThan(rounding);
          expect(changes(heap, before, 0, c)).toBe(0);
          expect(changes(heap, before, c + m * n)).toBe(0);
        }),
        { numRuns: 40 },
      );
    },
  );

  it('blends products into lower triangles, and leaves what is beyond their last squares of 8 alone', () => {
    for (const count of [1, 2, 3]) {
      const n = unit === 1 ? 5 * count : unit * count;
      const k = 3 * count;
      const matrices = make();
      fill(matrices, count);
      const before = matrices.heap.slice();
      const c = { at: 5000, rows: n, cols: n };
      matrices.blendProduct({ at: 100, rows: k, cols: n }, c, 0.8);
      const { heap } = matrices;
      let worst = 0;
      let beyond = 0;
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          const at = c.at + i * n + j;
          let sum = 0;
          for (let p = 0; p < k; p++) sum += before[100 + p * n + i] * before[100 + p * n + j];
          if (j <= i) worst = Math.max(worst, Math.abs(heap[at] - 0.8 * before[at] - 0.2 * sum));
          if (j >= i - (i % 8) + 8 && heap[at] !== before[at]) beyond++;
        }
      }
      expect(worst).toBeLessThan(rounding);
      expect(beyond).toBe(0);
      expect(changes(heap, before, 0, c.at) + changes(heap, before, c.at + n * n)).toBe(0);
    }
  });

  it('loads rectangles of a vector', () => {
    const vector = Float64Array.from({ length: 60 }, (_, i) => Math.sin(i));
    for (const cols of [1, 4, 7]) {
      const matrices = make();
      fill(matrices, cols);
      const before = matrices.heap.slice();
      matrices.load(vector, { rows: 3, cols, offset: 5, stride: 9 }, 0.3, 101, 16);
      const { heap } = matrices;
      const expected = before.map((value, k) => {
        const [i, j] = [Math.floor((k - 101) / 16), (k - 101) % 16];
        return k >= 101 && i < 3 && j < cols ? 0.3 * vector[5 + 9 * i + j] : value;
      });
      expect(changes(heap, expected, 0)).toBe(0);
    }
  });

  it.each([true, false])('moves rectangles of x (%s) or of another vector', (moving) => {
    const matrices = make();
    fill(matrices, 3);
    const { heap } = matrices;
    const start = Float64Array.from({ length: 60 }, (_, i) => Math.fround(Math.cos(i)));
    const x = start.slice();
    const target = moving ? x : start.map((value) => value + 0.1);
    const from = target.slice();
    const part = { rows: 3, cols: 5, offset: 5, stride: 9 };
    const moved = matrices.move(x, target, part, 101, 16, { rate: 0.02, weightDecay: 0.4 });
    let largest = 0;
    for (let k = 0; k < 60; k++) {
      const [i, j] = [Math.floor((k - 5) / 9), (k - 5) % 9];
      const s = k >= 5 && i < 3 && j < 5 ? 0.02 * (heap[101 + 16 * i + j] + 0.4 * start[k]) : 0;
      largest = Math.max(largest, Math.abs(s));
      const exact = from[k] - s;
      const rounds = moving && heap instanceof Float32Array;
      expect(target[k]).toBe(s !== 0 && rounds ? Math.fround(exact) : exact);
    }
    expect(moved).toBe(largest);
    const fresh = moving ? start : x;
    expect(fresh).toEqual(start);
  });

  it('transposes', () => {
    fc.assert(
      fc.property(sizes, ([r, s, , seed]) => {
        const [m, n] = [unit * r, unit * s];
        const matrices = make();
        fill(matrices, seed);
        const before = matrices.heap.slice();
        matrices.transpose({ at: 3, rows: m, cols: n }, { at: 9000, rows: n, cols: m });
        const expected = before.slice();
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) expected[9000 + j * m + i] = before[3 + i * n + j];
        }
        expect(changes(matrices.heap, expected, 0)).toBe(0);
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
      const [from, to] = [24, 4000];
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
      expect(changes(heap, before, 0, from)).toBe(0);
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

describe('SIMD and plain loops in float32 agree to the last bit', () => {
  /** The same numbers, some of them special, in both. */
  function both(seed: number, special = false) {
    const memory = simdMatrices(LENGTH, 400, 2)!;
    const plain = float32Matrices(new Float32Array(LENGTH));
    const random = uniform(seed);
    const odd = [0, -0, NaN, Infinity, 1e-42, -1e30];
    for (let i = 0; i < LENGTH; i++) {
      const value = (2 * random() - 1) * 10 ** (4 * random() - 2);
      plain.heap[i] = special && random() < 0.02 ? odd[i % odd.length] : value;
    }
    memory.matrices.heap.set(plain.heap);
    const vectors = memory.vectors.map((vector) => {
      for (let i = 0; i < vector.length; i++) vector[i] = Math.fround(random() - 0.5);
      return [vector, vector.slice()] as const;
    });
    return { simd: memory.matrices, plain, vectors };
  }
  const same = (a: ArrayBufferView, b: ArrayBufferView) => {
    const [first, second] = [a, b].map((v) => new Uint8Array(v.buffer, v.byteOffset, v.byteLength));
    return first.every((byte, i) => byte === second[i]);
  };
  /** Equal numbers; NaN has many bit patterns. */
  const sameNumbers = (a: ArrayLike<number>, b: ArrayLike<number>) => {
    for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
    return true;
  };

  it.each<[string, (matrices: Matrices, r: number, s: number, t: number) => void]>([
    [
      'product',
      (m, r, s, t) =>
        m.product(
          { at: 8, rows: t, cols: r },
          { at: 8000, rows: t, cols: s },
          { at: 16000, rows: r, cols: s },
        ),
    ],
    [
      'multiply',
      (m, r, s, t) => {
        const c = { at: 16000, rows: r, cols: s };
        m.multiply({ at: 8, rows: r, cols: 8 * t }, { at: 8000, rows: 8 * t, cols: s }, c);
      },
    ],
    [
      'blendProduct',
      (m, r, _s, t) => m.blendProduct({ at: 8, rows: t, cols: r }, { at: 16000, rows: r, cols: r }, 0.95),
    ],
    ['transpose', (m, r, s) => m.transpose({ at: 3, rows: r, cols: s }, { at: 9000, rows: s, cols: r })],
    [
      'adam',
      (m, r, s) => {
        for (let i = 2000; i < 4000; i++) m.heap[i] = Math.abs(m.heap[i]);
        m.adam(16, 1000, 2000, Math.min(r * s, 900), {
          beta1: 0.9,
          beta2: 0.95,
          correction1: 1.7,
          correction2: 2.3,
          epsilon: 1e-8,
        });
      },
    ],
  ])('SIMD and plain loops in float32 agree to the last bit: %s', (_name, operate) => {
    fc.assert(
      fc.property(sizes, fc.boolean(), ([r, s, t, seed], special) => {
        const { simd, plain } = both(seed, special);
        operate(simd, 8 * r, 8 * s, t);
        operate(plain, 8 * r, 8 * s, t);
        expect(sameNumbers(simd.heap, plain.heap)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it.each([1, 2, 3, 7, 8, 9, 20, 31, 32])('orthonormalize, %i rows', (size) => {
    const stride = 8 * Math.ceil(size / 8);
    const [from, to] = [8, 4000];
    for (const [rank, first] of [
      [size, 0.5],
      [size, NaN],
      [size, -0],
      [size, 0],
      [1, -0.5],
      [0, -0],
    ]) {
      const { simd, plain } = both(size);
      for (const { heap } of [simd, plain]) {
        for (let i = 0; i < size; i++) {
          const row = from + i * stride;
          heap.fill(0, row + size, row + stride);
          if (i >= rank) for (let j = 0; j < size; j++) heap[row + j] = rank * i * heap[from + j];
          if (rank === 0) heap.fill(0, row, row + stride);
        }
        heap[from] = first;
      }
      simd.orthonormalize(from, to, size, stride);
      plain.orthonormalize(from, to, size, stride);
      const result = [simd, plain].map(({ heap }) => heap.subarray(to, to + stride ** 2));
      expect(sameNumbers(result[0], result[1])).toBe(true);
    }
  });

  it('load and move, with the vectors in the memory or elsewhere', () => {
    fc.assert(
      fc.property(
        fc.record({
          rows: fc.integer({ min: 1, max: 5 }),
          cols: fc.integer({ min: 1, max: 13 }),
          offset: fc.integer({ min: 0, max: 20 }),
          more: fc.integer({ min: 0, max: 40 }),
          seed: fc.integer(),
          isFree: fc.boolean(),
          special: fc.boolean(),
        }),
        ({ rows, cols, offset, more, seed, isFree, special }) => {
          const { simd, plain, vectors } = both(seed, special);
          const part = { rows, cols, offset, stride: cols + more };
          const sizes = { rate: 0.03, weightDecay: 0.2 };
          const [x, z] = vectors;
          const target = isFree ? z : x;
          const results = [simd, plain].map((matrices, which) => {
            matrices.load(x[which], part, 0.7, 1000, 16);
            return matrices.move(x[which], target[which], part, 2001, 24, sizes);
          });
          expect(results[0]).toBe(results[1]);
          expect(sameNumbers(simd.heap, plain.heap)).toBe(true);
          expect(sameNumbers(x[0], x[1]) && sameNumbers(z[0], z[1])).toBe(true);
          const elsewhere = x[1].slice();
          simd.load(elsewhere, part, 0.7, 3000, 16);
          plain.load(elsewhere, part, 0.7, 3000, 16);
          expect(same(simd.heap, plain.heap) || special).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });
});

it('long vectors lie in one memory with a heap of float32', () => {
  const n = KERNEL_LENGTH + 1;
  const { matrices, vectors } = newMatrices('float32', 1000, n, 3);
  expect(matrices.heap).toEqual(new Float32Array(1000));
  expect(vectors.map((vector) => vector.length)).toEqual([n, n, n]);
  expect(vectors.every(({ buffer }) => buffer === matrices.heap.buffer)).toBe(true);
  expect(vectorKernels(vectors)).toBeDefined();
  vectors.forEach((vector, k) => vector.fill(k + 1));
  matrices.heap.fill(7);
  vectors.forEach((vector, k) => expect(vector.every((value) => value === k + 1)).toBe(true));
  expect(vectors.every(({ byteOffset }) => byteOffset % 64 === 0)).toBe(true);
});

it('vectors are long from the length on at which SIMD is faster', () => {
  const { matrices, vectors } = newMatrices('float32', 10, KERNEL_LENGTH, 1);
  expect(vectors[0].buffer).toBe(matrices.heap.buffer);
});

it('short vectors, and matrices of float64, lie in plain arrays', () => {
  const short = newMatrices('float32', 10, KERNEL_LENGTH - 1, 1);
  expect(vectorKernels(short.vectors)).toBeUndefined();
  expect(short.matrices.heap).toEqual(new Float32Array(10));
  const exact = newMatrices('float64', 10, KERNEL_LENGTH, 2);
  expect(exact.matrices.heap).toEqual(new Float64Array(10));
  expect(exact.matrices.heap.buffer).not.toBe(exact.vectors[0].buffer);
  expect(vectorKernels(exact.vectors)).toBeDefined();
});

it('sides are filled up for SIMD alone', () => {
  expect([1, 8, 9].map((side) => paddedSide(side, 'float32'))).toEqual([8, 8, 16]);
  expect(paddedSide(9, 'float64')).toBe(9);
});
