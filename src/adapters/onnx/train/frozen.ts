/**
 * The part of a graph of loss and gradients that no parameter comes into: its results are the same at every point.
 *
 * @module
 */
import { Graph, capturedBy, valueInfo } from '../ir/graph.ts';
import { opKey } from '../ir/domain.ts';
import { inferNode } from '../ops/infer.ts';
import { floatTypeIn } from '../passes/precision.ts';
import { prune } from '../passes/prune.ts';
import { decodeModel, encodeModel } from '../ir/model.ts';
import type { GraphProto, NodeProto } from 'onnx-buf';

/** A graph in two: what is the same at every point, and the rest, which is fed with it. */
export interface FrozenSplit {
  /** From the data to the features. */
  readonly frozen: Uint8Array;
  /** From the features, and what else of the data it needs, to the loss and its gradients. */
  readonly rest: Uint8Array;
  /** Names of the values that go from one to the other. */
  readonly features: readonly string[];
  /** Inputs of the frozen part, and those of the rest among the data. */
  readonly inputs: { readonly frozen: readonly string[]; readonly rest: readonly string[] };
}

/** Ops whose results are worth keeping; the others cost about as much as it takes to feed them. */
const heavy = new Set(
  `Conv ConvTranspose ConvInteger QLinearConv DeformConv MatMul MatMulInteger QLinearMatMul Gemm Einsum LSTM GRU RNN
   Attention DFT STFT Loop Scan If com.microsoft::Attention com.microsoft::MultiHeadAttention
   com.microsoft::GroupQueryAttention com.microsoft::MatMulNBits com.microsoft::DynamicQuantizeMatMul
   com.microsoft::FusedConv com.microsoft::FusedMatMul com.microsoft::QAttention`.split(/\s+/),
);

/** Ops that draw anew in each run. */
const random = new Set(
  'RandomNormal RandomUniform RandomNormalLike RandomUniformLike Bernoulli Multinomial Dropout'.split(' '),
);

/**
 * Splits a graph of loss and gradients; null if what is frozen is not worth it.
 *
 * @param bytes - made by `differentiate`
 * @param parameters - inputs of the graph that change from evaluation to evaluation
 */
export function splitFrozen(bytes: Uint8Array, parameters: readonly string[]): FrozenSplit | null {
  const model = decodeModel(bytes);
  const { graph } = model;
  const parts = sort(graph, new Set(parameters));
  if (parts === null) return null;
  const { types } = new Graph(graph, inferNode, floatTypeIn(graph));
  if (!parts.features.every((name) => types.get(name)?.dtype !== undefined)) return null;
  const infos = () =>
    parts.features.map((name) => valueInfo(name, types.get(name)?.dtype ?? 0, types.get(name)?.shape));

  const first = decodeModel(bytes);
  first.graph.output = infos();
  prune(first.graph);
  const data = graph.input.map(({ name }) => name).filter((name) => !parameters.includes(name));
  const frozenReads = readBy(first.graph.node);
  first.graph.input = first.graph.input.filter(({ name }) => frozenReads.has(name));

  const own = new Set(parts.frozen);
  graph.node = graph.node.filter((node) => !own.has(node));
  prune(graph);
  const reads = readBy(graph.node);
  graph.input = [
    ...graph.input.filter(({ name }) => parameters.includes(name) || reads.has(name)),
    ...infos(),
  ];
  return {
    frozen: encodeModel(first),
    rest: encodeModel(model),
    features: parts.features,
    inputs: {
      frozen: data.filter((name) => frozenReads.has(name)),
      rest: data.filter((name) => reads.has(name)),
    },
  };
}

const inputsOf = (node: NodeProto): string[] =>
  [...node.input, ...capturedBy(node)].filter((name) => name !== '');

const readBy = (nodes: readonly NodeProto[]): ReadonlySet<string> => new Set(nodes.flatMap(inputsOf));

/** The nodes that data come into and no parameter, and those of their results that other nodes read. */
function sort(graph: GraphProto, parameters: ReadonlySet<string>) {
  const moving = new Set(parameters);
  const still = new Set(graph.input.map(({ name }) => name).filter((name) => !parameters.has(name)));
  const data = new Set(still);
  const frozen: NodeProto[] = [];
  const others: NodeProto[] = [];
  for (const node of graph.node) {
    const inputs = inputsOf(node);
    const isMoving = random.has(opKey(node)) || inputs.some((name) => moving.has(name));
    const isFrozen = !isMoving && inputs.some((name) => still.has(name));
    (isFrozen ? frozen : others).push(node);
    for (const output of node.output) {
      if (isMoving) moving.add(output);
      else if (isFrozen) still.add(output);
    }
  }
  const results = graph.output.map(({ name }) => name);
  if (!frozen.some((node) => heavy.has(opKey(node))) || results.some((name) => still.has(name))) return null;
  const reads = readBy(others);
  const features = frozen
    .flatMap(({ output }) => output)
    .filter((name) => name !== '' && reads.has(name) && !data.has(name));
  return { frozen, features };
}
