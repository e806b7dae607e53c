import { create } from '@bufbuild/protobuf';
import { AttributeProto_AttributeType as Kind, AttributeProtoSchema } from 'onnx-buf';
import { Tensor } from 'onnxruntime-node';
import { differentiate, type DifferentiateOptions } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import type { Builder } from '../../../src/adapters/onnx/ir/builder.ts';
import { DType, tensorOf } from '../../../src/adapters/onnx/ir/tensor.ts';
import { check, real, whole } from './againstKernels.ts';
import { contributed } from './cases/expansions.ts';
import { checkGradients, feedsOf, modelOf, type Build, type Input } from './harness.ts';
import { floats, integers, modelFrom, node, runOnce, tensor } from './written.ts';
import { apart } from './forms.ts';

const total = { loss: (g, { outputs: [y] }) => g.sumOfAll(g.square(y)) } satisfies Pick<
  DifferentiateOptions,
  'loss'
>;

/** Computes a model's output in float64 by our forms, the loss being the sum of squares. */
async function outputOf(inputs: Readonly<Record<string, Input>>, build: Build, opset = 21) {
  const bytes = modelOf(inputs, build, { precision: 'float32', opset });
  const wrt = Object.keys(inputs).filter((name) => !inputs[name].integral);
  const graph = differentiate(bytes, { ...total, wrt, keep: ['y'], precision: 'float64' });
  return (await runOnce(graph, feedsOf(inputs, 'float64')))['y'];
}

describe('RoiAlign of other opsets', () => {
  const inputs = {
    x: real(1, 1, 2, 4, 4),
    regions: { shape: [2, 4], values: [0.3, 0.2, 2.9, 3.3, 1.1, 0.7, 2.3, 2.6] },
    batch: whole([2], [0, 0]),
  };
  const attributes = { sampling_ratio: 2, output_height: 2, output_width: 2 };
  const pooled =
    (more = {}): Build =>
    (g, { x, regions, batch }) =>
      g.op('RoiAlign', [x, regions, batch], { ...attributes, ...more });

  test('RoiAlign before opset 16 does not move regions by half a pixel', async () => {
    await expect(check(inputs, pooled(), 10)).resolves.toBeUndefined();
  });

  test('RoiAlign of opset 22 runs, although ONNX Runtime has no kernel for it', async () => {
    expect(apart(await outputOf(inputs, pooled(), 22), await outputOf(inputs, pooled(), 16))).toBeLessThan(
      1e-9,
    );
  });
});

describe('quantization in blocks', () => {
  const [size, block] = [5, 2];
  const scales = [0.1, 0.2, 0.3, 0.15, 0.25, 0.35];
  const x = [-40, -0.33, 0.24, 0.27, 1.1, 40, 0.5, -0.7, 0.05, 2.3];
  const scaleOf = (i: number) => scales[Math.floor(i / size) * 3 + Math.floor((i % size) / block)];
  const inputs = { x: { shape: [2, size], values: x }, s: { shape: [2, 3], values: scales } };
  const both: Build = (g, { x, s }) => {
    const zero = g.constant(DType.INT8, [2, 3], [0, 1, -2, 3, 0, 1]);
    const attributes = { axis: 1, block_size: block };
    const q = g.op('QuantizeLinear', [x, s, zero], attributes);
    return g.op('DequantizeLinear', [q, s, zero], attributes);
  };
  const zeros = [0, 1, -2, 3, 0, 1];
  const roundEven = (v: number) => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));
  const steps = x.map((v, i) => {
    const zero = zeros[Math.floor(i / size) * 3 + Math.floor((i % size) / block)];
    return Math.min(127, Math.max(-128, roundEven(v / scaleOf(i)) + zero)) - zero;
  });

  test('computes multiples of each scale', async () => {
    expect(
      apart(
        await outputOf(inputs, both),
        steps.map((step, i) => step * scaleOf(i)),
      ),
    ).toBeLessThan(1e-9);
  });

  test('has the gradients of learned step sizes', async () => {
    const bytes = modelOf(inputs, both, { precision: 'float32' });
    const graph = differentiate(bytes, { ...total, wrt: ['x', 's'], precision: 'float64' });
    const found = await runOnce(graph, feedsOf(inputs, 'float64'));
    const inside = x.map((v) => Math.abs(v) < 40);
    const dy = steps.map((step, i) => 2 * step * scaleOf(i));
    expect(
      apart(
        found['grad_of/x'],
        dy.map((d, i) => (inside[i] ? d : 0)),
      ),
    ).toBeLessThan(1e-9);
    // Esser et al.: rounded minus exact multiple, within the range; the bound itself outside.
    const ofScales = scales.map(() => 0);
    dy.forEach((d, i) => {
      const k = Math.floor(i / size) * 3 + Math.floor((i % size) / block);
      ofScales[k] += d * (inside[i] ? steps[i] - x[i] / scaleOf(i) : steps[i]);
    });
    expect(apart(found['grad_of/s'], ofScales)).toBeLessThan(1e-9);
  });

  test.each([0, 1])('the scales of constant integers along axis %i', async (axis) => {
    const blocks = axis === 0 ? [2, 4] : [3, 2];
    const build: Build = (g, { s }) => {
      const numbers = [1, -2, 3, 4, 5, -6, 7, 8, -9, 10, 11, -12];
      const q = g.cast(g.constant(DType.INT64, [3, 4], numbers), DType.INT8);
      return g.op('DequantizeLinear', [q, s], { axis, block_size: 2 });
    };
    await expect(check({ s: real(1, ...blocks) }, build, 21)).resolves.toBeUndefined();
  });

  test("ONNX Runtime's own ops have 16 bits", async () => {
    const bytes = modelFrom({
      inputs: { x: [3] },
      outputs: { y: [3] },
      initializers: [floats('s', [], [0.001]), tensorOf('z', DType.UINT16, [], [32_768])],
      nodes: [
        node('com.microsoft::QuantizeLinear', ['x', 's', 'z'], 'q'),
        node('com.microsoft::DequantizeLinear', ['q', 's', 'z'], 'd'),
        node('Mul', ['d', 'd'], 'y'),
      ],
      domains: ['com.microsoft'],
    });
    const graph = differentiate(bytes, {
      loss: (g, { outputs: [y] }) => g.sumOfAll(y),
      wrt: ['x'],
      keep: ['y'],
    });
    const found = await runOnce(graph, { x: tensor([3], [0.5004, -0.25, 40]) });
    expect(apart(found['grad_of/x'], [1, -0.5, 0])).toBeLessThan(1e-3);
    expect(apart(found['y'], [0.25, 0.0625, 32.767 ** 2])).toBeLessThan(1e-2);
  });
});

describe('integers between quantization and its inverse', () => {
  const between = (...nodes: ReturnType<typeof node>[]) =>
    modelFrom({
      inputs: { x: [1, 1, 2, 2] },
      outputs: { y: undefined },
      initializers: [
        floats('s', [], [0.1]),
        tensorOf('z', DType.INT8, [], [0]),
        integers('flat', [1, 4]),
        integers('other', [0, 1], [2]),
      ],
      nodes: [
        node('QuantizeLinear', ['x', 's', 'z'], 'q'),
        ...nodes,
        node('DequantizeLinear', ['p', 's', 'z'], 'y'),
      ],
    });

  test('pass the gradient on when only their shape changes', async () => {
    const bytes = between(
      node('Transpose', ['q'], 't', { perm: [0, 1, 3, 2] }),
      node('Reshape', ['t', 'flat'], 'p'),
    );
    const graph = differentiate(bytes, { ...total, wrt: ['x'] });
    const found = await runOnce(graph, { x: tensor([1, 1, 2, 2], [0.1, 0.2, 0.3, 40]) });
    expect(apart(found['grad_of/x'], [0.2, 0.4, 0.6, 0])).toBeLessThan(1e-5);
  });

  test('pass the gradient on to the largest of a window', async () => {
    const bytes = between(node('MaxPool', ['q'], 'p', { kernel_shape: [2, 2] }));
    const graph = differentiate(bytes, { ...total, wrt: ['x'] });
    const found = await runOnce(graph, { x: tensor([1, 1, 2, 2], [0.1, 0.2, 0.5, -40]) });
    expect(apart(found['grad_of/x'], [0, 0, 1, 0])).toBeLessThan(1e-5);
  });

  test('are refused in an op that computes with them', () => {
    const bytes = between(node('Mod', ['q', 'z'], 'p'));
    expect(() => differentiate(bytes, { ...total, wrt: ['x'] })).toThrow(/Mod "p": "p" is int8; gradients/);
  });
});

describe('sequences of tensors', () => {
  const cases: [string, Build][] = [
    [
      'a member of a list',
      (g, { x, z }) => g.op('SequenceAt', [g.op('SequenceConstruct', [x, z]), g.scalar(-1, 7)]),
    ],
    [
      'parts of one size',
      (g, { x }) =>
        g.op('SequenceAt', [g.op('SplitToSequence', [x, g.scalar(2, 7)], { axis: 1 }), g.scalar(1, 7)]),
    ],
    [
      'single parts',
      (g, { x }) =>
        g.op('SequenceAt', [g.op('SplitToSequence', [x], { axis: 1, keepdims: 0 }), g.scalar(2, 7)]),
    ],
    [
      'parts of given sizes',
      (g, { x }) =>
        g.op('SequenceAt', [g.op('SplitToSequence', [x, g.integers([1, 2])], { axis: 1 }), g.scalar(1, 7)]),
    ],
    [
      'a list joined',
      (g, { x, z }) => g.op('ConcatFromSequence', [g.op('SequenceConstruct', [x, z, x])], { axis: 1 }),
    ],
    [
      'a list stacked',
      (g, { x, z }) =>
        g.op('ConcatFromSequence', [g.op('SequenceConstruct', [x, z])], { axis: -1, new_axis: 1 }),
    ],
    [
      'a list that has been changed',
      (g, { x, z }) => {
        const list = g.op('SequenceInsert', [g.op('SequenceConstruct', [x, z]), g.square(x), g.scalar(0, 7)]);
        return g.op('ConcatFromSequence', [g.op('SequenceErase', [list, g.scalar(1, 7)])], { axis: 0 });
      },
    ],
  ];
  test.each(cases)('sequences of tensors: %s', async (_, build) => {
    await expect(check({ x: real(1, 2, 3), z: real(2, 2, 3) }, build, 21)).resolves.toBeUndefined();
  });

  // torch exports `unbind`, `split` and `chunk` so where a size is dynamic.
  test.each([
    ['a single part', {}, undefined, 1, (i: number) => i === 1],
    ['the last part', {}, undefined, -1, (i: number) => i === 4],
    ['the last part but one, with its axis', { keepdims: 1 }, undefined, -2, (i: number) => i === 3],
    ['a part of two', {}, 2, 1, (i: number) => i === 2 || i === 3],
    ['a shorter part at the end', {}, 2, 2, (i: number) => i === 4],
  ])('%s of an axis whose size is not known', async (_, more, step, position, isIn) => {
    const build: Build = (g, { x }) => {
      const list = g.op('SplitToSequence', step ? [x, g.scalar(step, 7)] : [x], { keepdims: 0, ...more });
      return g.op('SequenceAt', [list, g.scalar(position, 7)]);
    };
    const inputs = { x: real(1, 5, 2) };
    const graph = differentiate(modelOf(inputs, build, { dynamic: true }), { ...total, wrt: ['x'] });
    const { 'grad_of/x': gradient } = await runOnce(graph, feedsOf(inputs, 'float64'));
    const expected = inputs.x.values.map((x, k) => (isIn(Math.floor(k / 2)) ? 2 * x : 0));
    expect(apart(gradient, expected)).toBeLessThan(1e-12);
  });

  // ONNX Runtime fails to run SequenceAt there, too; an empty part would give a loss of 0.
  test.each([
    ['after the last', { keepdims: 1 }, undefined, 5],
    ['before the first', { keepdims: 1 }, undefined, -6],
    ['after the last, without its axis', {}, undefined, 5],
    ['of two after the last', {}, 2, 3],
  ])('a part %s of an axis whose size is not known fails to run', async (_, more, step, position) => {
    const build: Build = (g, { x }) => {
      const list = g.op('SplitToSequence', step ? [x, g.scalar(step, 7)] : [x], { keepdims: 0, ...more });
      return g.op('SequenceAt', [list, g.scalar(position, 7)]);
    };
    const inputs = { x: real(1, 5, 2) };
    const graph = differentiate(modelOf(inputs, build, { dynamic: true }), { ...total, wrt: ['x'] });
    await expect(runOnce(graph, feedsOf(inputs, 'float64'))).rejects.toThrow(/Non-zero status code/);
  });

  test('a member at a position that is fed is refused', () => {
    const build: Build = (g, { x, i }) =>
      g.op('SequenceAt', [g.op('SequenceConstruct', [x, x]), g.squeeze(i, [0])]);
    const bytes = modelOf({ x: real(1, 2), i: whole([1], [0]) }, build);
    expect(() => differentiate(bytes, { ...total, wrt: ['x'] })).toThrow(/SequenceAt/);
  });
});

describe('ai.onnx.ml', () => {
  const model = (...nodes: ReturnType<typeof node>[]) =>
    modelFrom({
      inputs: { x: [2, 3] },
      outputs: { y: undefined },
      initializers: [integers('columns', [2, 0])],
      nodes,
      domains: ['ai.onnx.ml'],
    });
  test.each([
    [
      'ArrayFeatureExtractor',
      model(node('ai.onnx.ml::ArrayFeatureExtractor', ['x', 'columns'], 'y')),
      [2, 0, 6, 8, 0, 12],
    ],
    [
      'FeatureVectorizer',
      model(node('ai.onnx.ml::FeatureVectorizer', ['x', 'x'], 'y', { inputdimensions: [3, 3] })),
      [4, 8, 12, 16, 20, 24],
    ],
  ])(
    'an op of ai.onnx.ml has the values of the file and the gradient worked out by hand: %s',
    async (_, bytes, wanted) => {
      const feeds = { x: tensor([2, 3], [1, 2, 3, 4, 5, 6]) };
      const graph = differentiate(bytes, { ...total, wrt: ['x'], keep: ['y'] });
      const [found, file] = [await runOnce(graph, feeds), await runOnce(bytes, feeds)];
      expect(apart(found['y'], file['y'])).toBeLessThan(1e-6);
      expect(apart(found['grad_of/x'], wanted)).toBeLessThan(1e-5);
    },
  );

  test('Imputer passes the gradient of what is not missing', async () => {
    const impute = node('ai.onnx.ml::Imputer', ['x'], 'y');
    const of = (name: string, fields: object) => create(AttributeProtoSchema, { name, ...fields });
    impute.attribute.push(
      of('imputed_value_floats', { type: Kind.FLOATS, floats: [0.5, 1.5, 2.5] }),
      of('replaced_value_float', { type: Kind.FLOAT, f: NaN }),
    );
    const bytes = model(impute);
    const feeds = { x: tensor([2, 3], [1, NaN, 3, NaN, 5, 6]) };
    const found = await runOnce(differentiate(bytes, { ...total, wrt: ['x'], keep: ['y'] }), feeds);
    expect(found['y']).toEqual((await runOnce(bytes, feeds))['y']);
    expect(found['grad_of/x']).toEqual([2, 0, 6, 0, 10, 12]);
  });

  test('Binarizer passes no gradient on', async () => {
    const g = (build: Build) => modelOf({ x: real(1, 2, 3) }, build, { precision: 'float32' });
    const ml = (b: Builder, op: string, x: string, attributes: object) => {
      const made = node(`ai.onnx.ml::${op}`, [x], b.fresh(op), attributes as Parameters<typeof node>[3]);
      b.append(made);
      return made.output[0];
    };
    const binary = g((b, { x }) => b.mul(x, ml(b, 'Binarizer', x, { threshold: 0.2 })));
    const feeds = { x: tensor([2, 3], [1, 0.1, 3, -4, 0.5, 6]) };
    const graph = differentiate(binary, { ...total, wrt: ['x'], keep: ['y'] });
    const found = await runOnce(graph, feeds);
    expect(apart(found['y'], [1, 0, 3, 0, 0.5, 6])).toBeLessThan(1e-6);
    expect(apart(found['grad_of/x'], [2, 0, 6, 0, 1, 12])).toBeLessThan(1e-5);
  });
});

describe("ONNX Runtime's own", () => {
  test('NhwcConv is a convolution of images with the channels last', async () => {
    const inputs = { x: real(1, 2, 4, 3, 2), w: real(2, 3, 2, 2, 2), b: real(3, 3), z: real(4, 2, 3, 2, 3) };
    const last: Build = (g, { x, w, b, z }) =>
      contributed(g, 'NhwcFusedConv', [x, w, b, z], { activation: 'Tanh' })[0];
    const first: Build = (g, { x, w, b, z }) => {
      const y = g.op('Conv', [g.transpose(x, [0, 3, 1, 2]), w, b]);
      return g.tanh(g.add(g.transpose(y, [0, 2, 3, 1]), z));
    };
    expect(apart(await outputOf(inputs, last), await outputOf(inputs, first))).toBeLessThan(1e-9);
    await expect(checkGradients(inputs, last)).resolves.toBeUndefined();
    const plain: Build = (g, { x, w, b }) => contributed(g, 'NhwcConv', [x, w, b])[0];
    const { z: _, ...others } = inputs;
    await expect(checkGradients(others, plain)).resolves.toBeUndefined();
  });

  test('BiasSoftmax and BiasAdd', async () => {
    const inputs = { x: real(1, 2, 3, 4), b: real(2, 2, 3, 4) };
    const softmax: Build = (g, { x, b }) => contributed(g, 'BiasSoftmax', [x, b], { axis: 1 })[0];
    const y = await outputOf(inputs, softmax);
    const powers = inputs.x.values.map((v, i) => Math.exp(v + inputs.b.values[i]));
    const sums = [0, 1].map((n) => powers.slice(12 * n, 12 * n + 12).reduce((a, b) => a + b, 0));
    expect(
      apart(
        y,
        powers.map((p, i) => p / sums[Math.floor(i / 12)]),
      ),
    ).toBeLessThan(1e-9);
    await expect(checkGradients(inputs, softmax)).resolves.toBeUndefined();
    const bias = { ...inputs, b: real(3, 4) };
    await expect(
      checkGradients(bias, (g, { x, b }) => contributed(g, 'BiasAdd', [x, b, x])[0]),
    ).resolves.toBeUndefined();
  });

  test.each<[string, Build]>([
    ['Trilu', (g, { x }) => contributed(g, 'Trilu', [x], { upper: 0 })[0]],
    ['GatherND', (g, { x }) => contributed(g, 'GatherND', [x, g.constant(DType.INT64, [2, 1], [1, 0])])[0]],
    ['ExpandDims', (g, { x }) => contributed(g, 'ExpandDims', [x, g.constant(DType.INT32, [], [1])])[0]],
  ])(
    "values of ONNX Runtime's own ops agree with the kernels, gradients with differences: %s",
    async (_, build) => {
      await expect(check({ x: real(1, 2, 3) }, build, 21)).resolves.toBeUndefined();
    },
  );
});

test.each(['HannWindow', 'HammingWindow', 'BlackmanWindow'])(
  '%s times a weight is differentiated, in float64 too',
  async (op) => {
    const build: Build = (g, { x }) => g.mul(g.op(op, [g.scalar(5, 7)], { output_datatype: g.float }), x);
    await expect(check({ x: real(1, 5) }, build, 21)).resolves.toBeUndefined();
    // Float32 by default, which float64 has to change.
    const plain: Build = (g, { x }) => g.mul(g.op(op, [g.scalar(5, 7)]), x);
    const y = await outputOf({ x: { shape: [5], values: [1, 1, 1, 1, 1] } }, plain);
    expect(y[1]).not.toBeCloseTo(y[2], 2);
  },
);

test('MelWeightMatrix has a shape', async () => {
  const build: Build = (g, { x }) => {
    const [bins, length, rate] = [4, 16, 8000].map((value) => g.scalar(value, DType.INT32));
    const edges = [g.constant(g.float, [], [100]), g.constant(g.float, [], [4000])];
    return g.matmul(x, g.op('MelWeightMatrix', [bins, length, rate, ...edges]));
  };
  const bytes = modelOf({ x: real(1, 2, 9) }, build, { precision: 'float32' });
  const graph = differentiate(bytes, { ...total, wrt: ['x'] });
  const found = await runOnce(graph, { x: new Tensor('float32', new Float32Array(18).fill(1), [2, 9]) });
  expect(found['grad_of/x'].some((slope) => slope !== 0)).toBe(true);
});
