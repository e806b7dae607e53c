import * as ort from 'onnxruntime-node';
import type { NodeProto, TensorProto } from 'onnx-buf';
import { differentiate, type LossFunction } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import type { AttributeValues } from '../../../src/adapters/onnx/ir/attributes.ts';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { direction } from './harness.ts';
import { floats, modelFrom, node, runOnce, tensor } from './written.ts';

/** Σ c·y with fixed c. */
const linear: LossFunction = (g, { outputs: [y] }) => {
  const dtype = g.dtypeOf(y) ?? DType.FLOAT;
  const places = g.cast(g.places(g.reshape(g.op('Size', [y]), [1])), dtype);
  return g.sumOfAll(g.mul(g.flat(y), g.add(g.op('Sin', [g.mul(1.7, places)]), 0.3)));
};

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const apart = (got: readonly number[], wanted: readonly number[]): number =>
  Math.max(...got.map((value, i) => Math.abs(value - wanted[i])));
const bytesOf = (name: string, shape: readonly number[], values: readonly number[]) =>
  tensorOf(name, DType.UINT8, shape, values);
const signed = (name: string, shape: readonly number[], values: readonly number[]) =>
  tensorOf(name, DType.INT8, shape, values);
/** Whole numbers of both signs, all different. */
const numbers = (length: number, most: number, seed = 7) =>
  direction(length, seed).map((v) => Math.round(v * most));

// x = 0.05·(q − 120), y = 0.04·(q − 100)
const shared = [
  floats('sx', [], [0.05]),
  bytesOf('zx', [], [120]),
  floats('sy', [], [0.04]),
  bytesOf('zy', [], [100]),
];

interface Case {
  readonly name: string;
  readonly shape: readonly number[];
  /** The node with integers: from `xq` to `yq`. */
  readonly integer: readonly NodeProto[];
  /** The same of real numbers: from `x` to `y`. */
  readonly float: readonly NodeProto[];
  readonly constants?: readonly TensorProto[];
  /** Multiples of 0.05 that x consists of. */
  readonly multiples?: number;
  /** True if x and y are not quantized around the node. */
  readonly bare?: 'x' | 'y' | 'both';
  /** Allowed difference of the two results, in addition to half a step. */
  readonly noise?: number;
}

const wide = 'com.microsoft::';
const onX = (op: string, attributes: AttributeValues = {}): readonly NodeProto[] => [
  node(`${wide}QLinear${op}`, ['xq', 'sx', 'zx', 'sy', 'zy'], 'yq', attributes),
];

const filters = numbers(4 * 2 * 2 * 3, 90);
const filterScales = [0.01, 0.02, 0.005, 0.03];
const realFilters = filters.map((w, i) => w * filterScales[Math.floor(i / 12)]);
const biases = [40, -100, 77, 5];
const window = { group: 2, kernel_shape: [2, 3], pads: [1, 0, 0, 1], strides: [1, 2] };
const convolved = [
  signed('w', [4, 2, 2, 3], filters),
  floats('sw', [4], filterScales),
  signed('zw', [4], [0, 0, 0, 0]),
  tensorOf('b', DType.INT32, [4], biases),
  floats('fw', [4, 2, 2, 3], realFilters),
  floats(
    'fb',
    [4],
    biases.map((b, i) => b * 0.05 * filterScales[i]),
  ),
];
const convInputs = ['xq', 'sx', 'zx', 'w', 'sw', 'zw', 'sy', 'zy', 'b'];

const columns = [0.02, 0.01, 0.005];
const matrix = numbers(4 * 3, 100).map((v) => v + 10);
const offsets = [3, 10, 0];
const realMatrix = matrix.map((w, i) => columns[i % 3] * (w - offsets[i % 3]));
const product = [
  signed('w', [4, 3], matrix),
  signed(
    'wt',
    [3, 4],
    [0, 1, 2].flatMap((j) => [0, 1, 2, 3].map((i) => matrix[3 * i + j])),
  ),
  floats('sw', [3], columns),
  signed('zw', [3], offsets),
  floats('fw', [4, 3], realMatrix),
  tensorOf('c', DType.INT32, [3], [100, -50, 20]),
  floats(
    'fc',
    [3],
    [100, -50, 20].map((c, j) => c * 0.5 * 0.05 * columns[j]),
  ),
  floats('bias', [3], [0.5, -0.25, 1]),
];

const second = [
  floats('sb', [], [0.1]),
  bytesOf('zb', [], [128]),
  bytesOf('bq', [3], [150, 95, 130]),
  floats('b', [3], [2.2, -3.3, 0.2]),
];

const cases: readonly Case[] = [
  {
    name: 'QLinearConv',
    multiples: 8,
    shape: [2, 4, 3, 5],
    integer: [node('QLinearConv', convInputs, 'yq', window)],
    float: [node('Conv', ['x', 'fw', 'fb'], 'y', window)],
    constants: convolved,
  },
  {
    name: 'QLinearConv of one scale',
    multiples: 6,
    shape: [1, 4, 3, 5],
    integer: [node('QLinearConv', ['xq', 'sx', 'zx', 'w', 'one', 'zero', 'sy', 'zy'], 'yq', window)],
    float: [node('Conv', ['x', 'fw'], 'y', window)],
    constants: [
      convolved[0],
      floats('one', [1], [0.02]),
      signed('zero', [1], [0]),
      floats(
        'fw',
        [4, 2, 2, 3],
        filters.map((w) => 0.02 * w),
      ),
    ],
  },
  {
    name: 'com.microsoft::QLinearConv, channels last',
    multiples: 8,
    shape: [2, 3, 5, 4],
    integer: [node(`${wide}QLinearConv`, convInputs, 'yq', Object.assign({ channels_last: 1 }, window))],
    float: [
      node('Transpose', ['x'], 'first', { perm: [0, 3, 1, 2] }),
      node('Conv', ['first', 'fw', 'fb'], 'made', window),
      node('Transpose', ['made'], 'y', { perm: [0, 2, 3, 1] }),
    ],
    constants: convolved,
  },
  {
    name: 'QLinearMatMul',
    multiples: 14,
    shape: [2, 3, 4],
    integer: [node('QLinearMatMul', ['xq', 'sx', 'zx', 'w', 'sw', 'zw', 'sy', 'zy'], 'yq')],
    float: [node('MatMul', ['x', 'fw'], 'y')],
    constants: product,
  },
  {
    name: 'QLinearMatMul of the left operand',
    multiples: 14,
    shape: [4, 5],
    integer: [signedLeft(), node('QLinearMatMul', ['left', 'sl', 'zl', 'xq', 'sx', 'zx', 'sy', 'zy'], 'yq')],
    float: [node('MatMul', ['fl', 'x'], 'y')],
    constants: [
      bytesOf('l', [2, 4], [100, 120, 140, 160, 180, 200, 90, 80]),
      floats('sl', [], [0.03]),
      bytesOf('zl', [], [128]),
      floats(
        'fl',
        [2, 4],
        [100, 120, 140, 160, 180, 200, 90, 80].map((v) => 0.03 * (v - 128)),
      ),
    ],
  },
  {
    name: 'com.microsoft::QGemm',
    multiples: 20,
    shape: [2, 4],
    integer: [
      node(`${wide}QGemm`, ['xq', 'sx', 'zx', 'wt', 'sw', 'zw', 'c', 'sy', 'zy'], 'yq', {
        transB: 1,
        alpha: 0.5,
      }),
    ],
    float: [node('Gemm', ['x', 'fw', 'fc'], 'y', { alpha: 0.5 })],
    constants: product,
  },
  {
    name: 'com.microsoft::QGemm of floats',
    shape: [4, 2],
    integer: [node(`${wide}QGemm`, ['xq', 'sx', 'zx', 'w', 'sw', 'zw', 'c'], 'y', { transA: 1, alpha: 0.5 })],
    float: [node('Gemm', ['x', 'fw', 'fc'], 'y', { transA: 1, alpha: 0.5 })],
    constants: product,
    bare: 'y',
  },
  ...(['Add', 'Mul'] as const).flatMap((op): Case[] => [
    {
      name: `com.microsoft::QLinear${op}`,
      shape: [2, 3],
      integer: [node(`${wide}QLinear${op}`, ['xq', 'sx', 'zx', 'bq', 'sb', 'zb', 'sy', 'zy'], 'yq')],
      float: [node(op, ['x', 'b'], 'y')],
      constants: second,
      multiples: op === 'Mul' ? 20 : 15,
    },
    {
      name: `com.microsoft::QLinear${op} of the same`,
      shape: [2, 3],
      integer: [node(`${wide}QLinear${op}`, ['xq', 'sx', 'zx', 'xq', 'sx', 'zx', 'sy', 'zy'], 'yq')],
      float: [node(op, ['x', 'x'], 'y')],
      multiples: op === 'Mul' ? 20 : 15,
    },
  ]),
  {
    name: 'com.microsoft::QLinearSigmoid',
    shape: [7],
    integer: onX('Sigmoid'),
    float: [node('Sigmoid', ['x'], 'y')],
  },
  {
    name: 'com.microsoft::QLinearLeakyRelu',
    shape: [2, 3],
    integer: onX('LeakyRelu', { alpha: 0.1 }),
    float: [node('LeakyRelu', ['x'], 'y', { alpha: 0.1 })],
  },
  {
    name: 'com.microsoft::QLinearSoftmax',
    shape: [2, 3, 2],
    integer: onX('Softmax', { axis: 1, opset: 13 }),
    float: [node('Softmax', ['x'], 'y', { axis: 1 })],
  },
  {
    name: 'com.microsoft::QLinearSoftmax of opset 12',
    shape: [2, 3, 2],
    integer: onX('Softmax', { axis: 1, opset: 12 }),
    float: [
      node('Flatten', ['x'], 'rows', { axis: 1 }),
      node('Softmax', ['rows'], 'shares', { axis: 1 }),
      node('Reshape', ['shares', 'shape'], 'y'),
    ],
    constants: [tensorOf('shape', DType.INT64, [3], [2, 3, 2])],
  },
  {
    name: 'com.microsoft::QLinearAveragePool',
    shape: [1, 2, 4, 5],
    integer: onX('AveragePool', { kernel_shape: [2, 2], strides: [2, 1], pads: [0, 1, 0, 0] }),
    float: [node('AveragePool', ['x'], 'y', { kernel_shape: [2, 2], strides: [2, 1], pads: [0, 1, 0, 0] })],
  },
  {
    name: 'com.microsoft::QLinearAveragePool, channels last',
    shape: [1, 4, 5, 2],
    integer: onX('AveragePool', { kernel_shape: [2, 2], channels_last: 1 }),
    float: [
      node('Transpose', ['x'], 'first', { perm: [0, 3, 1, 2] }),
      node('AveragePool', ['first'], 'made', { kernel_shape: [2, 2] }),
      node('Transpose', ['made'], 'y', { perm: [0, 2, 3, 1] }),
    ],
  },
  {
    name: 'com.microsoft::QLinearGlobalAveragePool',
    shape: [2, 3, 2, 2],
    integer: onX('GlobalAveragePool', { channels_last: 0 }),
    float: [node('GlobalAveragePool', ['x'], 'y')],
  },
  {
    name: 'com.microsoft::QLinearGlobalAveragePool, channels last',
    shape: [2, 2, 2, 3],
    integer: onX('GlobalAveragePool', { channels_last: 1 }),
    float: [node('ReduceMean', ['x'], 'y', { axes: [1, 2] })],
  },
  {
    name: 'com.microsoft::QLinearConcat',
    shape: [2, 3],
    integer: [
      node('Reshape', ['bq', 'row'], 'br'),
      node(`${wide}QLinearConcat`, ['sy', 'zy', 'xq', 'sx', 'zx', 'br', 'sb', 'zb', 'xq', 'sx', 'zx'], 'yq', {
        axis: 0,
      }),
    ],
    float: [node('Reshape', ['b', 'row'], 'br'), node('Concat', ['x', 'br', 'x'], 'y', { axis: 0 })],
    constants: [...second, tensorOf('row', DType.INT64, [2], [1, 3])],
  },
  {
    name: 'com.microsoft::QLinearWhere',
    shape: [2, 3],
    integer: [node(`${wide}QLinearWhere`, ['mask', 'xq', 'sx', 'zx', 'bq', 'sb', 'zb', 'sy', 'zy'], 'yq')],
    float: [node('Where', ['mask', 'x', 'b'], 'y')],
    constants: [...second, tensorOf('mask', DType.BOOL, [2, 1], [1, 0])],
  },
  {
    name: 'com.microsoft::MatMulIntegerToFloat',
    shape: [2, 3, 4],
    integer: [node(`${wide}MatMulIntegerToFloat`, ['xq', 'w', 'sx', 'sw', 'zx', 'zw', 'bias'], 'y')],
    float: [node('MatMul', ['x', 'fw'], 'p'), node('Add', ['p', 'bias'], 'y')],
    constants: product,
    bare: 'y',
  },
  {
    name: 'com.microsoft::MatMulInteger16',
    shape: [2, 2],
    integer: [
      node(`${wide}QuantizeLinear`, ['x', 'sx', 'z16'], 'q'),
      node(`${wide}MatMulInteger16`, ['q', 'w16'], 'p'),
      node('Cast', ['p'], 'f', { to: DType.FLOAT }),
      node('Mul', ['f', 'sx'], 'y'),
    ],
    float: [node('MatMul', ['x', 'f16'], 'y')],
    constants: [
      tensorOf('z16', DType.INT16, [], [0]),
      tensorOf('w16', DType.INT16, [2, 3], [1, -200, 3, 4, 500, 6]),
      floats('f16', [2, 3], [1, -200, 3, 4, 500, 6]),
    ],
    bare: 'both',
  },
  {
    name: 'com.microsoft::DynamicQuantizeMatMul',
    shape: [2, 3, 4],
    integer: [node(`${wide}DynamicQuantizeMatMul`, ['x', 'w', 'sw', 'zw', 'bias'], 'y')],
    float: [node('MatMul', ['x', 'fw'], 'p'), node('Add', ['p', 'bias'], 'y')],
    constants: product,
    bare: 'both',
    noise: 0.2,
  },
];

function signedLeft(): NodeProto {
  return node('Identity', ['l'], 'left');
}

const domains = ['com.microsoft'];

describe.each(cases)(
  '$name',
  ({ shape, integer, float, constants = [], multiples = 50, bare, noise = 0 }) => {
    const quantizes = bare !== 'x' && bare !== 'both';
    const made = {
      inputs: { x: shape },
      outputs: { y: undefined },
      initializers: [...shared, ...constants],
      domains,
    };
    const read = quantizes ? [node('QuantizeLinear', ['x', 'sx', 'zx'], 'xq')] : [];
    const written = bare === undefined ? [node('DequantizeLinear', ['yq', 'sy', 'zy'], 'y')] : [];
    const quantized = modelFrom(Object.assign({ nodes: [...read, ...integer, ...written] }, made));
    const plain = modelFrom(Object.assign({ nodes: float }, made));
    const x = numbers(count(shape), multiples, 3).map((k) => 0.05 * k);
    const feeds = { x: tensor(shape, x) };
    const options = { loss: linear, wrt: ['x'], keep: ['y'] };

    test('is within half a step of the op of real numbers, and has its gradient', async () => {
      const got = await runOnce(differentiate(quantized, options), feeds);
      const wanted = await runOnce(differentiate(plain, options), feeds);
      expect(got['y']).toEqual((await runOnce(quantized, feeds))['y']);
      expect(apart(got['y'], wanted['y'])).toBeLessThan(0.0201 + noise);
      expect(apart(got['grad_of/x'], wanted['grad_of/x'])).toBeLessThan(1e-4);
      expect(Math.max(...got['grad_of/x'].map(Math.abs))).toBeGreaterThan(1e-3);
    });

    test('is the same in float64, to a step', async () => {
      const single = await runOnce(differentiate(quantized, options), feeds);
      const double = await runOnce(
        differentiate(quantized, Object.assign({ precision: 'float64' } as const, options)),
        {
          x: new ort.Tensor('float64', x, shape),
        },
      );
      expect(apart(double['y'], single['y'])).toBeLessThan(0.0401);
      expect(apart(double['grad_of/x'], single['grad_of/x'])).toBeLessThan(1e-4);
    });
  },
);

describe('QAttention', () => {
  const [heads, size] = [2, 4];
  const weight = numbers(size * 3 * size, 60);
  const columns = Array.from({ length: 3 * size }, (_, i) => 0.01 + 0.001 * i);
  const model = (quantized: boolean) =>
    modelFrom({
      inputs: { x: [1, 3, size] },
      outputs: { y: undefined },
      domains,
      initializers: [
        ...shared,
        signed('w', [size, 3 * size], weight),
        floats('sw', [3 * size], columns),
        signed(
          'zw',
          [3 * size],
          columns.map(() => 0),
        ),
        floats(
          'fw',
          [size, 3 * size],
          weight.map((w, i) => w * columns[i % (3 * size)]),
        ),
        floats('b', [3 * size], direction(3 * size, 4)),
      ],
      nodes: quantized
        ? [
            node('QuantizeLinear', ['x', 'sx', 'zx'], 'xq'),
            node(`${wide}QAttention`, ['xq', 'w', 'b', 'sx', 'sw', '', 'zx', 'zw'], 'y', {
              num_heads: heads,
            }),
          ]
        : [node(`${wide}Attention`, ['x', 'fw', 'b'], 'y', { num_heads: heads })],
    });

  test('has the value and the gradient of attention of real numbers', async () => {
    const x = numbers(3 * size, 30, 2).map((v) => 0.05 * v);
    const feeds = { x: tensor([1, 3, size], x), b: tensor([3 * size], direction(3 * size, 4)) };
    const options = { loss: linear, wrt: ['x', 'b'], keep: ['y'] };
    const got = await runOnce(differentiate(model(true), options), feeds);
    const wanted = await runOnce(differentiate(model(false), options), feeds);
    for (const name of ['y', 'grad_of/x', 'grad_of/b'])
      expect(apart(got[name], wanted[name])).toBeLessThan(1e-4);
  });
});

describe('DynamicQuantizeLSTM', () => {
  const [features, hidden] = [3, 2];
  const w = numbers(features * 4 * hidden, 100);
  const r = numbers(hidden * 4 * hidden, 100, 9);
  const transposed = (v: readonly number[], rows: number, scale: number) =>
    Array.from({ length: 4 * hidden }, (_, j) =>
      Array.from({ length: rows }, (_, i) => scale * v[i * 4 * hidden + j]),
    ).flat();
  const model = (quantized: boolean) =>
    modelFrom({
      inputs: { x: [4, 2, features] },
      outputs: { y: undefined },
      domains,
      initializers: [
        signed('w', [1, features, 4 * hidden], w),
        signed('r', [1, hidden, 4 * hidden], r),
        floats('sw', [1], [0.01]),
        floats('sr', [1], [0.012]),
        signed('zero', [1], [0]),
        floats('b', [1, 8 * hidden], direction(8 * hidden, 6)),
        floats('fw', [1, 4 * hidden, features], transposed(w, features, 0.01)),
        floats('fr', [1, 4 * hidden, hidden], transposed(r, hidden, 0.012)),
      ],
      nodes: quantized
        ? [
            node(
              `${wide}DynamicQuantizeLSTM`,
              ['x', 'w', 'r', 'b', '', '', '', '', 'sw', 'zero', 'sr', 'zero'],
              'y',
              { hidden_size: hidden },
            ),
          ]
        : [node('LSTM', ['x', 'fw', 'fr', 'b'], 'y', { hidden_size: hidden })],
    });

  test('has the gradient of the LSTM of real numbers', async () => {
    const biases = tensor([1, 8 * hidden], direction(8 * hidden, 6));
    const feeds = { x: tensor([4, 2, features], direction(24, 8)), b: biases };
    const options = { loss: linear, wrt: ['x', 'b'], keep: ['y'] };
    const got = await runOnce(differentiate(model(true), options), feeds);
    const wanted = await runOnce(differentiate(model(false), options), feeds);
    expect(apart(got['y'], wanted['y'])).toBeLessThan(0.02);
    // The kernel's own outputs, rounded on the way, are the states at which the gates are computed again.
    for (const name of ['grad_of/x', 'grad_of/b']) expect(apart(got[name], wanted[name])).toBeLessThan(0.02);
  });
});

test('beyond the range of the integers, an element has no gradient', async () => {
  const bytes = modelFrom({
    inputs: { x: [3] },
    outputs: { y: undefined },
    domains,
    initializers: shared,
    nodes: [
      node('QuantizeLinear', ['x', 'sx', 'zx'], 'xq'),
      node(`${wide}QLinearAdd`, ['xq', 'sx', 'zx', 'xq', 'sx', 'zx', 'sy', 'zy'], 'yq'),
      node('DequantizeLinear', ['yq', 'sy', 'zy'], 'y'),
    ],
  });
  const options: { loss: LossFunction; wrt: string[] } = {
    loss: (g, { outputs: [y] }) => g.sumOfAll(y),
    wrt: ['x'],
  };
  const found = await runOnce(differentiate(bytes, options), { x: tensor([3], [1, 4, -3]) });
  expect(found['grad_of/x'].map((v) => Math.round(1e4 * v) / 1e4)).toEqual([2, 0, 0]);
});

test('scales have the gradients of the op of real numbers', async () => {
  const node4 = ['xq', 'sx', 'zx', 'w', 'sw', 'zw', 'sy', 'zy'];
  const inputs = { x: [2, 4], sw: [3] };
  const made = {
    inputs,
    outputs: { y: undefined },
    initializers: [...shared, ...product.filter(({ name }) => name !== 'sw' && name !== 'fw')],
  };
  const quantized = modelFrom(
    Object.assign(
      {
        nodes: [
          node('QuantizeLinear', ['x', 'sx', 'zx'], 'xq'),
          node('QLinearMatMul', node4, 'yq'),
          node('DequantizeLinear', ['yq', 'sy', 'zy'], 'y'),
        ],
      },
      made,
    ),
  );
  const plain = modelFrom(
    Object.assign(
      {
        nodes: [
          node('DequantizeLinear', ['w', 'sw', 'zw'], 'fw', { axis: 1 }),
          node('MatMul', ['x', 'fw'], 'y'),
        ],
      },
      made,
    ),
  );
  const feeds = {
    x: tensor(
      [2, 4],
      numbers(8, 14, 3).map((k) => 0.05 * k),
    ),
    sw: tensor([3], columns),
  };
  const options = { loss: linear, wrt: ['sw'] };
  const [got, wanted] = [
    await runOnce(differentiate(quantized, options), feeds),
    await runOnce(differentiate(plain, options), feeds),
  ];
  expect(apart(got['grad_of/sw'], wanted['grad_of/sw'])).toBeLessThan(1e-3);
});
