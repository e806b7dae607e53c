import type { Input } from '../harness.ts';
import * as fc from 'fast-check';
import type { AttributeValues } from '../../../../src/adapters/onnx/ir/attributes.ts';
import { DType } from '../../../../src/adapters/onnx/ir/tensor.ts';
import {
  axesOf,
  axisOf,
  integerInput,
  narrowed,
  oneOf,
  realInput,
  seed,
  shapeOf,
  size,
  type Case,
  type Cases,
  type Range,
} from './arbitrary.ts';

const withZeros = ({ shape, values }: Input): Input => ({
  shape,
  values: values.map((v) => (Math.abs(v) < 0.9 ? 0 : v)),
});

const reduction = (op: string, range: Range = {}, zeros = false): [string, fc.Arbitrary<Case>] => [
  op,
  shapeOf(0, 3).chain((shape) =>
    fc
      .record({
        axes: axesOf(shape.length),
        keepdims: fc.nat(1),
        noop: fc.nat(1),
        given: fc.boolean(),
        seed,
        dynamic: fc.boolean(),
      })
      .map(({ axes, keepdims, noop, given, seed, dynamic }) => ({
        inputs: { x: zeros ? withZeros(realInput(shape, seed, range)) : realInput(shape, seed, range) },
        build: (g, { x }) =>
          g.op(op, [x, given ? g.integers(axes) : undefined], { keepdims, noop_with_empty_axes: noop }),
        options: { dynamic: dynamic && !zeros },
      })),
  ),
];

/** A case whose op takes x and what is drawn for its shape. */
const moving = <T>(
  op: string,
  shapes: fc.Arbitrary<number[]>,
  drawn: (shape: readonly number[]) => fc.Arbitrary<T>,
  build: (op: Parameters<Case['build']>[0], x: string, drawn: T, shape: readonly number[]) => string,
): [string, fc.Arbitrary<Case>] => [
  op,
  shapes.chain((shape) =>
    fc.record({ drawn: drawn(shape), seed, dynamic: fc.boolean() }).map(({ drawn, seed, dynamic }) => ({
      inputs: { x: realInput(shape, seed) },
      // Squared, so that the second derivative does not vanish.
      build: (g, { x }) => g.square(build(g, x, drawn, shape)),
      options: { dynamic },
    })),
  ),
];

const permutation = (rank: number) =>
  fc.shuffledSubarray(
    Array.from({ length: rank }, (_, i) => i),
    { minLength: rank },
  );

const sliceOf = (rank: number) =>
  axesOf(rank, 1).chain((axes) =>
    fc.record({
      axes: fc.constant(axes),
      starts: fc.array(fc.integer({ min: -5, max: 5 }), { minLength: axes.length, maxLength: axes.length }),
      ends: fc.array(oneOf(-3, -2, -1, 1, 2, 3, 2 ** 31 - 1, -(2 ** 31)), {
        minLength: axes.length,
        maxLength: axes.length,
      }),
      steps: fc.option(fc.array(oneOf(1, 1, 2, -1, -2), { minLength: axes.length, maxLength: axes.length })),
    }),
  );

const padOf = (rank: number) =>
  fc.record({
    pads: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 2 * rank, maxLength: 2 * rank }),
    mode: oneOf('constant', 'reflect', 'edge', 'wrap'),
  });

const index = (shape: readonly number[]) =>
  axisOf(shape.length).chain((axis) => fc.record({ axis: fc.constant(axis), shape: shapeOf(0, 2), seed }));

const scatterNames = { data: 'data', updates: 'updates' };

const scatterElements: [string, fc.Arbitrary<Case>] = [
  'ScatterElements',
  fc
    .record({ n: fc.integer({ min: 2, max: 5 }), m: fc.integer({ min: 1, max: 3 }), add: fc.boolean(), seed })
    .map(({ n, m, add, seed }) => {
      // Without addition the places must differ: each row of updates goes to its own.
      const picked = add
        ? integerInput([2, m], seed, n).values
        : Array.from({ length: 2 * m }, (_, i) => Math.floor(i / m));
      return {
        inputs: {
          [scatterNames.data]: realInput([n, m], seed),
          [scatterNames.updates]: realInput([2, m], seed + 1),
        },
        build: (g, { data, updates }) =>
          g.square(
            g.op('ScatterElements', [data, g.constant(7, [2, m], picked), updates], {
              axis: 0,
              reduction: add ? 'add' : undefined,
            }),
          ),
      };
    }),
];

const scatterND: [string, fc.Arbitrary<Case>] = [
  'ScatterND',
  fc
    .record({ n: fc.integer({ min: 3, max: 5 }), m: fc.integer({ min: 1, max: 3 }), add: fc.boolean(), seed })
    .map(({ n, m, add, seed }) => ({
      inputs: { data: realInput([n, m], seed), updates: realInput([2, m], seed + 1) },
      build: (g, { data, updates }) =>
        g.square(
          g.op('ScatterND', [data, g.constant(7, [2, 1], add ? [1, 1] : [2, 0]), updates], {
            reduction: add ? 'add' : undefined,
          }),
        ),
    })),
];

/** Reductions other than a sum; two updates of one place, and one of another. */
const reducing = (op: string, index: (m: number) => [number[], number[]]): [string, fc.Arbitrary<Case>] => [
  op,
  fc
    .record({ m: fc.integer({ min: 1, max: 3 }), reduction: oneOf('max', 'min', 'mul'), seed })
    .map(({ m, reduction, seed }) => ({
      inputs: { data: realInput([4, m], seed), updates: realInput([3, m], seed + 1) },
      build: (g, { data, updates }) =>
        g.square(g.op(op, [data, g.constant(7, ...index(m)), updates], { reduction })),
    })),
];

const scatterReducing = [
  reducing('ScatterElements', (m) => [[3, m], [1, 1, -1].flatMap((i) => Array.from({ length: m }, () => i))]),
  reducing('ScatterND', () => [
    [3, 1],
    [1, 1, -1],
  ]),
];

const oneHot: [string, fc.Arbitrary<Case>] = [
  'OneHot',
  fc.record({ shape: shapeOf(1, 2), axis: oneOf(-1, 0, 1), seed }).map(({ shape, axis, seed }) => ({
    inputs: { values: realInput([2], seed), i: integerInput(shape, seed, 3) },
    build: (g, { values, i }) => g.square(g.op('OneHot', [i, g.integers([3]), values], { axis })),
  })),
];

const reverseSequence: [string, fc.Arbitrary<Case>] = [
  'ReverseSequence',
  fc
    .record({ time: fc.integer({ min: 1, max: 4 }), batch: fc.integer({ min: 1, max: 3 }), seed })
    .map(({ time, batch, seed }) => ({
      inputs: { x: realInput([time, batch, 2], seed) },
      build: (g, { x }) => {
        const lengths = integerInput([batch], seed, time).values.map((n) => n + 1);
        return g.square(g.op('ReverseSequence', [x, g.integers(lengths)], { time_axis: 0, batch_axis: 1 }));
      },
    })),
];

const concat: [string, fc.Arbitrary<Case>] = [
  'Concat',
  shapeOf(1, 3).chain((shape) =>
    fc
      .record({ axis: axisOf(shape.length), n: fc.integer({ min: 1, max: 3 }), seed, dynamic: fc.boolean() })
      .map(({ axis, n, seed, dynamic }) => {
        const names = Array.from({ length: n }, (_, i) => `x${i}`);
        const at = axis < 0 ? axis + shape.length : axis;
        const shapes = names.map((_, k) => shape.map((d, i) => (i === at ? d + k : d)));
        return {
          inputs: Object.fromEntries(names.map((name, k) => [name, realInput(shapes[k], seed + k)])),
          build: (g, inputs) =>
            g.square(
              g.op(
                'Concat',
                names.map((name) => inputs[name]),
                { axis },
              ),
            ),
          options: { dynamic },
        };
      }),
  ),
];

export const shapeCases: Cases = new Map([
  ...['Sum', 'Mean', 'SumSquare', 'LogSumExp'].map((kind) => reduction(`Reduce${kind}`)),
  ...['Max', 'Min'].map((kind) => reduction(`Reduce${kind}`, { low: -4, high: 4, distinct: true })),
  ...['L1', 'L2'].map((kind) => reduction(`Reduce${kind}`, { avoid: [0] })),
  // A product is smooth at zeros, however many there are.
  reduction('ReduceProd', {}, true),
  reduction('ReduceLogSum', { low: 0.3 }),

  moving(
    'Reshape',
    shapeOf(1, 3),
    (shape) => oneOf([-1], [1, -1], [0, -1], [size(shape)]),
    (g, x, to) => g.reshape(x, to),
  ),
  moving(
    'Flatten',
    shapeOf(1, 3),
    (shape) => fc.integer({ min: -shape.length, max: shape.length }),
    (g, x, axis) => g.op('Flatten', [x], { axis }),
  ),
  moving(
    'Squeeze',
    shapeOf(1, 3),
    () => fc.boolean(),
    (g, x, all) =>
      g.op('Squeeze', [g.unsqueeze(x, [0, 2]), all ? g.integers([0, -g.rank(x)]) : g.integers([0])]),
  ),
  moving(
    'Unsqueeze',
    shapeOf(0, 3),
    (shape) => axesOf(shape.length + 1, 1),
    (g, x, axes) => g.op('Unsqueeze', [x, g.integers(axes.slice(0, 1))]),
  ),
  moving(
    'Transpose',
    shapeOf(0, 4),
    (shape) => fc.option(permutation(shape.length)),
    (g, x, perm) => g.op('Transpose', [x], { perm: perm ?? undefined }),
  ),
  [
    'Expand',
    shapeOf(0, 3).chain((full) =>
      fc
        .record({ from: narrowed(full), seed, dynamic: fc.boolean() })
        .map(({ from, seed, dynamic }): Case => ({
          inputs: { x: realInput(from, seed) },
          build: (g, { x }) => g.square(g.op('Expand', [x, g.integers(full)])),
          options: { dynamic },
        })),
    ),
  ],
  concat,
  moving(
    'Split',
    shapeOf(1, 3),
    (shape) => axisOf(shape.length),
    (g, x, axis, shape) => {
      const at = axis < 0 ? axis + shape.length : axis;
      const parts = shape[at] < 2 ? [shape[at]] : [1, shape[at] - 1];
      const split = g.ops('Split', [x, g.integers(parts)], { axis }, parts.length);
      return g.exp(split[split.length - 1]);
    },
  ),
  moving(
    'Slice',
    shapeOf(1, 3),
    (shape) => sliceOf(shape.length),
    (g, x, { axes, starts, ends, steps }) =>
      g.op('Slice', [
        x,
        g.integers(starts),
        g.integers(ends.map((end, k) => (steps && steps[k] < 0 ? Math.min(end, 3) : end))),
        g.integers(axes),
        steps ? g.integers(steps) : undefined,
      ]),
  ),
  moving(
    'Pad',
    fc.array(fc.integer({ min: 3, max: 4 }), { minLength: 1, maxLength: 3 }),
    (shape) => padOf(shape.length),
    (g, x, { pads, mode }) => {
      const first = g.squeeze(g.slice(g.flat(x), 0, 1, 0), [0]);
      return g.op('Pad', [x, g.integers(pads), mode === 'constant' ? first : undefined], { mode });
    },
  ),
  moving(
    'Tile',
    shapeOf(1, 3),
    (shape) => fc.array(fc.integer({ min: 1, max: 3 }), { minLength: shape.length, maxLength: shape.length }),
    (g, x, repeats) => g.op('Tile', [x, g.integers(repeats)]),
  ),
  moving(
    'Trilu',
    shapeOf(2, 3),
    () => fc.record({ upper: fc.nat(1), k: fc.option(fc.integer({ min: -2, max: 2 })) }),
    (g, x, { upper, k }) => g.op('Trilu', [x, k === null ? undefined : g.scalar(k, 7)], { upper }),
  ),
  moving(
    'DepthToSpace',
    oneOf([1, 4, 2, 3], [2, 8, 1, 2]),
    () => oneOf<AttributeValues>({ blocksize: 2 }, { blocksize: 2, mode: 'CRD' }),
    (g, x, attributes) => g.op('DepthToSpace', [x], attributes),
  ),
  moving(
    'SpaceToDepth',
    oneOf([1, 2, 2, 4], [2, 1, 4, 2]),
    () => fc.constant(2),
    (g, x, blocksize) => g.op('SpaceToDepth', [x], { blocksize }),
  ),

  moving('Gather', shapeOf(1, 3), index, (g, x, { axis, shape, seed }, whole) => {
    const below = whole[axis < 0 ? axis + whole.length : axis];
    const { values } = integerInput(shape, seed, below);
    return g.op(
      'Gather',
      [
        x,
        g.constant(
          seed % 2 ? DType.INT32 : DType.INT64,
          shape,
          values.map((v) => (v % 2 ? v - below : v)),
        ),
      ],
      { axis },
    );
  }),
  moving('GatherElements', shapeOf(1, 3), index, (g, x, { axis, seed }, whole) => {
    const { values } = integerInput(whole, seed, whole[axis < 0 ? axis + whole.length : axis]);
    return g.op('GatherElements', [x, g.constant(7, whole, values)], { axis });
  }),
  moving(
    'GatherND',
    shapeOf(2, 3),
    () => seed,
    (g, x, s, whole) => {
      const rows = [0, 1, 2].flatMap((k) => [
        integerInput([1], s + k, whole[0]).values[0],
        integerInput([1], s + 9 + k, whole[1]).values[0],
      ]);
      return g.op('GatherND', [x, g.constant(7, [3, 2], rows)]);
    },
  ),
  scatterElements,
  scatterND,
  ...scatterReducing,
  [
    'TopK',
    fc
      .record({
        n: fc.integer({ min: 2, max: 5 }),
        k: fc.integer({ min: 1, max: 2 }),
        largest: fc.nat(1),
        seed,
      })
      .map(({ n, k, largest, seed }): Case => ({
        inputs: { x: realInput([2, n], seed, { distinct: true, low: -4, high: 4 }) },
        build: (g, { x }) => g.square(g.op('TopK', [x, g.integers([k])], { axis: 1, largest })),
      })),
  ],
  oneHot,
  moving(
    'CumSum',
    shapeOf(1, 3),
    (shape) => fc.record({ axis: axisOf(shape.length), exclusive: fc.nat(1), reverse: fc.nat(1) }),
    (g, x, { axis, exclusive, reverse }) => g.op('CumSum', [x, g.scalar(axis, 7)], { exclusive, reverse }),
  ),
  reverseSequence,
]);
