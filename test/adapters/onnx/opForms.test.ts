import type { NodeProto } from 'onnx-buf';
import { differentiate, type LossFunction } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import type { AttributeValues } from '../../../src/adapters/onnx/ir/attributes.ts';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { apart, check, oneOp, squares, withFloats, type Form } from './forms.ts';
import { direction } from './harness.ts';
import { body, integers, modelFrom, node, runOnce, tensor } from './written.ts';

const wide = 'com.microsoft::';

const dilated = ['MaxPool', 'AveragePool', 'LpPool'].flatMap((op) =>
  ['SAME_UPPER', 'SAME_LOWER'].flatMap((auto_pad) =>
    [
      [2, 1, 2],
      [2, 2, 3],
      [3, 2, 2],
    ].map(([dilation, stride, kernel]): Form => {
      const attributes = {
        auto_pad,
        kernel_shape: [kernel, 2],
        strides: [stride, 1],
        dilations: [dilation, 1],
      };
      return oneOp(op, [1, 2, 9, 5], attributes, {
        name: `${op} ${auto_pad}, dilation ${dilation}, stride ${stride}, kernel ${kernel}`,
        opset: 19,
      });
    }),
  ),
);

const matrices: readonly Form[] = [
  oneOp('Det', [3, 3]),
  oneOp('Det', [1, 1], {}, { name: 'Det of one row' }),
  oneOp('Det', [2, 3, 4, 4], {}, { name: 'Det of a batch' }),
  oneOp('Det', [2, 3, 3], {}, { name: 'Det of open sizes', open: true }),
  oneOp(
    'Det',
    [3, 3],
    {},
    { name: 'Det of a singular matrix', values: { x: [1, 2, 3, 2, 4, 6, 0.5, -1, 1] } },
  ),
  oneOp(
    'Det',
    [5, 5],
    {},
    {
      name: 'Det that needs rows exchanged',
      values: { x: [0, 1, 2, 0, 0, 1, 0, 0, 3, 0, 0, 0, 0, 1, 2, 0, 2, 0, 0, 1, 1, 0, 0, 0, 1] },
    },
  ),
];

const vectors = [1, 2, 0.5, 0.1, -0.3, 0.4];
const machine = (
  kernel_type: string,
  op: string,
  lists: Record<string, readonly number[]>,
  more: AttributeValues = {},
): NodeProto =>
  withFloats(
    node(
      `ai.onnx.ml::${op}`,
      ['x'],
      op === 'SVMRegressor' ? 'y' : ['label', 'y'],
      Object.assign({ kernel_type }, more),
    ),
    Object.assign({ kernel_params: [0.5, 0.25, 2], support_vectors: vectors }, lists),
  );
const machines: readonly Form[] = [
  ...['LINEAR', 'RBF', 'POLY', 'SIGMOID'].map((kind) =>
    oneOp(
      'SVMRegressor',
      [3, 2],
      {},
      {
        name: `SVMRegressor ${kind}`,
        nodes: [machine(kind, 'SVMRegressor', { coefficients: [1, 2, -0.5], rho: [0.3] }, { n_supports: 3 })],
      },
    ),
  ),
  oneOp(
    'SVMRegressor',
    [3, 2],
    {},
    {
      name: 'SVMRegressor without support vectors',
      nodes: [machine('LINEAR', 'SVMRegressor', { coefficients: [1, 2], rho: [0.3], support_vectors: [] })],
    },
  ),
  ...[
    { name: 'two classes', coefficients: [1, 2, -0.5], rho: [0.3], vectors_per_class: [2, 1] },
    {
      name: 'three classes',
      coefficients: [1, 2, -0.5, 0.3, 0.7, -0.2],
      rho: [0.3, 0.1, 0.2],
      vectors_per_class: [1, 1, 1],
    },
    {
      name: 'two classes with probabilities',
      coefficients: [1, 2, -0.5],
      rho: [0.3],
      vectors_per_class: [2, 1],
      chances: { prob_a: [-1.2], prob_b: [0.2] },
    },
    {
      name: 'three classes with probabilities',
      coefficients: [1, 2, -0.5, 0.3, 0.7, -0.2],
      rho: [0.3, 0.1, 0.2],
      vectors_per_class: [1, 1, 1],
      chances: { prob_a: [-1.2, -0.7, -2], prob_b: [0.2, -0.1, 0.4] },
    },
  ].map(({ name, coefficients, rho, vectors_per_class, chances = {} }) =>
    oneOp(
      'SVMClassifier',
      [3, 2],
      {},
      {
        name: `SVMClassifier of ${name}`,
        nodes: [
          machine(
            'RBF',
            'SVMClassifier',
            { coefficients, rho, ...chances },
            { vectors_per_class, classlabels_ints: vectors_per_class.map((_, i) => i) },
          ),
        ],
      },
    ),
  ),
  oneOp(
    'SVMClassifier',
    [3, 2],
    {},
    {
      name: 'SVMClassifier without support vectors',
      nodes: [
        machine(
          'LINEAR',
          'SVMClassifier',
          { coefficients: [1, 2, -0.5, 0.3, 0.7, -0.2], rho: [0.3, 0.1, 0.2], support_vectors: [] },
          { classlabels_ints: [0, 1, 2] },
        ),
      ],
    },
  ),
];

const expert = { x: [3, 2], scores: [3, 3], w1: [3, 4, 2], b1: [3, 4], w2: [3, 2, 4], b2: [3, 2] };
const expertInputs = ['x', 'scores', 'w1', 'b1', 'w2', 'b2'];
const packed = (length: number) => direction(length, 5).map((v) => Math.round(128 + 90 * v));
const mixtures: readonly Form[] = [
  ...[
    { k: 1, activation_type: 'relu' },
    { k: 2, activation_type: 'gelu' },
    { k: 2, activation_type: 'silu', normalize_routing_weights: 1 },
    { k: 1, activation_type: 'identity' },
  ].map((attributes): Form => ({
    name: `MoE ${JSON.stringify(attributes)}`,
    inputs: expert,
    nodes: [node(`${wide}MoE`, expertInputs, 'y', attributes)],
  })),
  ...[8, 4].map((bits): Form => ({
    name: `QMoE of ${bits} bits`,
    inputs: { x: [3, 8], scores: [3, 2], s1: [2, 4], s2: [2, 8] },
    values: {
      s1: direction(8, 1).map((v) => 0.02 * Math.abs(v)),
      s2: direction(16, 2).map((v) => 0.02 * Math.abs(v)),
    },
    constants: [
      tensorOf('q1', DType.UINT8, [2, 4, bits], packed(2 * 4 * bits)),
      tensorOf('q2', DType.UINT8, [2, 8, bits / 2], packed(2 * 8 * (bits / 2))),
    ],
    nodes: [
      node(`${wide}QMoE`, ['x', 'scores', 'q1', 's1', '', 'q2', 's2'], 'y', {
        k: 2,
        activation_type: 'relu',
        expert_weight_bits: bits,
      }),
    ],
  })),
];

const own: readonly Form[] = [
  oneOp(`${wide}Inverse`, [2, 3, 3]),
  ...[0, 1].map((quant_type): Form => ({
    name: `MatMulBnb4, type ${quant_type}`,
    inputs: { x: [3, 16], s: [2] },
    values: { s: [0.5, 1.5] },
    constants: [tensorOf('b', DType.UINT8, [16], packed(16))],
    nodes: [node(`${wide}MatMulBnb4`, ['x', 'b', 's'], 'y', { K: 16, N: 2, block_size: 16, quant_type })],
  })),
  {
    name: 'Pad',
    inputs: { x: [2, 2] },
    constants: [integers('p', [0, 1, 0, 2])],
    nodes: [node(`${wide}Pad`, ['x', 'p'], 'y', { mode: 'constant' })],
  },
  {
    name: 'GridSample',
    inputs: { x: [1, 1, 3, 3], grid: [1, 1, 2, 2] },
    values: { grid: [0.1, 0.2, -0.5, 0.3] },
    nodes: [node(`${wide}GridSample`, ['x', 'grid'], 'y', { mode: 'bilinear' })],
  },
  {
    name: 'CausalConvWithState',
    inputs: { x: [1, 2, 4], w: [2, 1, 3], b: [2] },
    nodes: [node(`${wide}CausalConvWithState`, ['x', 'w', 'b'], ['y', 'state'], { activation: 'silu' })],
  },
  {
    name: 'LinearAttention',
    inputs: { q: [1, 4, 4], k: [1, 4, 4], v: [1, 4, 4] },
    nodes: [
      node(`${wide}LinearAttention`, ['q', 'k', 'v'], ['y', 'state'], {
        q_num_heads: 2,
        kv_num_heads: 2,
        update_rule: 'linear',
      }),
    ],
  },
];

const others: readonly Form[] = [
  {
    name: 'Range',
    inputs: { x: [1], z: [1] },
    values: { x: [0.3], z: [0.7] },
    constants: [integers('none', [0]), tensorOf('limit', DType.FLOAT, [], [3])],
    nodes: [
      node('Squeeze', ['x'], 'start'),
      node('Squeeze', ['z'], 'delta'),
      node(`${wide}Range`, ['start', 'limit', 'delta'], 'y'),
    ],
  },
];

const signals: readonly Form[] = [
  ...[3, 4].map((bins) =>
    oneOp(
      'DFT',
      [2, bins, 2],
      { inverse: 1, onesided: 1, axis: 1 },
      { name: `DFT back from ${bins} frequencies` },
    ),
  ),
  ...[6, 7, 9].map((length): Form => ({
    name: `DFT of 4 frequencies back to ${length} samples`,
    inputs: { x: [2, 4, 2] },
    constants: [integers('n', [length], [])],
    nodes: [node('DFT', ['x', 'n'], 'y', { inverse: 1, onesided: 1, axis: 1 })],
  })),
  {
    name: 'DFT of opset 20 without a length',
    inputs: { x: [2, 3, 1] },
    constants: [integers('a', [-2], [])],
    nodes: [node('DFT', ['x', '', 'a'], 'y', { onesided: 1 })],
    opset: 20,
  },
  {
    name: 'STFT of open sizes',
    inputs: { x: [1, 12, 1], w: [4] },
    constants: [integers('step', [3], [])],
    nodes: [node('STFT', ['x', 'step', 'w'], 'y')],
    open: true,
  },
];

const images: readonly Form[] = [
  {
    name: 'AffineGrid of open sizes',
    inputs: { theta: [2, 2, 3] },
    constants: [integers('size', [2, 3, 2, 4])],
    nodes: [node('AffineGrid', ['theta', 'size'], 'y')],
    opset: 20,
    open: true,
  },
  ...[true, false].map((sized): Form => ({
    name: `DeformConv of open sizes, ${sized ? 'with' : 'without'} a bias and a mask`,
    inputs: {
      x: [1, 2, 4, 4],
      w: [4, 1, 2, 2],
      offset: [1, 8, 3, 3],
      ...(sized && { b: [4], mask: [1, 4, 3, 3] }),
    },
    values: { offset: direction(72, 9).map((v) => 0.37 * v) },
    nodes: [
      node('DeformConv', ['x', 'w', 'offset', ...(sized ? ['b', 'mask'] : [])], 'y', {
        kernel_shape: [2, 2],
        group: 2,
      }),
    ],
    opset: 19,
    open: true,
  })),
];

const scanned = (attributes: AttributeValues) =>
  Object.assign(
    node('Scan', ['h', 'x'], ['last', 'y'], Object.assign({ num_scan_inputs: 1 }, attributes)),
    {},
  );
/** h ← tanh(h + x), y = 2h */
const step = body('body', {
  inputs: { before: { dtype: DType.FLOAT, shape: [2] }, at: { dtype: DType.FLOAT, shape: [2] } },
  outputs: { after: [2], doubled: [2] },
  nodes: [
    node('Add', ['before', 'at'], 'sum'),
    node('Tanh', ['sum'], 'after'),
    node('Add', ['after', 'after'], 'doubled'),
  ],
});
const withBody = (made: NodeProto): NodeProto => {
  made.attribute.push(step);
  return made;
};
const scans: readonly Form[] = [
  {
    name: 'Scan along the second axis',
    inputs: { h: [2], x: [2, 3] },
    nodes: [withBody(scanned({ scan_input_axes: [1], scan_output_axes: [1], scan_input_directions: [1] }))],
  },
  {
    name: 'Scan along the last axis, written along the first',
    inputs: { h: [2], x: [2, 3] },
    nodes: [withBody(scanned({ scan_input_axes: [-1] }))],
  },
];

describe.each([
  ['pools with SAME and dilations', dilated],
  ['matrices', matrices],
  ['support vectors', machines],
  ['mixtures of experts', mixtures],
  ["ONNX Runtime's own", own],
  ['ranges', others],
  ['signals', signals],
  ['images', images],
  ['scans', scans],
] as const)('%s', (_, forms) => {
  test.each(forms.map((form) => [form.name, form] as const))(
    '%s has the values of the kernel and the gradient of differences',
    async (_name, form) => {
      await expect(check(form)).resolves.toBeUndefined();
    },
  );
});

test('a Scan of opset 8, with the batch first, has the gradient of one Scan for each sample', async () => {
  const made = (opset: number) =>
    modelFrom({
      inputs: opset === 8 ? { h: [2, 2], x: [2, 3, 2] } : { h: [2], x: [3, 2] },
      outputs: { y: undefined },
      nodes: [
        opset === 8
          ? withBody(node('Scan', ['', 'h', 'x'], ['last', 'y'], { num_scan_inputs: 1 }))
          : withBody(scanned({})),
      ],
      opset,
    });
  const loss: LossFunction = (g, { outputs: [y] }) => g.sumOfAll(g.square(y));
  const options = { loss, wrt: ['h', 'x'], keep: ['y'] };
  const [h, x] = [direction(4, 1), direction(12, 2)];
  const all = await runOnce(differentiate(made(8), options), {
    h: tensor([2, 2], h),
    x: tensor([2, 3, 2], x),
  });
  expect(all['y']).toEqual((await runOnce(made(8), { h: tensor([2, 2], h), x: tensor([2, 3, 2], x) }))['y']);
  for (const k of [0, 1]) {
    const [state, sequence] = [h.slice(2 * k, 2 * k + 2), x.slice(6 * k, 6 * k + 6)];
    const one = await runOnce(differentiate(made(11), options), {
      h: tensor([2], state),
      x: tensor([3, 2], sequence),
    });
    expect(apart(all['grad_of/h'].slice(2 * k, 2 * k + 2), one['grad_of/h'])).toBeLessThan(1e-6);
    expect(apart(all['grad_of/x'].slice(6 * k, 6 * k + 6), one['grad_of/x'])).toBeLessThan(1e-6);
  }
});

test('a spectrum that is longer than its signal is refused', () => {
  const bytes = modelFrom({
    inputs: { x: [2, 4, 2] },
    outputs: { y: undefined },
    initializers: [integers('n', [5], [])],
    nodes: [node('DFT', ['x', 'n'], 'y', { inverse: 1, onesided: 1, axis: 1 })],
  });
  expect(() => differentiate(bytes, { loss: squares, wrt: ['x'] })).toThrow('too short for 4 frequencies');
});

test('a determinant of more than 64 rows is refused', () => {
  const bytes = modelFrom({ inputs: { x: [65, 65] }, outputs: { y: [] }, nodes: [node('Det', ['x'], 'y')] });
  expect(() => differentiate(bytes, { loss: squares, wrt: ['x'] })).toThrow('the largest may have 64');
});

describe('a model with ops of ai.onnx.ml only', () => {
  const scaler = withFloats(node('ai.onnx.ml::Scaler', ['x'], 'y'), { offset: [1, 2], scale: [0.5, 3] });
  const bytes = modelFrom(
    { inputs: { x: [2, 2] }, outputs: { y: [2, 2] }, nodes: [scaler] },
    { irVersion: 3n, opsetImport: [{ domain: 'ai.onnx.ml', version: 1n }] },
  );

  test('needs no standard opset', async () => {
    const loss: LossFunction = (g, { outputs: [y] }) => g.sumOfAll(y);
    const found = await runOnce(differentiate(bytes, { loss, wrt: ['x'] }), {
      x: tensor([2, 2], [1, 2, 3, 4]),
    });
    expect(found['grad_of/x']).toEqual([0.5, 3, 0.5, 3]);
  });

  test('is refused if it has a standard op', () => {
    const standard = modelFrom(
      { inputs: { x: [2, 2] }, outputs: { y: [2, 2] }, nodes: [node('Relu', ['x'], 'y')] },
      { opsetImport: [{ domain: 'ai.onnx.ml', version: 1n }] },
    );
    expect(() => differentiate(standard, { loss: squares, wrt: ['x'] })).toThrow(
      'does not import the standard opset',
    );
  });
});
