import { clone, create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { AttributeProto, NodeProto } from 'onnx-buf';
import { decimalOf, type Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { activations, gelu, geluByTanh, swish } from './activations.ts';
import { paddedByInput } from './runtimePads.ts';

/** Appends the convolution of a node, without its activation. */
function convolved(g: Builder, { input: [x, w, bias], attribute }: NodeProto): Value {
  return g.inheriting(withoutActivation(attribute)).convolve(x, w, {}, bias || undefined);
}

const withoutActivation = (attributes: readonly AttributeProto[]) =>
  attributes.filter(({ name }) => !name.startsWith('activation'));

/** Gemm with an activation, whose attributes are named `activation_alpha` and so on. */
const fusedGemm: Lowering = (g, node, attributes) => {
  const [a, b, c] = node.input;
  const product = g.inheriting(withoutActivation(node.attribute)).gemm(a, b, {}, c || undefined);
  const activation = attributes.string('activation', '');
  if (activation === '') return [product];
  const given = ['alpha', 'beta', 'gamma']
    .filter((name) => attributes.has(`activation_${name}`))
    .map((name) => [name, attributes.float(`activation_${name}`, 0)]);
  return [g.op(activation, [product], Object.fromEntries(given))];
};

/** Convolution with an activation, whose parameters are listed in order; a fourth input is added before it. */
const fusedConv: Lowering = (g, node, attributes) => {
  const plain = convolved(g, node);
  const sum = node.input[3] ? g.add(plain, node.input[3]) : plain;
  const activation = attributes.string('activation', '');
  const [alpha, beta] = (attributes.floats('activation_params') ?? []).map(decimalOf);
  if (activation === '') return [sum];
  if (activations[activation]?.clamps) return [g.clip(sum, alpha, beta)];
  return [g.op(activation, [sum], { alpha, beta })];
};

/** α·A'·B', where A' is A with its first axis moved before the last one, its last two swapped, or both; likewise B'. */
const fusedMatMul: Lowering = (g, node, attributes) => {
  const operand = (value: Value, side: 'A' | 'B') => {
    const rank = g.rank(value);
    if (rank === 1) return value;
    const moved = attributes.int(`transBatch${side}`, 0) ? [...range(rank - 2, 1), 0] : range(rank - 1);
    const rows = moved.slice(-1);
    const last = attributes.int(`trans${side}`, 0) ? [rank - 1, ...rows] : [...rows, rank - 1];
    return g.transpose(value, [...moved.slice(0, -1), ...last]);
  };
  const product = g.matmul(operand(node.input[0], 'A'), operand(node.input[1], 'B'));
  return [g.mul(attributes.float('alpha', 1), product)];
};

/** f(x), or f(x + bias) if there is a bias. */
const biased =
  (f: (g: Builder, x: Value, attributes: Attributes) => Value): Lowering =>
  (g, { input: [x, bias] }, attributes) => [f(g, bias ? g.add(x, bias) : x, attributes)];

const epsilonOf = (attributes: Attributes) => attributes.float('epsilon', 1e-12);

/** Layer normalization of a sum; the sum is the fourth output. */
const skipLayer: Lowering = (g, node, attributes) => {
  const [x, skip, gamma, beta, bias] = node.input;
  const sum = g.add(x, skip, ...(bias ? [bias] : []));
  // The other outputs are statistics: the mean, and one over the deviation.
  const count = node.output[1] || node.output[2] ? 3 : 1;
  const options = { axis: -1, epsilon: epsilonOf(attributes) };
  const [y, mean, reciprocal] = g.normalizeLayer(sum, gamma, beta, options, count);
  return [y, mean, reciprocal, sum];
};

const skipSimplifiedLayer: Lowering = (g, node, attributes) => {
  const [x, skip, gamma, bias] = node.input;
  const sum = g.add(x, skip, ...(bias ? [bias] : []));
  const size = g.sqrt(g.add(g.mean(g.square(sum), [-1]), epsilonOf(attributes)));
  return [g.mul(g.div(sum, size), gamma), undefined, undefined, sum];
};

/** Layer normalization of the sum of word, position and segment embeddings. */
const embedLayer: Lowering = (g, node, attributes) => {
  const [words, segments, wordTable, placeTable, segmentTable, gamma, beta, mask, places] = node.input;
  const pick = (table: Value, indices: Value) => g.gather(table, indices);
  const terms = [places ? pick(placeTable, places) : g.slice(placeTable, 0, g.sizes(words, [1]), 0)];
  if (segments) terms.push(pick(segmentTable, segments));
  const sum = g.add(pick(wordTable, words), ...terms);
  const [y] = g.normalizeLayer(sum, gamma, beta, { axis: -1, epsilon: epsilonOf(attributes) });
  const lengths = mask
    ? g.sum(g.cast(g.equal(mask, 1), DType.INT32), [1], false)
    : g.filled(g.sizes(words, [0]), 0, DType.INT32);
  return [y, lengths, sum];
};

/** A convolution of images `[N, …, C]`, with or without an activation. */
const channelsLast =
  (fused: boolean): Lowering =>
  (g, node, attributes) => {
    const [x, w, bias, added] = node.input;
    const rank = g.rank(x);
    const axes = range(rank - 2, 1);
    const first = (v: Value) => g.transpose(v, [0, rank - 1, ...axes]);
    const input = [first(x), w, bias ?? '', ...(added ? [first(added)] : [])];
    const moved = Object.assign(clone(NodeProtoSchema, node), { input });
    const [y] = fused ? (fusedConv(g, moved, attributes) ?? []) : [convolved(g, moved)];
    return [y && g.transpose(y, [0, ...range(rank - 2, 2), 1])];
  };

/** Distances between the rows of two matrices. */
const distances: Lowering = (g, { input: [a, b] }, attributes) => {
  const metric = attributes.string('metric', 'sqeuclidean');
  if (metric !== 'euclidean' && metric !== 'sqeuclidean') refuse(`metric ${metric} has no rule.`);
  const squares = g.sum(g.square(g.sub(g.unsqueeze(a, [1]), g.unsqueeze(b, [0]))), [2], false);
  if (metric === 'sqeuclidean') return [squares];
  // Where two rows are equal, the gradient is 0.
  const same = g.equal(squares, 0);
  return [g.where(same, 0, g.sqrt(g.where(same, 1, squares)))];
};

/** Softmax of a sum, over the axes from one on. */
const biasSoftmax: Lowering = (g, { input: [x, bias] }, attributes) => {
  const rank = g.rank(x);
  const first = axisFrom(attributes.int('axis', 1), rank);
  if (attributes.int('is_inner_broadcast', 1) !== 1 && g.rank(bias) !== rank)
    refuse('a bias without the last axes has no rule.');
  const sum = g.add(x, bias);
  if (first === rank - 1) return [g.softmax(sum, -1)];
  const flat = g.reshapeTo(
    sum,
    g.concat([g.sizes(sum, range(first)), g.product(g.sizes(sum, range(rank - first, first)))], 0),
  );
  return [g.reshapeLike(g.softmax(flat, -1), sum)];
};

/** A node of ONNX Runtime's own with a standard one of the same name, inputs and attributes. */
const asStandard: Lowering = (g, { opType, input, output, attribute }) => {
  const names = output.map((name) => (name ? g.fresh(opType) : ''));
  const node = create(NodeProtoSchema, { opType, name: names[0], input, output: names, attribute });
  g.append(node);
  return names.map((name) => name || undefined);
};

/** The distinct elements in the order of their first appearance, the place of each element among them, and their numbers. */
const unique: Lowering = (g, { input: [x] }) => {
  const [y, , places, counts] = g.ops('Unique', [x], { sorted: 0 }, 4);
  return [y, places, counts];
};

const expandDims: Lowering = (g, { input: [x, axis] }) => {
  const at = g.integersOf(axis)?.[0] ?? refuse('its axis is not known before the model runs.');
  return [g.unsqueeze(x, [at])];
};

/** Ops that ONNX Runtime's optimizer fuses on the CPU, as the ops that they were fused from. */
export const microsoft: OpTable = {
  'com.microsoft::FusedConv': { as: { read: fusedConv } },
  'com.microsoft::FusedGemm': { as: { read: fusedGemm } },
  'com.microsoft::FusedMatMul': { as: { read: fusedMatMul } },
  'com.microsoft::TransposeMatMul': { as: { read: fusedMatMul } },
  'com.microsoft::Gelu': { as: { read: biased(gelu) } },
  'com.microsoft::BiasGelu': { as: { read: biased(gelu) } },
  'com.microsoft::FastGelu': { as: { read: biased(geluByTanh) } },
  'com.microsoft::QuickGelu': { as: { read: biased((g, x, a) => swish(g, x, a.float('alpha', 1.702))) } },
  'com.microsoft::SkipLayerNormalization': { as: { read: skipLayer } },
  'com.microsoft::SkipSimplifiedLayerNormalization': { as: { read: skipSimplifiedLayer } },
  'com.microsoft::EmbedLayerNormalization': { as: { read: embedLayer } },
  'com.microsoft::NhwcConv': { as: { read: channelsLast(false) } },
  'com.microsoft::NhwcFusedConv': { as: { read: channelsLast(true) } },
  'com.microsoft::CDist': { as: { read: distances } },
  'com.microsoft::BiasSoftmax': { as: { read: biasSoftmax } },
  'com.microsoft::BiasAdd': { as: { read: (g, { input: [x, bias, skip] }) => [g.add(x, bias, skip)] } },
  'com.microsoft::Trilu': { as: { read: asStandard } },
  'com.microsoft::GatherND': { as: { read: asStandard } },
  'com.microsoft::Pad': { as: { read: asStandard } },
  'com.microsoft::GridSample': { as: { read: asStandard } },
  'com.microsoft::Range': { as: { read: asStandard } },
  'com.microsoft::SampleOp': { as: { read: (g, { input: [x] }) => [g.identity(x)] } },
  'com.microsoft::Unique': { as: { read: unique } },
  'com.microsoft::ConvTransposeWithDynamicPads': { as: { read: paddedByInput } },
  'com.microsoft::ExpandDims': { as: { read: expandDims } },
};
