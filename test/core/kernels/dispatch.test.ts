/** Which kernels do the work, by their calls: the results would be the same without. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TILE } from '../../../src/core/kernels/tiles.ts';
import { KERNEL_LENGTH } from '../../../src/core/vector.ts';
import { unwatch, watch, type Watched } from './watch.ts';

let watched: Watched;

beforeEach(() => {
  watched = watch();
});
afterEach(unwatch);

/** Calls of the kernels while something is done. */
function callsOf(work: () => unknown): Record<string, number> {
  watched.calls = {};
  work();
  return watched.calls;
}

it.each([
  [KERNEL_LENGTH - 1, 'float64', {}],
  [KERNEL_LENGTH, 'float64', { project8: 1, combine8: 1, record8: 1 }],
  [TILE, 'float32', { project4: 1, combine4: 1, record4: 1 }],
  [TILE + 1, 'float32', { project4: 2, combine4: 2, record4: 2 }],
] as const)('rows of %i numbers in %s take a call for each tile', async (n, storage, calls) => {
  const { allocateRows, kernelsFor, vectorBeside } = await import('../../../src/core/kernels/placement.ts');
  const rows = allocateRows(n, 2, storage);
  const selected = { rows, order: [1, 0] };
  const [x, gradient, trial, trialGradient, out] = Array.from({ length: 5 }, () => vectorBeside(rows[0]));
  const [two, move] = [new Float64Array(2), { x, gradient, trial, trialGradient }];
  const kernels = kernelsFor(rows[0]);
  expect(
    callsOf(() => {
      kernels.project(selected, gradient, two);
      kernels.combine(selected, two, 1, gradient, out, { x, trial });
      kernels.record(move, rows[0], rows[1]);
    }),
  ).toEqual(calls);
  // Rows are projected along with a pair, where there are any.
  const tiles = Math.ceil(n / TILE);
  const width = storage === 'float64' ? 8 : 4;
  const record = () => kernels.record(move, rows[0], rows[1], selected, two);
  expect(callsOf(record)[`project${width}`] ?? 0).toBe(n < KERNEL_LENGTH ? 0 : tiles);
  const none = () => kernels.record(move, rows[0], rows[1], { rows, order: [] }, two);
  expect(callsOf(none)[`project${width}`]).toBeUndefined();
});

it('vectors in an arena are worked on by kernels while all of them lie there', async () => {
  const { allocateRows, vectorBeside } = await import('../../../src/core/kernels/placement.ts');
  const { addScaled, dot, normInf } = await import('../../../src/core/vector.ts');
  const [row] = allocateRows(KERNEL_LENGTH, 1, 'float64');
  const [x, s] = [vectorBeside(row), vectorBeside(row)];
  const other = new Float64Array(KERNEL_LENGTH);
  const all = (a: Float64Array) => () => {
    dot(x, a);
    addScaled(x, 2, a, s);
    normInf(a);
  };
  expect(callsOf(all(s))).toEqual({ dot: 1, addScaled: 1, normInf: 1 });
  expect(callsOf(all(other))).toEqual({});
});

it.each([
  [KERNEL_LENGTH - 1, {}],
  [KERNEL_LENGTH, { dot: 1, normInf: 1, adam: 1, shift: 1, average: 1 }],
])('%i vectors of first-order methods are worked on by kernels', async (n, calls) => {
  const { newVectors } = await import('../../../src/core/kernels/vectorMemory.ts');
  const { adamStep, averageStep, shiftAlong } = await import('../../../src/core/kernels/elementwise.ts');
  const { dot, normInf } = await import('../../../src/core/vector.ts');
  const [x, gradient, firstMoment, secondMoment] = newVectors(n, 4);
  const numbers = { clip: 1, beta1: 0, beta2: 0, scale1: 1, scale2: 1, epsilon: 1, shrink: 0, rounds: false };
  const all = (y: Float64Array) => () => {
    dot(x, y);
    normInf(y);
    const largestMoment = new Float64Array(0);
    adamStep({ x, gradient: y, firstMoment, secondMoment, largestMoment }, x, numbers);
    shiftAlong({ y, base: x, average: gradient }, 0.9, false);
    averageStep({ y, base: x, average: gradient }, 0.9, 0.1, false);
  };
  expect(callsOf(all(firstMoment))).toEqual(calls);
  expect(callsOf(all(new Float64Array(n)))).toEqual({});
});

it.each([
  ['float32', KERNEL_LENGTH, 1],
  ['float32', KERNEL_LENGTH - 1, 0],
  ['float64', KERNEL_LENGTH, 0],
] as const)(
  'matrices of %s beside vectors of %i numbers take %i call of each kernel',
  async (precision, n, calls) => {
    const { newMatrices } = await import('../../../src/core/kernels/newMatrices.ts');
    const { matrices, vectors } = newMatrices(precision, 512, n, 2);
    const [a, b, c] = [0, 64, 128].map((at) => ({ at, rows: 8, cols: 8 }));
    const numbers = { beta1: 0, beta2: 0, correction1: 1, correction2: 1, epsilon: 1 };
    const part = { rows: 2, cols: 3, offset: 0, stride: 4 };
    const sizes = { rate: 1, weightDecay: 0 };
    expect(
      callsOf(() => {
        matrices.product(a, b, c);
        matrices.multiply(a, b, c);
        matrices.blendProduct(a, c, 0.9);
        matrices.transpose(a, b);
        matrices.adam(0, 64, 128, 8, numbers);
        matrices.orthonormalize(0, 64, 5, 8);
        matrices.load(vectors[0], part, 1, 0, 8);
        matrices.move(vectors[0], vectors[1], part, 0, 8, sizes);
      }),
    ).toEqual(
      calls === 0
        ? {}
        : { product32: 3, transpose32: 1, adam32: 1, orthonormalize32: 1, load32: 1, move32: 1 },
    );
    const other = new Float64Array(n);
    expect(
      callsOf(() => {
        matrices.load(other, part, 1, 0, 8);
        matrices.move(other, vectors[1], part, 0, 8, sizes);
        matrices.move(vectors[0], other, part, 0, 8, sizes);
      }),
    ).toEqual({});
  },
);
