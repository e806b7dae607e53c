import * as ort from 'onnxruntime-node';
import { differentiate, trainable } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { direction } from './harness.ts';
import { floats, integers, modelFrom, node, type Written } from './written.ts';

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const weight = (name: string, ...shape: number[]) =>
  floats(name, shape, direction(size(shape), shape.length));
const indices = (name: string, ...values: number[]) => integers(name, values);

/** Models of one sample of shape [1, …], in which samples stay apart. */
const apart: Readonly<Record<string, Written>> = {
  'convolutions and a Flatten': {
    inputs: { x: [1, 2, 4, 4] },
    outputs: { y: [1, 3] },
    initializers: [weight('w', 3, 2, 3, 3), weight('d', 27, 3), weight('b', 3)],
    nodes: [
      node('Conv', ['x', 'w'], 'c', { pads: [1, 1, 1, 1] }),
      node('Relu', ['c'], 'r'),
      node('MaxPool', ['r'], 'p', { kernel_shape: [2, 2] }),
      node('Flatten', ['p'], 'f'),
      node('Gemm', ['f', 'd', 'b'], 'y'),
    ],
  },
  'attention whose shapes are computed': {
    inputs: { x: [1, 5, 4] },
    outputs: { y: [1, 5, 4] },
    initializers: [
      weight('q', 4, 4),
      weight('k', 4, 4),
      indices('zero', 0),
      indices('one', 1),
      indices('two', 2),
      indices('rest', -1),
      indices('two_', 2),
    ],
    nodes: [
      node('MatMul', ['x', 'q'], 'xq'),
      node('MatMul', ['x', 'k'], 'xk'),
      node('Shape', ['x'], 'shape'),
      node('Gather', ['shape', 'zero'], 'batch'),
      node('Gather', ['shape', 'one'], 'length'),
      node('Concat', ['batch', 'length', 'two', 'two_'], 'split', { axis: 0 }),
      node('Concat', ['batch', 'length', 'rest'], 'merged', { axis: 0 }),
      node('Reshape', ['xq', 'split'], 'qs'),
      node('Reshape', ['xk', 'split'], 'ks'),
      node('Transpose', ['qs'], 'qh', { perm: [0, 2, 1, 3] }),
      node('Transpose', ['ks'], 'kh', { perm: [0, 2, 3, 1] }),
      node('MatMul', ['qh', 'kh'], 'scores'),
      node('Softmax', ['scores'], 'weights', { axis: -1 }),
      node('MatMul', ['weights', 'qh'], 'mixed'),
      node('Transpose', ['mixed'], 'back', { perm: [0, 2, 1, 3] }),
      node('Reshape', ['back', 'merged'], 'y'),
    ],
  },
  'Reshapes to a batch of 1': {
    inputs: { x: [1, 4] },
    outputs: { y: [1, 4] },
    initializers: [
      weight('w', 4, 4),
      indices('apart', 1, -1, 2),
      indices('rows', -1, 4),
      indices('whole', 1, 2, 2),
      indices('one', 1),
      indices('two', 2),
    ],
    nodes: [
      node('MatMul', ['x', 'w'], 'h'),
      node('Reshape', ['h', 'apart'], 'a'),
      node('Softmax', ['a'], 's', { axis: 1 }),
      node('Reshape', ['s', 'rows'], 'r'),
      node('Reshape', ['r', 'whole'], 't'),
      node('Softmax', ['t'], 'u', { axis: 1 }),
      node('Shape', ['h'], 'shape'),
      node('Slice', ['shape', 'one', 'two'], 'rest'),
      node('Concat', ['one', 'rest'], 'merged', { axis: 0 }),
      node('Reshape', ['u', 'merged'], 'y'),
    ],
  },
  'rows that are laid side by side and taken apart again': {
    inputs: { x: [1, 3, 4] },
    outputs: { y: [1, 3, 2] },
    initializers: [weight('w', 4, 2), indices('rows', -1, 4), indices('apart', -1, 3, 2)],
    nodes: [
      node('Reshape', ['x', 'rows'], 'r'),
      node('MatMul', ['r', 'w'], 'h'),
      node('LayerNormalization', ['h', 'scale'], 'n', { axis: -1 }),
      node('Reshape', ['n', 'apart'], 'y'),
    ].filter(Boolean),
  },
  'an LSTM over the second axis': {
    inputs: { x: [1, 3, 2] },
    outputs: { y: [1, 3, 2] },
    initializers: [weight('W', 1, 8, 2), weight('R', 1, 8, 2), indices('one', 1)],
    nodes: [
      node('Transpose', ['x'], 't', { perm: [1, 0, 2] }),
      node('LSTM', ['t', 'W', 'R'], 'h', { hidden_size: 2 }),
      node('Squeeze', ['h', 'one'], 's'),
      node('Transpose', ['s'], 'y', { perm: [1, 0, 2] }),
    ],
  },
  'means over other axes': {
    inputs: { x: [1, 3, 4] },
    outputs: { y: [1, 4] },
    initializers: [weight('w', 1, 3, 4), indices('one', 1)],
    nodes: [
      node('Mul', ['x', 'w'], 'h'),
      node('ReduceMean', ['h'], 'm', { axes: [1], keepdims: 1 }),
      node('Sub', ['h', 'm'], 'c'),
      node('ReduceMax', ['c'], 'y', { axes: [1], keepdims: 0 }),
    ],
  },
  'an Einsum and a Concat': {
    inputs: { x: [1, 3] },
    outputs: { y: [1, 5] },
    initializers: [weight('w', 3, 2)],
    nodes: [
      node('Einsum', ['x', 'w'], 'e', { equation: 'bi,ij->bj' }),
      node('Concat', ['x', 'e'], 'y', { axis: 1 }),
    ],
  },
};
const scale = weight('scale', 2);

const outputOf = async (
  model: Awaited<ReturnType<typeof trainable>>,
  rows: number[][],
  shape: readonly number[],
) => Array.from((await model.predict({ x: { data: rows.flat(), dims: shape } }))['y'].data, Number);

describe('with the batch freed, many samples give what each gives alone', () => {
  test.each(Object.entries(apart))(
    'with the batch freed, many samples give what each gives alone: %s',
    async (_, written) => {
      const needsScale = written.nodes.some(({ input }) => input.includes('scale'));
      const bytes = modelFrom({
        ...written,
        initializers: [...(written.initializers ?? []), ...(needsScale ? [scale] : [])],
      });
      const shape = (written.inputs?.['x'] ?? []) as readonly number[];
      const trained = { loss: 'mse' as const, trainable: () => true };
      const one = await trainable(ort, bytes, trained);
      const many = await trainable(ort, bytes, { ...trained, freeBatch: true });
      const rows = [3, 4, 5].map((seed) => direction(size(shape), seed));
      const together = await outputOf(many, rows, [3, ...shape.slice(1)]);
      const each = await Promise.all(rows.map((row) => outputOf(one, [row], shape)));
      expect(together).toHaveLength(each.flat().length);
      each.flat().forEach((value, i) => expect(together[i]).toBeCloseTo(value, 5));
      await one.dispose();
      await many.dispose();
    },
  );
});

const single = (
  nodes: Written['nodes'],
  initializers: Written['initializers'] = [],
  shape = [1, 4],
): Written => ({
  inputs: { x: shape },
  outputs: { y: undefined },
  initializers: [weight('w', 4, 4), ...initializers],
  nodes: [node('MatMul', ['x', 'w'], 'h'), ...nodes],
});

/** Models of one sample in which more would meet, and where. */
const meeting: Readonly<Record<string, readonly [Written, RegExp]>> = {
  'a maximum over all': [
    single([node('ReduceMax', ['h'], 'm', { keepdims: 0 }), node('Div', ['h', 'm'], 'y')]),
    /ReduceMax "m": freeBatch: samples interact: it reduces over the batch/,
  ],
  'a softmax along the batch': [
    single([node('Softmax', ['h'], 'y', { axis: 0 })]),
    /Softmax "y": freeBatch: samples interact: it normalizes over the batch/,
  ],
  'a layer normalization over all axes': [
    single([node('LayerNormalization', ['h', 's'], 'y', { axis: 0 })], [weight('s', 1, 4)]),
    /LayerNormalization "y": freeBatch: samples interact: it normalizes over the batch/,
  ],
  'a sum with several rows': [
    single([node('Add', ['h', 'rows'], 'y')], [weight('rows', 3, 4)]),
    /Add "y": freeBatch: samples interact: another input has more than one element along the batch/,
  ],
  'a product of samples with each other': [
    single([node('Transpose', ['h'], 't', { perm: [1, 0] }), node('MatMul', ['h', 't'], 'y')]),
    /MatMul "y": freeBatch: samples interact: it multiplies samples with each other/,
  ],
  'rows laid side by side, under a softmax': [
    single(
      [
        node('Reshape', ['h', 'rows'], 'r'),
        node('Softmax', ['r'], 's', { axis: 0 }),
        node('Reshape', ['s', 'apart'], 'y'),
      ],
      [indices('rows', -1, 4), indices('apart', -1, 3, 4)],
      [1, 3, 4],
    ),
    /Softmax "s": freeBatch: samples interact: it normalizes over the batch/,
  ],
  'the first sample picked': [
    single([node('Gather', ['h', 'zero'], 'y', { axis: 0 })], [indices('zero', 0)]),
    /Gather "y": freeBatch: samples interact: it picks among the samples/,
  ],
  'a division by the number of samples': [
    single([
      node('Shape', ['h'], 'shape', { start: 0, end: 1 }),
      node('Cast', ['shape'], 'n', { to: 1 }),
      node('Div', ['h', 'n'], 'y'),
    ]),
    /Div "y": freeBatch: it computes with the number of samples/,
  ],
  'an LSTM that goes along the batch': [
    single(
      [node('LSTM', ['h', 'W', 'R'], 'y', { hidden_size: 2 })],
      [weight('W', 1, 8, 4), weight('R', 1, 8, 2)],
      [1, 3, 4],
    ),
    /LSTM "y": freeBatch: samples interact: it goes through the batch step by step/,
  ],
  'a quantization by the range of all': [
    single([
      node('DynamicQuantizeLinear', ['h'], ['q', 's', 'z']),
      node('DequantizeLinear', ['q', 's', 'z'], 'y'),
    ]),
    /DynamicQuantizeLinear "q": freeBatch: it has no rule for samples, so they may interact here/,
  ],
};

describe('a model in which samples interact is refused with freeBatch', () => {
  test.each(Object.entries(meeting))(
    'a model in which samples interact is refused with freeBatch: %s',
    (_, [written, message]) => {
      const bytes = modelFrom({ ...written, opset: 17 });
      expect(() => differentiate(bytes, { loss: 'mse', freeBatch: true })).toThrow(message);
    },
  );
});

test('freeBatch is refused where there is nothing to free', () => {
  const bytes = modelFrom({
    inputs: { x: ['n', 4] },
    outputs: { y: ['n', 4] },
    initializers: [weight('w', 4, 4)],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
  });
  expect(() => differentiate(bytes, { loss: 'mse', freeBatch: true })).toThrow(
    'freeBatch: none of the inputs "x" has a first axis fixed at 1.',
  );
});
