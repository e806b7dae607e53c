import { create } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { AttributeProto_AttributeType as Kind, AttributeProtoSchema, NodeProtoSchema } from 'onnx-buf';
import { nodeAttributes, type AttributeValues } from '../../../../src/adapters/onnx/ir/attributes.ts';
import type { Builder } from '../../../../src/adapters/onnx/ir/builder.ts';
import type { Value } from '../../../../src/adapters/onnx/ir/graph.ts';
import { DType } from '../../../../src/adapters/onnx/ir/tensor.ts';
import {
  axisOf,
  integerInput,
  oneOf,
  realInput,
  seed,
  shapeOf,
  size,
  type Case,
  type Cases,
} from './arbitrary.ts';

const small = fc.integer({ min: 1, max: 3 });

interface ContributedAttributes extends AttributeValues {
  readonly activation_params?: readonly number[] | undefined;
}

/** Appends a node of ONNX Runtime's own; undefined outputs are left out. */
export function contributed(
  g: Builder,
  opType: string,
  inputs: readonly (Value | undefined)[],
  { activation_params: params, ...attributes }: ContributedAttributes = {},
  outputs: readonly boolean[] = [true],
): Value[] {
  const output = outputs.map((present) => (present ? g.fresh(opType) : ''));
  const input = inputs.map((value) => value ?? '');
  while (input.at(-1) === '') input.pop();
  const attribute = nodeAttributes(attributes);
  const floats = { name: 'activation_params', type: Kind.FLOATS };
  if (params) attribute.push(create(AttributeProtoSchema, { ...floats, floats: [...params] }));
  const name = g.fresh('node');
  g.append(create(NodeProtoSchema, { domain: 'com.microsoft', opType, name, input, output, attribute }));
  return output;
}

/** The elements of some values, one after the other. */
const together = (g: Builder, values: readonly Value[]) =>
  g.concat(
    values.map((value) => g.flat(value)),
    0,
  );

const fusedGemm: fc.Arbitrary<Case> = fc
  .record({
    m: small,
    k: small,
    n: small,
    transA: fc.nat(1),
    transB: fc.nat(1),
    alpha: oneOf(1, 0.5),
    bias: fc.boolean(),
    activation: oneOf<AttributeValues>(
      { activation: 'Relu' },
      { activation: 'Tanh' },
      { activation: 'Sigmoid' },
      { activation: 'LeakyRelu', activation_alpha: 0.2 },
      { activation: 'Elu', activation_alpha: 0.7 },
      { activation: 'Softplus' },
    ),
    seed,
    dynamic: fc.boolean(),
  })
  .map(({ m, k, n, transA, transB, alpha, bias, activation, seed, dynamic }) => ({
    inputs: {
      a: realInput(transA ? [k, m] : [m, k], seed),
      b: realInput(transB ? [n, k] : [k, n], seed + 1),
      ...(bias && { c: realInput([n], seed + 2) }),
    },
    build: (g, { a, b, c }) =>
      contributed(g, 'FusedGemm', [a, b, c], { transA, transB, alpha, beta: 1, ...activation })[0],
    options: { dynamic },
  }));

const fusedConv: fc.Arbitrary<Case> = fc
  .record({
    c: small,
    m: small,
    stride: oneOf(1, 2),
    pad: fc.nat(1),
    bias: fc.boolean(),
    added: fc.boolean(),
    activation: oneOf<ContributedAttributes>(
      {},
      { activation: 'Relu' },
      { activation: 'Tanh' },
      { activation: 'LeakyRelu', activation_params: [0.25] },
      { activation: 'Clip', activation_params: [-1, 1.5] },
      { activation: 'HardSigmoid', activation_params: [0.25, 0.5] },
    ),
    seed,
    dynamic: fc.boolean(),
  })
  .map(({ c, m, stride, pad, bias, added, activation, seed, dynamic }) => {
    const out = Math.floor((4 + 2 * pad - 2) / stride) + 1;
    return {
      inputs: {
        x: realInput([2, c, 4], seed),
        w: realInput([m, c, 2], seed + 1),
        ...(bias && { b: realInput([m], seed + 2) }),
        ...(added && bias && { z: realInput([2, m, out], seed + 3) }),
      },
      build: (g, { x, w, b, z }) => {
        const attributes = { kernel_shape: [2], strides: [stride], pads: [pad, pad], ...activation };
        return contributed(g, 'FusedConv', [x, w, b, z], attributes)[0];
      },
      options: { dynamic },
    };
  });

/** The shape of which `perm` makes `to`. */
const unmoved = (to: readonly number[], perm: readonly number[]) => {
  const from: number[] = [];
  perm.forEach((axis, i) => (from[axis] = to[i]));
  return from;
};

const fusedMatMul = (op: string): [string, fc.Arbitrary<Case>] => [
  `com.microsoft::${op}`,
  fc
    .record({
      batch: shapeOf(0, 2),
      m: small,
      k: small,
      n: small,
      alpha: oneOf(1, 0.5, -2),
      transA: fc.boolean(),
      transB: fc.boolean(),
      transBatchA: fc.boolean(),
      transBatchB: fc.boolean(),
      seed,
    })
    .map(({ batch, m, k, n, alpha, transA, transB, transBatchA, transBatchB, seed }) => {
      const rank = batch.length + 2;
      // The older op of the two knows nothing of batches that come last.
      const batches = op === 'FusedMatMul' && rank > 2;
      const perm = (trans: boolean, transBatch: boolean) => {
        const axes = Array.from({ length: rank }, (_, i) => i);
        const order = transBatch && batches ? [...axes.slice(1, -1), 0, rank - 1] : axes;
        return trans ? [...order.slice(0, -2), order[rank - 1], order[rank - 2]] : order;
      };
      const flag = (v: boolean) => (v ? 1 : 0);
      return {
        inputs: {
          a: realInput(unmoved([...batch, m, k], perm(transA, transBatchA)), seed),
          b: realInput(unmoved([...batch, k, n], perm(transB, transBatchB)), seed + 1),
        },
        build: (g, { a, b }) =>
          contributed(g, op, [a, b], {
            alpha,
            transA: flag(transA),
            transB: flag(transB),
            ...(batches && { transBatchA: flag(transBatchA), transBatchB: flag(transBatchB) }),
          })[0],
      };
    }),
];

const activation = (
  op: string,
  bias: 'always' | 'sometimes' | 'never',
  attributes: AttributeValues = {},
): [string, fc.Arbitrary<Case>] => [
  `com.microsoft::${op}`,
  fc
    .record({ shape: shapeOf(1, 3), biased: fc.boolean(), seed, dynamic: fc.boolean() })
    .map(({ shape, biased, seed, dynamic }) => ({
      inputs: {
        x: realInput(shape, seed),
        ...((bias === 'always' || (bias === 'sometimes' && biased)) && {
          b: realInput(shape.slice(-1), seed + 1),
        }),
      },
      build: (g, { x, b }) => contributed(g, op, [x, b], attributes)[0],
      options: { dynamic },
    })),
];

const skipLayer = (op: string, beta: boolean): [string, fc.Arbitrary<Case>] => [
  `com.microsoft::${op}`,
  fc
    .record({ n: small, s: small, shift: fc.boolean(), bias: fc.boolean(), sum: fc.boolean(), seed })
    .map(({ n, s, shift, bias, sum, seed }) => ({
      inputs: {
        x: realInput([n, s, 4], seed),
        skip: realInput([n, s, 4], seed + 1),
        gamma: realInput([4], seed + 2),
        ...(beta && shift && { beta: realInput([4], seed + 3) }),
        ...(bias && { bias: realInput([4], seed + 4) }),
      },
      build: (g, { x, skip, gamma, beta: shifts, bias }) => {
        const inputs = beta ? [x, skip, gamma, shifts, bias] : [x, skip, gamma, bias];
        const outputs = contributed(g, op, inputs, { epsilon: 0.01 }, [true, false, false, sum]);
        return together(
          g,
          outputs.filter((output) => output !== ''),
        );
      },
    })),
];

const embedLayer: fc.Arbitrary<Case> = fc
  .record({ segments: fc.boolean(), places: fc.boolean(), sum: fc.boolean(), seed })
  .map(({ segments, places, sum, seed }) => ({
    inputs: {
      words: integerInput([2, 3], seed, 5),
      ...(segments && { segments: integerInput([2, 3], seed + 1, 2) }),
      ...(places && { places: integerInput([2, 3], seed + 2, 4) }),
      wordTable: realInput([5, 4], seed + 3),
      placeTable: realInput([4, 4], seed + 4),
      ...(segments && { segmentTable: realInput([2, 4], seed + 5) }),
      gamma: realInput([4], seed + 6),
      beta: realInput([4], seed + 7),
    },
    build: (g, v) => {
      const int = (value: Value | undefined) => value && g.cast(value, DType.INT32);
      const inputs = [int(v.words), int(v.segments), v.wordTable, v.placeTable, v.segmentTable];
      inputs.push(v.gamma, v.beta, undefined, int(v.places));
      const outputs = contributed(g, 'EmbedLayerNormalization', inputs, { epsilon: 0.01 }, [true, true, sum]);
      return together(g, sum ? [outputs[0], outputs[2]] : [outputs[0]]);
    },
  }));

/** Which keys count: a count for each sequence, or a mark for each key, or for each pair with a query. */
const masks = {
  none: undefined,
  lengths: { shape: [2], values: [2, 3], integral: true },
  keys: { shape: [2, 3], values: [1, 1, 0, 1, 0, 1], integral: true },
  pairs: { shape: [2, 3, 3], values: [1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1], integral: true },
};
const maskNames: readonly (keyof typeof masks)[] = ['none', 'lengths', 'keys', 'pairs'];

const packedAttention: fc.Arbitrary<Case> = fc
  .record({
    count: oneOf(1, 2),
    mask: oneOf(...maskNames),
    causal: fc.boolean(),
    added: fc.boolean(),
    scale: fc.option(fc.constant(0.3), { nil: undefined }),
    seed,
  })
  .map(({ count, mask, causal, added, scale, seed }) => ({
    inputs: {
      x: realInput([2, 3, 4], seed),
      w: realInput([4, 12], seed + 1),
      b: realInput([12], seed + 2),
      ...(masks[mask] && { mask: masks[mask] }),
      ...(added && { added: realInput([1, count, 3, 3], seed + 3) }),
    },
    build: (g, { x, w, b, mask, added }) =>
      contributed(g, 'Attention', [x, w, b, mask && g.cast(mask, DType.INT32), undefined, added], {
        num_heads: count,
        unidirectional: causal ? 1 : 0,
        scale,
      })[0],
  }));

const separateAttention: fc.Arbitrary<Case> = fc
  .record({ count: oneOf(1, 2), bias: fc.boolean(), mask: fc.boolean(), added: fc.boolean(), seed })
  .map(({ count, bias, mask, added, seed }) => ({
    inputs: {
      q: realInput([2, 2, 4], seed),
      k: realInput([2, 3, 4], seed + 1),
      v: realInput([2, 3, 6], seed + 2),
      ...(bias && { b: realInput([14], seed + 3) }),
      ...(mask && { mask: masks.keys }),
      ...(added && { added: realInput([2, count, 2, 3], seed + 4) }),
    },
    build: (g, { q, k, v, b, mask, added }) =>
      contributed(g, 'MultiHeadAttention', [q, k, v, b, mask && g.cast(mask, DType.INT32), added], {
        num_heads: count,
      })[0],
  }));

const standardAttention: fc.Arbitrary<Case> = fc
  .record({
    flat: fc.boolean(),
    heads: oneOf([1, 1], [2, 2], [2, 1], [4, 2]),
    queries: small,
    mask: oneOf('none', 'float', 'bool'),
    causal: fc.boolean(),
    softcap: fc.boolean(),
    scale: fc.option(fc.constant(0.3), { nil: undefined }),
    seed,
  })
  .map(({ flat, heads: [n, kv], queries, mask, causal, softcap, scale, seed }) => {
    const shape = (count: number, length: number, size: number) =>
      flat ? [2, length, count * size] : [2, count, length, size];
    const capped = softcap && mask === 'none' && !causal;
    return {
      inputs: {
        q: realInput(shape(n, queries, 2), seed),
        k: realInput(shape(kv, 3, 2), seed + 1),
        v: realInput(shape(kv, 3, 3), seed + 2),
        ...(mask === 'float' && { m: realInput([queries, 3], seed + 3) }),
      },
      build: (g, { q, k, v, m }) => {
        // The first key counts always: a query without any has no gradient.
        const keep = () =>
          g.constant(
            DType.BOOL,
            [queries, 3],
            Array.from({ length: 3 * queries }, (_, i) => (i % 3 === 0 || i % 2 === 0 ? 1 : 0)),
          );
        return g.op('Attention', [q, k, v, mask === 'bool' ? keep() : m], {
          is_causal: causal ? 1 : 0,
          scale,
          softcap: capped ? 1.5 : undefined,
          ...(flat && { q_num_heads: n, kv_num_heads: kv }),
        });
      },
      options: { opset: 23 },
    };
  });

const compress: fc.Arbitrary<Case> = shapeOf(1, 3).chain((shape) =>
  fc
    .record({ axis: fc.option(axisOf(shape.length), { nil: undefined }), short: fc.boolean(), seed })
    .map(({ axis, short, seed }) => {
      const count = axis === undefined ? size(shape) : shape[axis < 0 ? axis + shape.length : axis];
      const { values } = integerInput([count], seed, 2);
      // It may say nothing of the last places.
      const told = short && count > 1 ? values.slice(0, -1) : values;
      return {
        inputs: { x: realInput(shape, seed) },
        build: (g, { x }) => g.op('Compress', [x, g.constant(DType.BOOL, [told.length], told)], { axis }),
      };
    }),
);

const gatherND: fc.Arbitrary<Case> = fc
  .record({ batch: oneOf(1, 2), depth: oneOf(1, 2), seed, dynamic: fc.boolean() })
  .map(({ batch, depth, seed, dynamic }) => {
    const shape = [2, 3, 4, 2, 3].slice(0, batch + 3);
    const batches = shape.slice(0, batch);
    const count = size(batches) * 2;
    const picked = Array.from({ length: count }, (_, i) =>
      Array.from(
        { length: depth },
        (_, k) =>
          integerInput([1], seed + 7 * i + k, shape[batch + k]).values[0] - (i % 2 ? shape[batch + k] : 0),
      ),
    );
    return {
      inputs: { x: realInput(shape, seed) },
      build: (g, { x }) => {
        const indices = g.constant(DType.INT64, [...batches, 2, depth], picked.flat());
        return g.op('GatherND', [x, indices], { batch_dims: batch });
      },
      options: { dynamic },
    };
  });

/** Letters have sizes of their own; an ellipsis stands for [2, 3], or for a 1 and a 3 beside it. */
const lengths: Readonly<Record<string, number>> = { i: 2, j: 3, k: 4 };
const einsum: fc.Arbitrary<Case> = fc
  .record({
    equation: oneOf(
      '...ij,...jk->...ik',
      '...ij,jk',
      'i...->...',
      'i...->...i',
      '...',
      'ii->i',
      'iij->j',
      'ijij->',
      'iji,j->i',
      'ii...->...i',
      '...ii->...',
    ),
    one: fc.boolean(),
    seed,
  })
  .map(({ equation, one, seed }) => {
    const terms = equation.split('->')[0].split(',');
    const shapes = terms.map((term, t) => {
      const dims = t > 0 && one ? [1, 3] : [2, 3];
      return term.split(/(\.\.\.)|/).flatMap((part) => {
        if (!part) return [];
        return part === '...' ? dims : [lengths[part]];
      });
    });
    const names = terms.map((_, t) => `x${t}`);
    return {
      inputs: Object.fromEntries(names.map((name, t) => [name, realInput(shapes[t], seed + t)])),
      build: (g, inputs) =>
        g.op(
          'Einsum',
          names.map((name) => inputs[name]),
          { equation },
        ),
    };
  });

const lpPool: fc.Arbitrary<Case> = fc
  .record({
    rank: oneOf(1, 2),
    p: oneOf(1, 2, 3),
    kernel: oneOf(1, 2, 3),
    stride: oneOf(1, 2),
    pad: fc.nat(1),
    auto: oneOf(undefined, 'SAME_UPPER', 'SAME_LOWER', 'VALID'),
    seed,
  })
  .map(({ rank, p, kernel, stride, pad, auto, seed }) => {
    const each = (value: number) => Array.from({ length: rank }, () => value);
    const padding = Math.min(pad, kernel - 1);
    return {
      inputs: { x: realInput([2, 2, ...each(4)], seed, { avoid: [0] }) },
      build: (g, { x }) =>
        g.op('LpPool', [x], {
          kernel_shape: each(kernel),
          strides: each(stride),
          ...(auto ? { auto_pad: auto } : { pads: [...each(padding), ...each(padding)] }),
          p,
        }),
    };
  });

const gridSample: fc.Arbitrary<Case> = fc
  .record({
    rank: oneOf(2, 2, 3),
    mode: oneOf('linear', 'nearest'),
    padding_mode: oneOf('zeros', 'border'),
    align_corners: fc.nat(1),
    seed,
  })
  .map(({ rank, mode, padding_mode, align_corners, seed }) => {
    const [image, samples] = [[3, 4, 2].slice(0, rank), [2, 3, 2].slice(0, rank)];
    return {
      inputs: {
        x: realInput([2, 2, ...image], seed),
        // Beyond the border too.
        grid: realInput([2, ...samples, rank], seed + 1, { low: -1.4, high: 1.4 }),
      },
      build: (g, { x, grid }) => g.op('GridSample', [x, grid], { mode, padding_mode, align_corners }),
    };
  });

/** Ops that are written in others before anything is differentiated. */
export const expansionCases: Cases = new Map([
  ['com.microsoft::FusedGemm', fusedGemm],
  ['com.microsoft::FusedConv', fusedConv],
  fusedMatMul('FusedMatMul'),
  fusedMatMul('TransposeMatMul'),
  activation('Gelu', 'never'),
  activation('BiasGelu', 'always'),
  activation('FastGelu', 'sometimes'),
  activation('QuickGelu', 'never', { alpha: 1.3 }),
  skipLayer('SkipLayerNormalization', true),
  skipLayer('SkipSimplifiedLayerNormalization', false),
  ['com.microsoft::EmbedLayerNormalization', embedLayer],
  ['com.microsoft::Attention', packedAttention],
  ['com.microsoft::MultiHeadAttention', separateAttention],
  ['Attention', standardAttention],
  ['Compress', compress],
  ['GatherND, in batches', gatherND],
  ['Einsum, with ellipses and diagonals', einsum],
  ['LpPool', lpPool],
  ['GridSample', gridSample],
]);
