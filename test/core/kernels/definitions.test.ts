/** Each kernel, by SIMD and in plain loops, against its definition; kernels.test.ts compares the two bit by bit. */
import { describe, expect, it } from 'vitest';
import { uniform } from '../../../bench/problems/random.js';
import { arenaOf, allocateRows, kernelsFor, vectorBeside } from '../../../src/core/kernels/placement.ts';
import { plainKernels } from '../../../src/core/kernels/plain.ts';
import { TILE } from '../../../src/core/kernels/tiles.ts';
import { KERNEL_LENGTH } from '../../../src/core/vector.ts';
import type { Row, Storage } from '../../../src/core/kernels/rows.ts';

type Numbers = ArrayLike<number>;

/** Σ aᵢbᵢ, and the sum of absolute values, which its rounding error is relative to. */
function sumOf(a: Numbers, b: Numbers): { sum: number; size: number } {
  let [sum, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    sum += a[i] * b[i];
    size += Math.abs(a[i] * b[i]);
  }
  return { sum, size };
}
const near = (value: number, a: Numbers, b: Numbers): boolean => {
  const { sum, size } = sumOf(a, b);
  return Math.abs(value - sum) <= 1e-13 * size;
};
/** Index of the first number that is not what it should be, or -1. */
function firstOff(a: Numbers, expected: (i: number) => number, tolerance = 1e-13): number {
  for (let i = 0; i < a.length; i++) if (!(Math.abs(a[i] - expected(i)) <= tolerance)) return i;
  return -1;
}
function largest(a: Numbers): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]));
  return most;
}

const sizes = {
  float64: [KERNEL_LENGTH, KERNEL_LENGTH + 3, TILE + 5],
  float32: [KERNEL_LENGTH + 3, 2 * TILE],
};

describe.each<[string, Storage, number, boolean, boolean]>(
  ['SIMD', 'plain'].flatMap((by) =>
    (['float64', 'float32'] as const).flatMap((storage) =>
      sizes[storage].flatMap((n) =>
        [true, false].map((beside): [string, Storage, number, boolean, boolean] => [
          by,
          storage,
          n,
          beside,
          by === 'SIMD',
        ]),
      ),
    ),
  ),
)('%s kernels of rows in %s, n = %i, vectors in the arena: %s', (_by, storage, n, beside, isSimd) => {
  /** Rows and vectors of random numbers, in a new arena. */
  function setup() {
    const random = uniform(n);
    const fill = <V extends Row>(vector: V): V => {
      for (let i = 0; i < n; i++) vector[i] = random() - 0.5;
      return vector;
    };
    const rows = allocateRows(n, 7, storage).map(fill);
    const place = () => fill(beside ? vectorBeside(rows[0]) : new Float64Array(n));
    const kernels = isSimd ? kernelsFor(rows[0]) : plainKernels;
    return { random, fill, rows, place, kernels };
  }
  // Groups of five rows, the last of them incomplete.
  const orders = [[5, 2, 0, 6, 3, 1], [4], [1, 3, 5, 0, 6], []];

  it('project: products of rows with a vector, which may be a row', () => {
    const { rows, place, kernels } = setup();
    const v = place();
    for (const order of orders) {
      for (const of of [v, rows[2]]) {
        const out = new Float64Array(9).fill(9);
        kernels.project({ rows, order }, of, out);
        order.forEach((i, k) => expect(near(out[k], rows[i], of)).toBe(true));
        expect([...out.subarray(order.length)]).toEqual(Array.from({ length: 9 - order.length }, () => 9));
      }
    }
  });

  it('project: finds rows again that have been replaced', () => {
    const { fill, rows, place, kernels } = setup();
    const v = place();
    const other = allocateRows(n, 2, storage).map(fill);
    const mixed = [rows[0], isSimd ? rows[3] : other[0], rows[2]];
    const out = new Float64Array(3);
    for (const some of [rows, mixed, rows]) {
      kernels.project({ rows: some, order: [2, 1, 0] }, v, out);
      [2, 1, 0].forEach((i, k) => expect(near(out[k], some[i], v)).toBe(true));
    }
  });

  it('combine: a sum of rows and c·g, its product with g, and a step to it', () => {
    const { random, rows, place, kernels } = setup();
    const [g, x, out, trial] = [place(), place(), place(), place()];
    for (const order of orders) {
      const factors = Float64Array.from({ length: 7 }, () => 2 * random() - 1);
      const expected = g.map((value) => -0.7 * value);
      order.forEach((row, k) => rows[row].forEach((value, i) => (expected[i] += factors[k] * value)));
      const before = [...factors];
      const slope = kernels.combine({ rows, order }, factors, -0.7, g, out);
      expect(near(slope, g, expected)).toBe(true);
      expect(firstOff(out, (i) => expected[i])).toBe(-1);
      expect([...factors]).toEqual(before);
      const start = g.slice();
      const inPlace = beside ? g : start.slice();
      expect(kernels.combine({ rows, order }, factors, -0.7, inPlace, inPlace)).toBe(slope);
      expect(firstOff(inPlace, (i) => expected[i])).toBe(-1);
      g.set(start);
      for (const [from, to] of [
        [x, trial],
        [x, new Float64Array(n)],
        [x.slice(), trial],
      ]) {
        to.fill(9);
        expect(kernels.combine({ rows, order }, factors, -0.7, g, out, { x: from, trial: to })).toBe(slope);
        expect(firstOff(to, (i) => x[i] + expected[i])).toBe(-1);
      }
    }
  });

  it('combine: what is not finite shows in its sum, and nothing lies beyond the ends', () => {
    const { fill, rows, place, kernels } = setup();
    const [g, x, out, trial] = [place(), place(), place(), place()];
    const selected = { rows, order: [1, 0] };
    const step = { x, trial };
    expect(kernels.combine(selected, Float64Array.of(1, NaN), 1, g, out, step)).toBeNaN();
    expect([out.every(Number.isNaN), trial.every(Number.isNaN)]).toEqual([true, true]);
    for (const vector of [out, trial]) {
      vector.fill(2);
      const products = new Float64Array(1);
      const [row] = rows;
      row.fill(1);
      kernels.project({ rows, order: [0] }, vector, products);
      expect(products[0]).toBe(2 * n);
      fill(row);
    }
  });

  it('record: differences, their sums and norms, and products of other rows with the new gradient', () => {
    const { rows, place, kernels } = setup();
    const [x, gradient, trial, trialGradient] = [place(), place(), place(), place()];
    trial[n - 1] = -40;
    trialGradient[n - 2] = -30;
    const move = { x, gradient, trial, trialGradient };
    const [s, y] = [rows[3], rows[6]];
    const round = storage === 'float32' ? Math.fround : (value: number) => value;
    for (const order of [[0, 5, 1, 2, 4, 0], [1], []]) {
      const products = new Float64Array(8).fill(9);
      const sums = kernels.record(move, s, y, { rows, order }, products);
      expect(firstOff(s, (i) => round(trial[i] - x[i]), 0)).toBe(-1);
      expect(firstOff(y, (i) => round(trialGradient[i] - gradient[i]), 0)).toBe(-1);
      for (const [name, a, b] of [
        ['sy', s, y],
        ['yy', y, y],
        ['ss', s, s],
        ['sg', s, trialGradient],
        ['yg', y, trialGradient],
      ] as const) {
        expect([name, near(sums[name], a, b)]).toEqual([name, true]);
      }
      expect([sums.sInf, sums.gInf]).toEqual([largest(s), largest(trialGradient)]);
      order.forEach((i, k) => expect(near(products[k], rows[i], trialGradient)).toBe(true));
      expect([...products.subarray(order.length)]).toEqual(Array.from({ length: 8 - order.length }, () => 9));
      expect(kernels.record(move, s, y)).toEqual(sums);
      // Rows without room for their products have no part in it.
      expect(kernels.record(move, s, y, { rows, order })).toEqual(sums);
    }
  });

  it('record: norms are NaN where an element is', () => {
    const { fill, rows, place, kernels } = setup();
    const [x, gradient, trial, trialGradient] = [place(), place(), place(), place()];
    for (const at of [0, 1, n - 1]) {
      fill(trial);
      fill(trialGradient);
      trial[at] = NaN;
      const first = kernels.record({ x, gradient, trial, trialGradient }, rows[3], rows[6]);
      expect([first.sInf, first.ss, first.gInf]).toEqual([NaN, NaN, largest(trialGradient)]);
      trial[at] = 0.1;
      trialGradient[at] = NaN;
      const second = kernels.record({ x, gradient, trial, trialGradient }, rows[3], rows[6]);
      expect([second.sInf, second.gInf, second.yg]).toEqual([largest(rows[3]), NaN, NaN]);
    }
  });
});

it('an arena is found by any of its vectors, and by nothing else', () => {
  const [first, second] = allocateRows(KERNEL_LENGTH, 2, 'float32');
  expect(arenaOf(first)).toBe(arenaOf(second));
  expect(arenaOf(vectorBeside(first))).toBe(arenaOf(first));
  expect(arenaOf(new Float64Array(KERNEL_LENGTH))).toBeUndefined();
});
