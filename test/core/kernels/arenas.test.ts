/** Rows and vectors in arenas: where they lie, and what becomes of it. */
import { expect, test, vi } from 'vitest';
import { newArena } from '../../../src/core/kernels/arena.ts';
import { clearPadding, padded } from '../../../src/core/kernels/padding.ts';
import { plainKernels } from '../../../src/core/kernels/plain.ts';
import {
  adoptRows,
  allocateRows,
  arenaOf,
  kernelsFor,
  kernelsForAll,
  vectorBeside,
} from '../../../src/core/kernels/placement.ts';
import { addScaled, dot, KERNEL_LENGTH, normInf } from '../../../src/core/vector.ts';
import { uniform } from '../../../bench/problems/random.js';
import type { Row } from '../../../src/core/kernels/rows.ts';

test('numbers are filled up to whole groups of eight', () => {
  expect([0, 1, 7, 8, 9, 16, 17].map(padded)).toEqual([0, 8, 8, 8, 16, 16, 24]);
});

test('the padding of a vector is cleared, and nothing beside it', () => {
  for (const length of [1, 3, 8]) {
    const all = new Float64Array(24).fill(5);
    clearPadding(new Float64Array(all.buffer, 64, length));
    expect(all).toEqual(new Float64Array(24).fill(5).fill(0, 8 + length, 16));
  }
});

test('large rows lie in an arena, small ones do not', () => {
  expect(arenaOf(allocateRows(KERNEL_LENGTH, 2, 'float64')[0])).toBeDefined();
  expect(arenaOf(allocateRows(KERNEL_LENGTH - 1, 2, 'float64')[0])).toBeUndefined();
});

test('memory beyond what WebAssembly can address is refused', () => {
  expect(newArena(2 ** 24, 33, 8)).toBeNull();
});

test('an arena has room for the vectors of a line search, and no more', () => {
  const [row] = allocateRows(KERNEL_LENGTH + 1, 2, 'float32');
  const vectors = Array.from({ length: 6 }, () => vectorBeside(row));
  expect(vectors.map((vector) => arenaOf(vector) === arenaOf(row))).toEqual([
    ...Array.from({ length: 5 }, () => true),
    false,
  ]);
  for (const [i, vector] of vectors.entries()) vector.fill(i + 1);
  expect(vectors.map((vector) => [vector.length, vector[0], vector.at(-1)])).toEqual(
    vectors.map((_, i) => [KERNEL_LENGTH + 1, i + 1, i + 1]),
  );
  expect(row.every((value) => value === 0)).toBe(true);
});

test('what is not finite does not outlast its cause', () => {
  const [row] = allocateRows(KERNEL_LENGTH + 1, 2, 'float64');
  const [g, out] = [vectorBeside(row), vectorBeside(row)];
  const factors = new Float64Array(2).fill(NaN);
  expect(kernelsFor(row).combine({ rows: [row, row], order: [1, 0] }, factors, 1, g, out)).toBeNaN();
  out.fill(1);
  expect(dot(out, out)).toBe(KERNEL_LENGTH + 1);
});

test('a factor that is not finite spoils the result and nothing beyond its end', () => {
  const [row] = allocateRows(KERNEL_LENGTH + 1, 2, 'float64');
  const [x, s, out] = [vectorBeside(row), vectorBeside(row), vectorBeside(row)];
  for (const alpha of [NaN, Infinity]) {
    addScaled(x, alpha, s, out);
    expect(out[0]).toBeNaN();
    out.fill(1);
    expect(dot(out, out)).toBe(KERNEL_LENGTH + 1);
    expect(normInf(out)).toBe(1);
  }
});

test('parts of vectors that lie in an arena are worked on as parts', () => {
  const [row] = allocateRows(1000, 2, 'float64');
  const [x, y] = [vectorBeside(row).fill(1), vectorBeside(row).fill(2)];
  const part = (vector: Float64Array) => vector.subarray(1, 1 + KERNEL_LENGTH + 1);
  expect(dot(part(x), part(y))).toBe(2 * (KERNEL_LENGTH + 1));
  addScaled(part(x), 3, part(y), part(x));
  expect(part(x)).toEqual(new Float64Array(KERNEL_LENGTH + 1).fill(7));
  expect([x[0], x[KERNEL_LENGTH + 2]]).toEqual([1, 1]);
  x[KERNEL_LENGTH + 2] = 100;
  expect(normInf(part(x))).toBe(7);
});

test('where no memory can be had, it is asked for once, and may be had for other rows', () => {
  const memory = vi.spyOn(WebAssembly, 'Memory').mockImplementation(function refuse() {
    throw new RangeError('could not allocate memory');
  });
  const rows: Row[] = [new Float64Array(KERNEL_LENGTH), new Float64Array(KERNEL_LENGTH)];
  for (let step = 0; step < 5; step++) adoptRows(rows);
  expect(memory).toHaveBeenCalledTimes(1);
  memory.mockRestore();
  expect(arenaOf(allocateRows(KERNEL_LENGTH, 2, 'float64')[0])).toBeDefined();
});

test('rows that were cloned are moved to an arena, unchanged', () => {
  for (const storage of ['float64', 'float32'] as const) {
    const random = uniform(9);
    const rows = allocateRows(700, 6, storage);
    for (const row of rows) for (let i = 0; i < row.length; i++) row[i] = random() - 0.5;
    const clone = structuredClone(rows);
    expect(arenaOf(clone[0])).toBeUndefined();
    adoptRows(clone);
    expect(arenaOf(clone[0])).toBeDefined();
    expect(arenaOf(clone[0])).not.toBe(arenaOf(rows[0]));
    expect(clone).toEqual(rows);
  }
});

test('rows outside arenas have plain kernels, until they are large and moved into one', () => {
  const rowsOf = (n: number): Row[] => [new Float64Array(n).fill(1), new Float64Array(n).fill(2)];
  const short = rowsOf(KERNEL_LENGTH - 1);
  expect([kernelsFor(short[0]), kernelsForAll(short)]).toEqual([plainKernels, plainKernels]);
  expect(arenaOf(vectorBeside(short[0]))).toBeUndefined();
  expect(vectorBeside(short[0]).length).toBe(KERNEL_LENGTH - 1);
  const large = rowsOf(KERNEL_LENGTH);
  const before = large.slice();
  expect(kernelsFor(large[0])).toBe(plainKernels);
  const kernels = kernelsForAll(large);
  const arena = arenaOf(large[0]);
  expect(arena?.kernels).toBe(kernels);
  expect(large).toEqual(before);
  const moved = large.slice();
  expect(kernelsForAll(large)).toBe(kernels);
  adoptRows(large);
  large.forEach((row, k) => expect(row).toBe(moved[k]));
});
