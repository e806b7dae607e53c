/**
 * Ops that compute with quantized integers, as the ops of real numbers that they stand for. Gradients are those of the
 * latter; rounding counts as the identity.
 *
 * @module
 */
import { clone } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { spatialAxes } from '../ir/channels.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import { biasRole, weightRole, type Lowering, type Op, type OpTable } from '../ir/op.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { packedAttention } from './attention.ts';
import { imageSamples, sameType } from './common.ts';
import { inferConv } from './convolution.ts';
import { inferGemm } from './linear.ts';
import { inferPool } from './pooling.ts';
import {
  channelsLast,
  inferAttention,
  inferBroadcast,
  inferConcat,
  inferGlobalPool,
  inferProduct,
  withOperands,
} from './quantizedTypes.ts';
import { appendLstm, lstm } from './recurrent.ts';

/** A scale or zero point to broadcast against a tensor of `rank` axes: one number, or one for each element of an axis. */
function along(g: Builder, v: Value, rank: number, axis: number): Value {
  const own = g.rank(v);
  if (own === 0 || own > 1) return v;
  const at = axisFrom(axis, rank);
  return g.reshape(
    v,
    range(rank).map((i) => (i === at ? -1 : 1)),
  );
}

/** Integers as real numbers, (q − zero)·scale. */
function real(
  g: Builder,
  q: Value,
  scale: Value,
  zero: Value | undefined,
  { axis = 0, rank = g.rank(q) } = {},
): Value {
  const dtype = g.floatTypeOf(scale);
  const whole = g.op('DequantizeLinear', [q, g.scalar(1, dtype)]);
  const steps = zero ? g.sub(whole, along(g, g.cast(zero, dtype), rank, axis)) : whole;
  return g.mul(steps, along(g, scale, rank, axis));
}

/** A number that may be a vector of one element. */
const single = (g: Builder, v: Value) => (g.shapeOf(v)?.length === 0 ? v : g.reshape(v, []));

/** Real numbers rounded to multiples of a scale. */
function rounded(
  g: Builder,
  y: Value,
  scale: Value,
  zero: Value | undefined,
  dtype: DType = DType.UINT8,
): Value {
  const offset = zero ? single(g, zero) : g.scalar(0, dtype);
  return g.op('QuantizeLinear', [y, single(g, scale), offset]);
}

const windows = 'auto_pad ceil_mode count_include_pad dilations group kernel_shape pads strides'.split(' ');

/** Returns the attributes of a node's window. */
const windowsOf = ({ attribute }: NodeProto) => attribute.filter(({ name }) => windows.includes(name));

/** Applies f to images whose channels lie on the second axis; those of the node may lie on the last. */
function channelsSecond(g: Builder, x: Value, attributes: Attributes, f: (x: Value) => Value): Value {
  if (attributes.int('channels_last', 0) === 0) return f(x);
  const rank = g.rank(x);
  const y = f(g.transpose(x, [0, rank - 1, ...range(rank - 2, 1)]));
  return g.transpose(y, [0, ...range(rank - 2, 2), 1]);
}

/** y = x·w + b, where b has the product of both scales. */
const conv: Lowering = (g, node, attributes) => {
  const [q, scale, zero, weight, scales, zeros, yScale, yZero, bias] = node.input;
  const w = real(g, weight, scales, zeros, { axis: 0 });
  const product = bias && g.mul(scale, scales);
  const b = product && real(g, bias, g.rank(product) === 0 ? product : g.reshape(product, [-1]), undefined);
  const y = channelsSecond(g, real(g, q, scale, zero), attributes, (x) =>
    g.inheriting(windowsOf(node)).convolve(x, w, {}, b || undefined),
  );
  return [rounded(g, y, yScale, yZero, g.dtypeOf(q))];
};

const matmul: Lowering = (g, { input: [a, aScale, aZero, b, bScale, bZero, yScale, yZero] }) => {
  const left = real(g, a, aScale, aZero, { axis: -2 });
  const y = g.matmul(left, real(g, b, bScale, bZero, { axis: -1 }));
  return [rounded(g, y, yScale, yZero, g.dtypeOf(a))];
};

/** α·A'·B' + C, where C has the scale α·a·b; without a scale of the result, it is not rounded. */
const gemm: Lowering = (g, node, attributes) => {
  const [a, aScale, aZero, b, bScale, bZero, c, yScale, yZero] = node.input;
  const transB = attributes.int('transB', 0) === 1;
  const alpha = attributes.float('alpha', 1);
  const flags = { transA: attributes.int('transA', 0) === 1, transB, alpha };
  const product = g.gemm(
    real(g, a, aScale, aZero),
    real(g, b, bScale, bZero, { axis: transB ? 0 : 1 }),
    flags,
  );
  const step = () => g.mul(alpha, aScale, bScale);
  const y = c ? g.add(product, real(g, c, step(), undefined, { axis: 1, rank: 2 })) : product;
  return [yScale ? rounded(g, y, yScale, yZero, g.dtypeOf(a)) : y];
};

/** An op of two operands: each with its scale and zero point, then those of the result. */
const binary =
  (f: (g: Builder, a: Value, b: Value) => Value): Lowering =>
  (g, { input: [a, aScale, aZero, b, bScale, bZero, yScale, yZero] }) => {
    const y = f(g, real(g, a, aScale, aZero), real(g, b, bScale, bZero));
    return [rounded(g, y, yScale, yZero, g.dtypeOf(a))];
  };

/** An op of one operand. */
const unary =
  (f: (g: Builder, x: Value, node: NodeProto, attributes: Attributes) => Value): Lowering =>
  (g, node, attributes) => {
    const [x, scale, zero, yScale, yZero] = node.input;
    return [rounded(g, f(g, real(g, x, scale, zero), node, attributes), yScale, yZero, g.dtypeOf(x))];
  };

const averagePool = unary((g, x, node, attributes) =>
  channelsSecond(g, x, attributes, (image) => g.inheriting(windowsOf(node)).averages(image, {})),
);

const globalAveragePool = unary((g, x, _node, attributes) =>
  channelsSecond(g, x, attributes, (image) => g.mean(image, spatialAxes(g, image))),
);

/** Before opset 13, the axes from one on count as one. */
const softmax = unary((g, x, _node, attributes) => {
  const rank = g.rank(x);
  const axis = axisFrom(attributes.int('axis', -1), rank);
  if (attributes.int('opset', 13) >= 13 || axis === rank - 1) return g.softmax(x, axis);
  const rows = g.flatten(x, axis);
  return g.reshapeLike(g.softmax(rows, 1), x);
});

const where: Lowering = (g, { input: [condition, a, aScale, aZero, b, bScale, bZero, yScale, yZero] }) => {
  const y = g.where(condition, real(g, a, aScale, aZero), real(g, b, bScale, bZero));
  return [rounded(g, y, yScale, yZero, g.dtypeOf(a))];
};

const concat: Lowering = (g, { input: [yScale, yZero, ...rest] }, attributes) => {
  const parts = range(rest.length / 3).map((i) => real(g, rest[3 * i], rest[3 * i + 1], rest[3 * i + 2]));
  return [rounded(g, g.concat(parts, attributes.int('axis', 0)), yScale, yZero, g.dtypeOf(rest[0]))];
};

/** Attention of com.microsoft whose input and weight are integers. */
const attention: Lowering = (g, node, attributes) => {
  const [q, weight, bias, scale, scales, mask, zero, zeros, past] = node.input;
  const x = real(g, q, scale, zero || undefined);
  const w = real(g, weight, scales, zeros || undefined, { axis: 1 });
  const input = [x, w, bias, mask ?? '', past ?? ''];
  return packedAttention(g, Object.assign(clone(NodeProtoSchema, node), { input }), attributes);
};

/** Real numbers quantized to 8 bits by their range, and back. */
function byRange(g: Builder, x: Value): Value {
  const [q, scale, zero] = g.ops('DynamicQuantizeLinear', [x], {}, 3);
  return g.op('DequantizeLinear', [q, scale, zero]);
}

const dynamicMatMul: Lowering = (g, { input: [a, b, scale, zero, bias] }) => {
  const y = g.matmul(byRange(g, a), real(g, b, scale, zero || undefined, { axis: -1 }));
  return [bias ? g.add(y, bias) : y];
};

const matMulToFloat: Lowering = (g, { input: [a, b, aScale, bScale, aZero, bZero, bias] }) => {
  const left = real(g, a, aScale, aZero || undefined, { axis: -2 });
  const y = g.matmul(left, real(g, b, bScale, bZero || undefined, { axis: -1 }));
  return [bias ? g.add(y, bias) : y];
};

/** LSTM with transposed integer weights `[D, I, 4H]`; the input is not rounded here, other than in the kernel. */
const dynamicLstm: Lowering = (g, node) => {
  const [x, w, r, b, lengths, h, c, p, wScale, wZero, rScale, rZero] = node.input;
  const weights = (q: Value, scale: Value, zero: Value) => {
    // One scale for each direction, or one for each direction and column.
    const each = (v: Value) => (g.rank(v) === 2 ? g.unsqueeze(v, [1]) : v);
    return g.transpose(real(g, q, each(scale), each(zero), { axis: 0 }), [0, 2, 1]);
  };
  const input = [x, weights(w, wScale, wZero), weights(r, rScale, rZero), b, lengths, h, c, p].map(
    (v) => v || '',
  );
  while (input.at(-1) === '') input.pop();
  return appendLstm(g, input, node);
};

/** An op whose operands are integers; its own kernel stays in graphs of float32. */
const quantized = (
  form: Lowering,
  infer: InferRule,
  inputs: readonly number[],
  more: Partial<Op> = {},
): Op => ({
  infer,
  as: { float64: form },
  integers: { inputs, outputs: [0] },
  ...more,
});

const weighted = { isCostly: true, roles: { 3: weightRole(0) }, samples: imageSamples };
const qLinearConv = quantized(conv, channelsLast(withOperands(inferConv, [0, 3])), [0, 3, 8], weighted);
const ofOne = (form: Lowering) => quantized(form, sameType, [0]);

/** Ops with integers in place of real numbers, ONNX's own and ONNX Runtime's. */
export const quantizedForms: OpTable = {
  QLinearConv: qLinearConv,
  QLinearMatMul: quantized(matmul, inferProduct(3, 7), [0, 3], {
    isCostly: true,
    roles: { 3: weightRole(1) },
  }),
  'com.microsoft::QLinearConv': qLinearConv,
  'com.microsoft::QGemm': quantized(
    gemm,
    (c) => [
      { dtype: c.has(7) ? c.dtype(0) : c.dtype(1), shape: withOperands(inferGemm, [0, 3])(c)?.[0]?.shape },
    ],
    [0, 3, 6],
    { isCostly: true, roles: { 3: weightRole(1) } },
  ),
  'com.microsoft::QLinearAdd': quantized(
    binary((g, a, b) => g.add(a, b)),
    inferBroadcast(0, 3),
    [0, 3],
  ),
  'com.microsoft::QLinearMul': quantized(
    binary((g, a, b) => g.mul(a, b)),
    inferBroadcast(0, 3),
    [0, 3],
  ),
  'com.microsoft::QLinearSigmoid': ofOne(unary((g, x) => g.sigmoid(x))),
  'com.microsoft::QLinearLeakyRelu': ofOne(unary((g, x, _, a) => g.leakyRelu(x, a.float('alpha', 0.01)))),
  'com.microsoft::QLinearSoftmax': ofOne(softmax),
  'com.microsoft::QLinearAveragePool': quantized(averagePool, channelsLast(inferPool), [0], {
    samples: imageSamples,
  }),
  'com.microsoft::QLinearGlobalAveragePool': quantized(
    globalAveragePool,
    channelsLast(inferGlobalPool),
    [0],
    {
      samples: imageSamples,
    },
  ),
  'com.microsoft::QLinearWhere': quantized(where, inferBroadcast(0, 4, 1), [1, 4]),
  'com.microsoft::QLinearConcat': quantized(
    concat,
    inferConcat,
    range(64).map((i) => 3 * i + 2),
  ),
  'com.microsoft::QAttention': quantized(attention, inferAttention, [0, 1]),
  'com.microsoft::DynamicQuantizeMatMul': quantized(dynamicMatMul, inferProduct(1, 0), [1], {
    isCostly: true,
    roles: { 1: weightRole(1), 4: biasRole },
  }),
  'com.microsoft::MatMulIntegerToFloat': quantized(matMulToFloat, inferProduct(1, 2), [0, 1], {
    isCostly: true,
    roles: { 1: weightRole(1), 6: biasRole },
  }),
  'com.microsoft::DynamicQuantizeLSTM': quantized(dynamicLstm, lstm.infer ?? (() => []), [1, 2], {
    isCostly: true,
    roles: { 1: weightRole(2), 2: weightRole(2), 3: biasRole },
  }),
};
