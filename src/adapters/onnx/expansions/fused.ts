import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import { decimalOf, type Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { Lowering } from '../passes/rewrite.ts';

/** The part of a fused node that is an op of its own: with all attributes but those of the activation. */
function without(g: Builder, node: NodeProto, opType: string, inputs: number): Value {
  const output = g.fresh(opType);
  const attribute = node.attribute.filter(({ name }) => !name.startsWith('activation'));
  const input = node.input.slice(0, inputs);
  g.append(create(NodeProtoSchema, { opType, name: output, input, output: [output], attribute }));
  return output;
}

/** An activation's attributes are named `activation_alpha`, and so on. */
const fusedGemm: Lowering = (g, node, attributes) => {
  const product = without(g, node, 'Gemm', 3);
  const activation = attributes.string('activation', '');
  if (activation === '') return [product];
  const given = ['alpha', 'beta', 'gamma']
    .filter((name) => attributes.has(`activation_${name}`))
    .map((name) => [name, attributes.float(`activation_${name}`, 0)]);
  return [g.op(activation, [product], Object.fromEntries(given))];
};

/** A fourth input is added before the activation, whose attributes are given in their order. */
const fusedConv: Lowering = (g, node, attributes) => {
  const convolved = without(g, node, 'Conv', 3);
  const sum = node.input[3] ? g.add(convolved, node.input[3]) : convolved;
  const activation = attributes.string('activation', '');
  const [alpha, beta] = (attributes.floats('activation_params') ?? []).map(decimalOf);
  if (activation === '') return [sum];
  if (activation === 'Clip') return [g.op('Clip', [sum, alpha, beta])];
  return [g.op(activation, [sum], { alpha, beta })];
};

/** α·A'·B', where A' is A with its first axis moved to before the last, or its last two swapped, or both. */
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

const gelu = (g: Builder, x: Value) => g.mul(0.5, x, g.add(g.op('Erf', [g.div(x, Math.SQRT2)]), 1));

/** Gelu with tanh u in place of the error function, u = √(2/π)·(x + 0.044715·x³). */
const fastGelu = (g: Builder, x: Value) => {
  const u = g.mul(Math.sqrt(2 / Math.PI), x, g.add(g.mul(0.044715, g.square(x)), 1));
  return g.mul(0.5, x, g.add(g.tanh(u), 1));
};

const quickGelu = (g: Builder, x: Value, attributes: Attributes) =>
  g.mul(x, g.sigmoid(g.mul(attributes.float('alpha', 1.702), x)));

/** f(x), or f(x + bias) where there is a bias. */
const biased =
  (f: (g: Builder, x: Value, attributes: Attributes) => Value): Lowering =>
  (g, { input: [x, bias] }, attributes) => [f(g, bias ? g.add(x, bias) : x, attributes)];

const epsilonOf = (attributes: Attributes) => attributes.float('epsilon', 1e-12);

/** Layer normalisation of a sum, which is the fourth output. */
const skipLayer: Lowering = (g, node, attributes) => {
  const [x, skip, gamma, beta, bias] = node.input;
  const sum = g.add(x, skip, ...(bias ? [bias] : []));
  const y = g.op('LayerNormalization', [sum, gamma, beta], { axis: -1, epsilon: epsilonOf(attributes) });
  return [y, undefined, undefined, sum];
};

const skipSimplifiedLayer: Lowering = (g, node, attributes) => {
  const [x, skip, gamma, bias] = node.input;
  const sum = g.add(x, skip, ...(bias ? [bias] : []));
  const size = g.sqrt(g.add(g.mean(g.square(sum), [-1]), epsilonOf(attributes)));
  return [g.mul(g.div(sum, size), gamma), undefined, undefined, sum];
};

/** Layer normalisation of the sum of the embeddings of words, their places and their segments. */
const embedLayer: Lowering = (g, node, attributes) => {
  const [words, segments, wordTable, placeTable, segmentTable, gamma, beta, mask, places] = node.input;
  const pick = (table: Value, indices: Value) => g.op('Gather', [table, indices]);
  const terms = [places ? pick(placeTable, places) : g.slice(placeTable, 0, g.sizes(words, [1]), 0)];
  if (segments) terms.push(pick(segmentTable, segments));
  const sum = g.add(pick(wordTable, words), ...terms);
  const y = g.op('LayerNormalization', [sum, gamma, beta], { axis: -1, epsilon: epsilonOf(attributes) });
  const lengths = mask
    ? g.sum(g.cast(g.equal(mask, 1), DType.INT32), [1], false)
    : g.filled(g.sizes(words, [0]), 0, DType.INT32);
  return [y, lengths, sum];
};

/** What ONNX Runtime's optimiser fuses on the CPU, taken apart again. */
export const fused = new Map<string, Lowering>([
  ['com.microsoft::FusedConv', fusedConv],
  ['com.microsoft::FusedGemm', fusedGemm],
  ['com.microsoft::FusedMatMul', fusedMatMul],
  ['com.microsoft::TransposeMatMul', fusedMatMul],
  ['com.microsoft::Gelu', biased(gelu)],
  ['com.microsoft::BiasGelu', biased(gelu)],
  ['com.microsoft::FastGelu', biased(fastGelu)],
  ['com.microsoft::QuickGelu', biased(quickGelu)],
  ['com.microsoft::SkipLayerNormalization', skipLayer],
  ['com.microsoft::SkipSimplifiedLayerNormalization', skipSimplifiedLayer],
  ['com.microsoft::EmbedLayerNormalization', embedLayer],
]);
