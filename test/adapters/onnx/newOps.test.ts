import { InferenceSession, Tensor } from 'onnxruntime-node';
import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import { differentiate } from 'quasi-newton/onnx';
import { describe, expect, test } from 'vitest';
import { nodeAttributes, type AttributeValues } from '../../../src/adapters/onnx/ir/attributes.ts';
import type { Builder } from '../../../src/adapters/onnx/ir/builder.ts';
import { DType } from '../../../src/adapters/onnx/ir/tensor.ts';
import { check, real, whole } from './againstKernels.ts';
import { checkGradients, feedsOf, modelOf, quiet, type Build, type Input } from './harness.ts';
import { floats, integers, modelFrom, node, runOnce, tensor } from './written.ts';

/** The first output of a node of ONNX Runtime's own domain. */
function contributed(
  g: Builder,
  opType: string,
  input: readonly string[],
  attributes: AttributeValues,
  outputs = 1,
): string {
  const output = Array.from({ length: outputs }, () => g.fresh(opType));
  const fields = { domain: 'com.microsoft', name: output[0], input: [...input], output };
  g.append(create(NodeProtoSchema, { opType, ...fields, attribute: nodeAttributes(attributes) }));
  return output[0];
}

describe('losses that are ops', () => {
  const reductions = ['none', 'sum', 'mean'];
  const options = reductions.flatMap((reduction) =>
    [undefined, 1, -1].flatMap((ignored) =>
      [false, true].map((weighted) => ({ reduction, ignored, weighted })),
    ),
  );
  test.each(options)(
    '$reduction, ignoring $ignored, weighted: $weighted',
    async ({ reduction, ignored, weighted }) => {
      const inputs = {
        scores: real(1, 3, 4, 2),
        target: whole([3, 2], [0, 3, ignored ?? 2, 1, 2, 0]),
        ...(weighted && { weight: { shape: [4], values: [0.5, 1.5, 2, 0.7] } }),
      };
      const attributes: AttributeValues = { reduction, ignore_index: ignored };
      const loss =
        (op: string): Build =>
        (g, { scores, target, weight }) =>
          g.op(op, [scores, target, weight], attributes);
      await expect(check(inputs, loss('SoftmaxCrossEntropyLoss'))).resolves.toBeUndefined();
      await expect(check(inputs, loss('NegativeLogLikelihoodLoss'))).resolves.toBeUndefined();
    },
  );

  test('the logarithms are an output, too', async () => {
    const inputs = { scores: real(1, 3, 4), target: whole([3], [0, 3, 1]) };
    const build: Build = (g, { scores, target }) => {
      const [loss, logs] = g.ops('SoftmaxCrossEntropyLoss', [scores, target], {}, 2);
      return g.add(g.mul(logs, logs), loss);
    };
    await expect(check(inputs, build)).resolves.toBeUndefined();
  });
});

describe('rotary embeddings', () => {
  const cache = { cos: real(2, 6, 2), sin: real(3, 6, 2) };
  test.each([0, 1])(
    'values agree with the kernel, gradients with differences: rotary embeddings of opset 23, interleaved: %i',
    async (interleaved) => {
      const places = whole([2, 3], [0, 1, 2, 3, 4, 5]);
      const rotate: Build = (g, { x, cos, sin, places }) =>
        g.op('RotaryEmbedding', [x, cos, sin, places], {
          interleaved,
          ...(g.rank(x) === 3 && { num_heads: 2 }),
        });
      await expect(check({ x: real(1, 2, 2, 3, 4), ...cache, places }, rotate)).resolves.toBeUndefined();
      await expect(check({ x: real(1, 2, 3, 8), ...cache, places }, rotate)).resolves.toBeUndefined();
      const part: Build = (g, { x, cos, sin, places }) =>
        g.op('RotaryEmbedding', [x, cos, sin, places], { interleaved, rotary_embedding_dim: 4 });
      await expect(check({ x: real(1, 2, 2, 3, 6), ...cache, places }, part)).resolves.toBeUndefined();
    },
  );

  test.each([
    [0, whole([2, 3], [0, 1, 2, 3, 4, 5])],
    [1, whole([2, 3], [0, 1, 2, 3, 4, 5])],
    [0, whole([1], [2])],
  ])(
    "values agree with the kernel, gradients with differences: rotary embeddings of ONNX Runtime's own, interleaved: %i, places %o",
    async (interleaved, places) => {
      const rotate: Build = (g, { x, places, cos, sin }) =>
        contributed(g, 'RotaryEmbedding', [x, places, cos, sin], { interleaved });
      await expect(check({ x: real(1, 2, 3, 8), places, ...cache }, rotate)).resolves.toBeUndefined();
      await expect(check({ x: real(1, 2, 2, 3, 4), places, ...cache }, rotate)).resolves.toBeUndefined();
    },
  );
});

describe('attention with what came before', () => {
  const sequence = (seed: number, length: number, heads = 2) => real(seed, 2, heads, length, 4);

  test.each([0, 1])(
    'values agree with the kernel, gradients with differences: attention with what came before of opset 23, causal: %i',
    async (causal) => {
      const inputs = {
        q: sequence(1, 3),
        k: sequence(2, 3),
        v: sequence(3, 3),
        pk: sequence(4, 2),
        pv: sequence(5, 2),
      };
      const build: Build = (g, { q, k, v, pk, pv }) => {
        const outputs = g.ops('Attention', [q, k, v, undefined, pk, pv], { is_causal: causal }, 3);
        return g.concat(outputs, 2);
      };
      await expect(check(inputs, build)).resolves.toBeUndefined();
    },
  );

  test('values agree with the kernel, gradients with differences: attention with what came before of MultiHeadAttention', async () => {
    const inputs = {
      q: real(1, 2, 3, 8),
      k: real(2, 2, 3, 8),
      v: real(3, 2, 3, 8),
      pk: sequence(4, 2),
      pv: sequence(5, 2),
    };
    const build: Build = (g, { q, k, v, pk, pv }) =>
      contributed(g, 'MultiHeadAttention', [q, k, v, '', '', '', pk, pv], { num_heads: 2 }, 3);
    await expect(check(inputs, build, 21)).resolves.toBeUndefined();
  });
});

describe('GroupQueryAttention of a prompt', () => {
  const lengths = { sl: whole([2], [2, 2]), tl: whole([1], [3]) };
  const cache = { cos: real(6, 8, 8), sin: real(7, 8, 8) };
  const inputs = { q: real(1, 2, 3, 64), k: real(2, 2, 3, 32), v: real(3, 2, 3, 32), ...lengths };
  const grouped =
    (attributes: AttributeValues): Build =>
    (g, { q, k, v, sl, tl, cos, sin }) => {
      const [lengthsOfKeys, total] = [sl, tl].map((each) => g.cast(each, DType.INT32));
      const tables = cos ? [cos, sin] : [];
      return contributed(g, 'GroupQueryAttention', [q, k, v, '', '', lengthsOfKeys, total, ...tables], {
        num_heads: 4,
        kv_num_heads: 2,
        ...attributes,
      });
    };
  test.each<AttributeValues>([{}, { scale: 0.3 }, { local_window_size: 2 }, { softcap: 2 }])(
    'values agree with the kernel, gradients with differences: GroupQueryAttention of a prompt with %o',
    async (attributes) => {
      await expect(check(inputs, grouped(attributes), 21)).resolves.toBeUndefined();
    },
  );

  test.each([0, 1])(
    'values agree with the kernel, gradients with differences: GroupQueryAttention of a prompt with rotary embeddings, interleaved: %i',
    async (interleaved) => {
      const build = grouped({ do_rotary: 1, rotary_interleaved: interleaved });
      await expect(check({ ...inputs, ...cache }, build, 21)).resolves.toBeUndefined();
    },
  );
});

describe('GroupQueryAttention after a past', () => {
  const cache = { cos: real(6, 12, 8), sin: real(7, 12, 8) };
  /** New tokens after some of each sample, in a buffer of P; several at once where there is one sample. */
  const inputsOf = (lengths: readonly number[], buffer: number, tokens = lengths.length === 1 ? 3 : 1) => ({
    q: real(1, lengths.length, tokens, 64),
    k: real(2, lengths.length, tokens, 32),
    v: real(3, lengths.length, tokens, 32),
    pk: real(4, lengths.length, 2, buffer, 16),
    pv: real(5, lengths.length, 2, buffer, 16),
    sl: whole(
      [lengths.length],
      lengths.map((length) => length + tokens - 1),
    ),
    tl: whole([1], [Math.max(...lengths) + tokens]),
  });
  const grouped =
    (attributes: AttributeValues): Build =>
    (g, { q, k, v, pk, pv, sl, tl, cos, sin }) => {
      const [lengthsOfKeys, total] = [sl, tl].map((each) => g.cast(each, DType.INT32));
      const tables = cos ? [cos, sin] : [];
      return contributed(
        g,
        'GroupQueryAttention',
        [q, k, v, pk ?? '', pv ?? '', lengthsOfKeys, total, ...tables],
        {
          num_heads: 4,
          kv_num_heads: 2,
          ...attributes,
        },
        3,
      );
    };
  test.each<[AttributeValues, number[], number]>([
    [{}, [4], 4],
    [{ local_window_size: 3 }, [4], 4],
    [{}, [4, 2], 4],
    [{ softcap: 2 }, [1, 3], 8],
  ])('%o, %o tokens in a buffer of %i', async (attributes, lengths, buffer) => {
    await expect(check(inputsOf(lengths, buffer), grouped(attributes), 21)).resolves.toBeUndefined();
  });

  test.each([0, 1])(
    'values agree with the kernel, gradients with differences: GroupQueryAttention after a past with rotary embeddings, interleaved: %i',
    async (interleaved) => {
      const build = grouped({ do_rotary: 1, rotary_interleaved: interleaved });
      await expect(check({ ...inputsOf([4, 2], 4), ...cache }, build, 21)).resolves.toBeUndefined();
    },
  );

  test('an empty past is a prompt', async () => {
    const inputs = inputsOf([0, 0], 0, 3);
    const { pk: _, pv: __, ...others } = inputs;
    const bytes = (given: Readonly<Record<string, Input>>) =>
      modelOf(given, grouped({}), { precision: 'float32', opset: 21 });
    const run = async (given: Readonly<Record<string, Input>>) => {
      const options = { wrt: ['q', 'k', 'v'], keep: ['y'] };
      const graph = differentiate(bytes(given), {
        loss: (g, { outputs: [y] }) => g.sumOfAll(g.square(y)),
        ...options,
      });
      const session = await InferenceSession.create(graph, quiet);
      const results = await session.run(feedsOf(given, 'float32'));
      await session.release();
      return ['y', 'loss', 'grad_of/q'].map((name) => Array.from(results[name].data as Float32Array));
    };
    const [withPast, without] = [await run(inputs), await run(others)];
    expect(withPast).toEqual(without);
  });
});

describe('ops along an axis', () => {
  test.each([
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ])('CumProd, exclusive %i, reverse %i, also where there are zeros', async (exclusive, reverse) => {
    const x = { shape: [2, 4], values: [1, 2, 0, 3, 0.5, 0, 0, 2] };
    for (const axis of [0, 1]) {
      // ONNX Runtime has no kernel for it.
      const build: Build = (g, { x }) =>
        g.op('CumProd', [x, g.constant(DType.INT64, [], [axis])], { exclusive, reverse });
      await expect(checkGradients({ x }, build, { opset: 26 })).resolves.toBeUndefined();
    }
  });

  test('CenterCropPad', async () => {
    const build: Build = (g, { x }) => g.op('CenterCropPad', [x, g.integers([3, 6])], { axes: [0, -1] });
    await expect(check({ x: real(1, 6, 2, 3) }, build)).resolves.toBeUndefined();
  });
});

describe('statistics of a normalization as outputs', () => {
  test.each(['mean', 'deviation', 'all'])('%s of LayerNormalization', async (which) => {
    const build: Build = (g, { x, scale, bias }) => {
      const outputs = g.ops('LayerNormalization', [x, scale, bias], { axis: 1 }, 3);
      if (which === 'mean') return g.add(g.square(outputs[1]), 0.5);
      if (which === 'deviation') return g.square(outputs[2]);
      return g.add(g.mul(outputs[0], outputs[1]), outputs[2]);
    };
    await expect(
      check({ x: real(1, 2, 3, 2), scale: real(2, 3, 2), bias: real(3, 3, 2) }, build),
    ).resolves.toBeUndefined();
  });
});

test('the deviation of SimplifiedLayerNormalization is an output, too', async () => {
  const build: Build = (g, { x, scale }) => {
    const [y, reciprocal] = g.ops('SimplifiedLayerNormalization', [x, scale], { axis: -1 }, 2);
    return g.mul(y, reciprocal);
  };
  await expect(check({ x: real(1, 2, 3), scale: real(2, 3) }, build, 21)).resolves.toBeUndefined();
});

describe('reductions whose axes are fed', () => {
  const ops = ['Sum', 'Mean', 'Max', 'Min', 'L1', 'L2', 'LogSumExp', 'SumSquare'];
  test.each(ops.flatMap((op) => [0, 1].map((keepdims) => [op, keepdims] as const)))(
    'Reduce%s, keepdims %i',
    async (op, keepdims) => {
      const build: Build = (g, { x, axes }) => g.op(`Reduce${op}`, [x, axes], { keepdims });
      await expect(check({ x: real(1, 2, 3, 4), axes: whole([2], [0, -1]) }, build)).resolves.toBeUndefined();
    },
  );

  test('an empty list may mean all or none', () => {
    const inputs = { x: real(1, 2, 3), axes: whole([1], [0]) };
    const build: Build = (g, { x, axes }) =>
      g.op('ReduceL2', [x, axes], { keepdims: 1, noop_with_empty_axes: 1 });
    expect(() => differentiate(modelOf(inputs, build), { loss: 'mse', wrt: ['x'] })).toThrow(
      'its axes are known only at run time, and an empty list could mean all axes or none; make them constant.',
    );
  });
});

describe('what once gave a graph that does not load', () => {
  test.each(
    ['MaxPool', 'AveragePool'].flatMap((op) =>
      [
        [1, 3, 5],
        [2, 3, 6],
        [2, 2, 5],
        [3, 2, 6],
      ].map((window) => ({ op, window })),
    ),
  )(
    '$op with ceil_mode: window, step and elements are $window',
    async ({ op, window: [kernel, stride, size] }) => {
      const attributes = { kernel_shape: [kernel], strides: [stride], ceil_mode: 1 };
      const build: Build = (g, { x }) => g.op(op, [x], attributes);
      await expect(check({ x: real(1, 1, 2, size) }, build, 19)).resolves.toBeUndefined();
      const bytes = modelOf({ x: real(1, 1, 2, size) }, build, { precision: 'float32', opset: 19 });
      const graph = differentiate(bytes, { loss: 'mse', wrt: ['x'] });
      const session = await InferenceSession.create(graph, quiet);
      await session.release();
    },
  );

  test('CastLike of an integer constant', async () => {
    const build: Build = (g, { x }) => g.mul(x, g.op('CastLike', [g.constant(DType.INT64, [1], [2]), x]));
    await expect(check({ x: real(1, 3) }, build, 18)).resolves.toBeUndefined();
  });

  test('a OneHot whose depth is fed, in float64', async () => {
    const bytes = modelFrom({
      inputs: { indices: { dtype: DType.INT64, shape: [3] }, depth: [] },
      outputs: { y: [3, 'd'] },
      initializers: [floats('values', [2], [0.5, 2])],
      nodes: [node('OneHot', ['indices', 'depth', 'values'], 'y')],
      opset: 17,
    });
    const loss = { loss: (g, { outputs: [y] }) => g.sumOfAll(g.square(y)) } satisfies {
      loss: Parameters<typeof differentiate>[1]['loss'];
    };
    const graph = differentiate(bytes, { ...loss, wrt: ['values'], precision: 'float64' });
    const found = await runOnce(graph, {
      indices: new Tensor('int64', [0n, -1n, 7n], [3]),
      depth: new Tensor('float64', [4], []),
      values: new Tensor('float64', [0.5, 2], [2]),
    });
    expect(found['grad_of/values']).toEqual([10, 8]);
  });

  test.each(['fed', 'computed'])('a Resize in float64 whose scales are %s', async (kind) => {
    const computed = [
      node('Shape', ['x'], 's'),
      node('Cast', ['s'], 'sizes', { to: DType.FLOAT }),
      node('Div', ['four', 'sizes'], 'scales'),
    ];
    const bytes = modelFrom({
      inputs: { x: ['b', 'c', 'h', 'w'], ...(kind === 'fed' && { scales: [4] }) },
      outputs: { y: ['b', 'c', 'h2', 'w2'] },
      initializers: [floats('four', [4], [1, 1, 4, 4])],
      nodes: [
        ...(kind === 'fed' ? [] : computed),
        node('Resize', ['x', '', 'scales'], 'y', { mode: 'linear' }),
      ],
    });
    const run = async (precision: 'float32' | 'float64') => {
      const graph = differentiate(bytes, {
        loss: (g, { outputs: [y] }) => g.sumOfAll(g.square(y)),
        wrt: ['x'],
        precision,
      });
      const of = (shape: number[], values: number[]) => new Tensor(precision, values, shape);
      const feeds = {
        x: of([1, 1, 2, 2], [1, 2, 3, 4]),
        ...(kind === 'fed' && { scales: of([4], [1, 1, 2, 2]) }),
      };
      return (await runOnce(graph, feeds))['grad_of/x'];
    };
    expect(await run('float64')).toEqual([12.5, 17.5, 22.5, 27.5]);
    expect(await run('float32')).toEqual([12.5, 17.5, 22.5, 27.5]);
  });
});

describe('quantization', () => {
  const zero = (axis: boolean) =>
    Object.assign(integers('z', axis ? [0, 1, -2] : [1], axis ? [3] : []), int8(axis));
  const int8 = (axis: boolean) => ({
    dataType: DType.INT8,
    rawData: new Uint8Array(axis ? Int8Array.of(0, 1, -2).buffer : Int8Array.of(1).buffer),
  });
  const x = [-40, -0.3, 0.24, 0.26, 1, 40];

  test.each([false, true])(
    'passes gradients straight through within the range; one scale for each row: %s',
    async (axis) => {
      const scale = axis ? [0.1, 0.2, 0.3] : [0.1];
      const bytes = modelFrom({
        inputs: { x: [3, 2] },
        outputs: { y: [3, 2] },
        initializers: [floats('s', axis ? [3] : [], scale), zero(axis)],
        nodes: [
          node('QuantizeLinear', ['x', 's', 'z'], 'q', { axis: 0 }),
          node('DequantizeLinear', ['q', 's', 'z'], 'd', { axis: 0 }),
          node('Mul', ['d', 'd'], 'y'),
        ],
      });
      const options = { loss: (g, { outputs: [y] }) => g.sumOfAll(y), keep: ['y'] } satisfies Partial<
        Parameters<typeof differentiate>[1]
      >;
      const feeds = { x: tensor([3, 2], x) };
      const found = await runOnce(differentiate(bytes, { ...options, wrt: ['x'] }), feeds);
      const file = await runOnce(bytes, feeds);
      expect(found['y']).toEqual(file['y']);
      const exact = differentiate(bytes, { ...options, wrt: ['x'], precision: 'float64' });
      const double = await runOnce(exact, { x: new Tensor('float64', x, [3, 2]) });
      double['y'].forEach((y, i) => expect(y).toBeCloseTo(file['y'][i], 3));
      double['grad_of/x'].forEach((slope, i) => expect(slope).toBeCloseTo(found['grad_of/x'][i], 4));
      const slopes = file['y'].map((y, i) =>
        Math.abs(x[i]) === 40 ? 0 : 2 * Math.sign(x[i]) * Math.sqrt(y),
      );
      slopes.forEach((slope, i) => expect(found['grad_of/x'][i]).toBeCloseTo(slope, 5));
    },
  );

  test('the scale of integers that are constant is a parameter', async () => {
    const build: Build = (g, { s }) => {
      const q = g.op('Cast', [g.constant(DType.INT64, [3, 2], [1, -2, 3, 4, 5, -6])], { to: DType.INT8 });
      return g.op('DequantizeLinear', [q, s], { axis: 0 });
    };
    const bytes = modelOf({ s: real(1, 3) }, build, { precision: 'float32' });
    const graph = differentiate(bytes, { loss: (g, { outputs: [y] }) => g.sumOfAll(y), wrt: ['s'] });
    expect((await runOnce(graph, feedsOf({ s: real(1, 3) }, 'float32')))['grad_of/s']).toEqual([-1, 7, -1]);
  });
});

test('a softmax of −∞ alone, replaced by a Where, passes no gradient on', async () => {
  const bytes = modelFrom({
    inputs: { x: [2, 2] },
    outputs: { y: [2, 2] },
    initializers: [floats('mask', [2, 2], [-Infinity, -Infinity, 0, 0]), floats('zero', [], [0])],
    nodes: [
      node('Add', ['x', 'mask'], 'm'),
      node('Softmax', ['m'], 's', { axis: -1 }),
      node('IsNaN', ['s'], 'n'),
      node('Where', ['n', 'zero', 's'], 'y'),
    ],
  });
  const graph = differentiate(bytes, {
    loss: (g, { outputs: [y] }) => g.sumOfAll(g.slice(y, 0, 1, 1)),
    wrt: ['x'],
  });
  const { 'grad_of/x': gradient } = await runOnce(graph, { x: tensor([2, 2], [1, 2, 3, 3]) });
  expect(gradient).toEqual([0, 0, 0.25, -0.25]);
});

describe('determinants', () => {
  test.each([1, 2, 3, 4, 5])(
    'values agree with the kernel, gradients with differences: determinants of matrices with %i rows',
    async (n) => {
      const build: Build = (g, { x }) => g.op('Det', [x]);
      await expect(check({ x: real(n, 2, 3, n, n) }, build)).resolves.toBeUndefined();
    },
  );

  test('the gradient of the determinant of an 8 × 8 matrix in float32 is det(X)·X⁻ᵀ', async () => {
    const n = 8;
    // A rotation in each plane and a scale: both the determinant and the inverse are known.
    const x = new Float32Array(n * n);
    const inverse = new Float64Array(n * n);
    let determinant = 1;
    for (let k = 0; k < n; k += 2) {
      const [scale, angle] = [1 + k / 4, k + 1];
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      determinant *= scale * scale;
      for (const [i, j, value] of [
        [0, 0, c],
        [0, 1, -s],
        [1, 0, s],
        [1, 1, c],
      ]) {
        x[(k + i) * n + k + j] = scale * value;
        inverse[(k + j) * n + k + i] = value / scale;
      }
    }
    const bytes = modelOf({ x: { shape: [n, n], values: Array.from(x) } }, (g, { x }) => g.op('Det', [x]), {
      precision: 'float32',
    });
    const graph = differentiate(bytes, { loss: { output: 'y' }, wrt: ['x'] });
    const results = await runOnce(graph.bytes, { x: new Tensor('float32', x, [n, n]) });
    const gradient = results['grad_of/x'];
    expect(results.loss[0]).toBeCloseTo(determinant, 2);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        expect(gradient[i * n + j] / determinant).toBeCloseTo(inverse[j * n + i], 4);
  });
});
