import type { NodeProto } from 'onnx-buf';
import { describe, expect, test } from 'vitest';
import type { AttributeValues } from '../../../src/adapters/onnx/ir/attributes.ts';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { check, count, oneOp, type Form } from './forms.ts';
import { direction } from './harness.ts';
import { integers, node } from './written.ts';

const wide = 'com.microsoft::';
const small = (name: string, values: readonly number[], shape = [values.length]) =>
  tensorOf(name, DType.INT32, shape, values);

/** A node, and nodes that join the elements of all its outputs in `y`. */
const allOutputs = (op: string, inputs: readonly string[], outputs: number, attributes: AttributeValues) => {
  const names = Array.from({ length: outputs }, (_, k) => `out_${k}`);
  return [
    node(wide + op, inputs, names, attributes),
    ...names.map((name) => node('Reshape', [name, 'flat'], `${name}_flat`)),
    node(
      'Concat',
      names.map((name) => `${name}_flat`),
      'y',
      { axis: 0 },
    ),
  ];
};
const flat = integers('flat', [-1]);

describe('mixtures of experts', () => {
  const layers = { x: [4, 2], scores: [4, 3], w1: [3, 8, 2], b1: [3, 8], w2: [3, 2, 4], b2: [3, 2] };
  test.each([
    {},
    { activation_alpha: 1.702, activation_beta: 1 },
    { activation_alpha: 1.702, activation_beta: 1, swiglu_limit: 0.4 },
  ])('MoE with SwiGLU, %j', async (attributes) => {
    const gated = { k: 2, activation_type: 'swiglu', swiglu_fusion: 1, ...attributes };
    const nodes = [node(`${wide}MoE`, Object.keys(layers), 'y', gated)];
    await expect(check({ name: 'MoE', inputs: layers, nodes })).resolves.toBeUndefined();
  });

  const bytes = (name: string, shape: readonly number[], seed: number) =>
    tensorOf(
      name,
      DType.UINT8,
      shape,
      direction(count(shape), seed).map((v) => Math.round(128 + 90 * v)),
    );
  const positive = (shape: readonly number[], seed: number) =>
    direction(count(shape), seed).map((v) => 0.02 * Math.abs(v));

  /** A QMoE of three experts on 16 numbers, of which each row takes two. */
  const quantized = (
    attributes: AttributeValues,
    { rows = 4, scales = [] as number[], zeros = [] as readonly string[], bits = 8 } = {},
  ): Form => ({
    name: 'QMoE',
    inputs: { x: [3, 16], scores: [3, 3], s1: [3, rows, ...scales], s2: [3, 16, ...scales] },
    values: { s1: positive([3, rows, ...scales], 1), s2: positive([3, 16, ...scales], 2) },
    constants: [
      bytes('q1', [3, rows, 2 * bits], 5),
      bytes('q2', [3, 16, bits / 2], 6),
      bytes('z1', [3, (rows * bits) / 8], 7),
      bytes('z2', [3, 2 * bits], 8),
    ],
    nodes: [
      node(
        `${wide}QMoE`,
        ['x', 'scores', 'q1', 's1', '', 'q2', 's2', ...(zeros.length > 0 ? ['', '', '', '', ...zeros] : [])],
        'y',
        { k: 2, expert_weight_bits: bits, ...attributes },
      ),
    ],
  });

  test.each<[string, Form]>([
    ['normalizes the shares of the chosen experts', quantized({ activation_type: 'silu' })],
    ['with SwiGLU', quantized({ activation_type: 'swiglu', swiglu_fusion: 1 }, { rows: 8 })],
    ['with zero points', quantized({ activation_type: 'relu' }, { zeros: ['z1', 'z2'] })],
  ])('QMoE %s', async (_, form) => {
    await expect(check(form)).resolves.toBeUndefined();
  });

  test.each([{ zeros: ['z1', 'z2'] }, { zeros: ['z1'] }, { zeros: ['', 'z2'] }])(
    'QMoE of 4 bits with the zero points $zeros is refused',
    async ({ zeros }) => {
      await expect(check(quantized({ activation_type: 'relu' }, { zeros, bits: 4 }))).rejects.toThrow(
        'zero points have a rule only for 8 bits',
      );
    },
  );

  test('QMoE with scales of blocks', async () => {
    const inputs = { x: [3, 32], scores: [3, 3], s1: [3, 32, 2], s2: [3, 32, 2] };
    const values = { s1: positive([3, 32, 2], 1), s2: positive([3, 32, 2], 2) };
    const constants = [bytes('q1', [3, 32, 32], 5), bytes('q2', [3, 32, 32], 6)];
    const attributes = { k: 2, expert_weight_bits: 8, block_size: 16, activation_type: 'silu' };
    const nodes = [node(`${wide}QMoE`, ['x', 'scores', 'q1', 's1', '', 'q2', 's2'], 'y', attributes)];
    await expect(check({ name: 'QMoE', inputs, values, constants, nodes })).resolves.toBeUndefined();
  });
});

describe('attention', () => {
  const packed = { x: [2, 3, 8], w: [8, 24], b: [24], past: [2, 2, 2, 2, 4] };
  test.each([0, 1])(
    'values agree with the kernel, gradients with differences: attention with past and present states, unidirectional: %i',
    async (unidirectional) => {
      const nodes = allOutputs('Attention', ['x', 'w', 'b', '', 'past'], 2, { num_heads: 2, unidirectional });
      await expect(
        check({ name: 'Attention', inputs: packed, constants: [flat], nodes }),
      ).resolves.toBeUndefined();
    },
  );

  test('values agree with the kernel, gradients with differences: attention of several heads, with biases and sizes that only run time tells', async () => {
    const inputs = { q: [2, 3, 8], k: [2, 5, 8], v: [2, 5, 4], b: [20] };
    const nodes = [node(`${wide}MultiHeadAttention`, ['q', 'k', 'v', 'b'], 'y', { num_heads: 2 })];
    await expect(check({ name: 'MultiHeadAttention', inputs, nodes, open: true })).resolves.toBeUndefined();
  });

  test('values agree with the kernel, gradients with differences: attention with past states of sizes that only run time tells', async () => {
    const nodes = allOutputs('Attention', ['x', 'w', 'b', '', 'past'], 2, { num_heads: 2 });
    await expect(
      check({ name: 'Attention', inputs: packed, constants: [flat], nodes, open: true }),
    ).resolves.toBeUndefined();
  });

  test('values agree with the kernel, gradients with differences: attention with present states alone', async () => {
    const nodes = allOutputs('Attention', ['x', 'w', 'b'], 2, { num_heads: 2 });
    const { past: _, ...inputs } = packed;
    await expect(check({ name: 'Attention', inputs, constants: [flat], nodes })).resolves.toBeUndefined();
  });

  test('values agree with the kernel, gradients with differences: attention with a mask of ends and starts', async () => {
    const { past: _, ...inputs } = packed;
    const constants = [small('mask', [3, 2, 0, 1])];
    const nodes = [node(`${wide}Attention`, ['x', 'w', 'b', 'mask'], 'y', { num_heads: 2 })];
    await expect(check({ name: 'Attention', inputs, constants, nodes })).resolves.toBeUndefined();
  });

  const states = { q: [2, 3, 8], k: [2, 3, 8], v: [2, 3, 8], pk: [2, 2, 2, 4], pv: [2, 2, 2, 4] };
  const withPast = ['q', 'k', 'v', '', '', '', 'pk', 'pv'];

  test('values agree with the kernel, gradients with differences: attention of several heads, unidirectional after the past', async () => {
    const nodes = allOutputs('MultiHeadAttention', withPast, 3, { num_heads: 2, unidirectional: 1 });
    await expect(
      check({ name: 'MultiHeadAttention', inputs: states, constants: [flat], nodes }),
    ).resolves.toBeUndefined();
  });

  test('values agree with the kernel, gradients with differences: attention of several heads, without the past if present states are no outputs', async () => {
    const nodes = [node(`${wide}MultiHeadAttention`, withPast, 'y', { num_heads: 2 })];
    await expect(
      check({ name: 'MultiHeadAttention', inputs: states, nodes, wrt: ['q', 'k', 'v'] }),
    ).resolves.toBeUndefined();
  });

  test('values agree with the kernel, gradients with differences: attention of several heads, to keys and values that are heads already', async () => {
    const inputs = { q: [2, 3, 8], k: [2, 2, 5, 4], v: [2, 2, 5, 4] };
    const nodes = [node(`${wide}MultiHeadAttention`, ['q', 'k', 'v'], 'y', { num_heads: 2 })];
    await expect(check({ name: 'MultiHeadAttention', inputs, nodes })).resolves.toBeUndefined();
  });

  const shared = { q: [1, 3, 16], k: [1, 3, 8], v: [1, 3, 8] };
  const lengths = [small('last', [2]), small('total', [3], [])];
  const groups = ['q', 'k', 'v', '', '', 'last', 'total'];
  const grouped = (inputs: readonly string[], attributes: AttributeValues): NodeProto =>
    node(`${wide}GroupQueryAttention`, inputs, ['y', 'keys', 'values'], {
      num_heads: 2,
      kv_num_heads: 1,
      ...attributes,
    });

  test('values agree with the kernel, gradients with differences: attention of groups, with a key that counts for nothing', async () => {
    const nodes = [grouped(groups, { smooth_softmax: 1 })];
    await expect(
      check({ name: 'smooth', inputs: shared, constants: lengths, nodes }),
    ).resolves.toBeUndefined();
  });

  test('values agree with the kernel, gradients with differences: attention of groups that lie side by side, of sizes that only run time tells', async () => {
    const nodes = [grouped(['qkv', ...groups.slice(1).map((name) => (name.length > 1 ? name : ''))], {})];
    await expect(
      check({ name: 'packed', inputs: { qkv: [1, 3, 32] }, constants: lengths, nodes, open: true }),
    ).resolves.toBeUndefined();
  });

  test('values agree with the kernel, gradients with differences: attention of groups, with a sink for each head', async () => {
    const nodes = [grouped([...groups, '', '', '', '', 'sink'], {})];
    const inputs = { ...shared, sink: [2] };
    await expect(check({ name: 'sink', inputs, constants: lengths, nodes })).resolves.toBeUndefined();
  });
});

describe("ONNX Runtime's own", () => {
  const crop = (mode: string, size: readonly number[]): Form => ({
    name: `CropAndResize, ${mode}, ${size.join('×')}`,
    inputs: { x: [2, 3, 6, 7], boxes: [3, 4] },
    values: { boxes: [0.11, 0.23, 0.71, 0.93, 0.31, 0.17, 0.87, 0.63, -0.21, 0.19, 0.77, 1.13] },
    constants: [small('batch', [0, 1, 1]), small('size', size)],
    nodes: [
      node(`${wide}CropAndResize`, ['x', 'boxes', 'batch', 'size'], 'y', { mode, extrapolation_value: 0.5 }),
    ],
    wrt: mode === 'nearest' ? ['x'] : ['x', 'boxes'],
  });
  const forms: readonly Form[] = [
    crop('bilinear', [3, 4]),
    crop('nearest', [3, 4]),
    crop('bilinear', [1, 2]),
    {
      name: 'GatedRMSNorm',
      inputs: { x: [2, 3, 8], scale: [4], gate: [2, 3, 8] },
      nodes: [node(`${wide}GatedRMSNorm`, ['x', 'scale', 'gate'], 'y')],
    },
    {
      name: 'GatedAdd',
      inputs: { x: [2, 3, 4], other: [2, 3, 4], gate: [2, 3, 1] },
      nodes: [node(`${wide}GatedAdd`, ['x', 'other', 'gate'], 'y')],
    },
    {
      name: 'LinearAttentionGate',
      inputs: { a: [2, 3, 4], bias: [4], scale: [4], b: [2, 3, 4] },
      constants: [flat],
      nodes: allOutputs('LinearAttentionGate', ['a', 'bias', 'scale', 'b'], 2, {}),
    },
    oneOp(`${wide}UnfoldTensor`, [2, 6, 4], { dim: 1, size: 3, step: 2 }),
    oneOp(`${wide}SampleOp`, [2, 3]),
    { name: 'Unique', inputs: { x: [5] }, nodes: [node(`${wide}Unique`, ['x'], ['y', 'places', 'counts'])] },
    {
      name: 'SkipLayerNormalization with its statistics',
      inputs: { x: [2, 3, 4], skip: [2, 3, 4], gamma: [4], beta: [4] },
      constants: [flat],
      nodes: allOutputs('SkipLayerNormalization', ['x', 'skip', 'gamma', 'beta'], 4, { epsilon: 1e-5 }),
    },
    {
      name: 'ConvTransposeWithDynamicPads',
      inputs: { x: [1, 2, 3, 4], w: [2, 2, 3, 3], b: [2] },
      constants: [integers('pads', [1, 0, 2, 1])],
      nodes: [
        node(`${wide}ConvTransposeWithDynamicPads`, ['x', 'w', 'pads', 'b'], 'y', {
          strides: [2, 1],
          kernel_shape: [3, 3],
        }),
      ],
    },
  ];
  test.each(forms.map((form) => [form.name, form] as const))(
    "values of ONNX Runtime's own ops agree with the kernels, gradients with differences: %s",
    async (_, form) => {
      await expect(check(form)).resolves.toBeUndefined();
    },
  );
});
