/**
 * Splits off the part of a gradient graph that depends on no parameter: its results are the same at every point.
 *
 * @module
 */
import { Builder } from '../ir/builder.ts';
import { readBy, valueInfo } from '../ir/graph.ts';
import { opOf } from '../ops/index.ts';
import { opKnowledge } from '../ops/infer.ts';
import { floatTypeIn } from '../passes/precision.ts';
import { prune } from '../passes/prune.ts';
import { decodeModel, encodeModel } from '../ir/model.ts';
import type { GraphProto, NodeProto } from 'onnx-buf';

/** A graph in two parts: the frozen part, the same at every point, and the rest, which is fed with its results. */
export interface FrozenSplit {
  /** Graph from the data to the features. */
  readonly frozen: Uint8Array;
  /** Graph from the features, and the data that it also needs, to the loss and its gradients. */
  readonly rest: Uint8Array;
  /** Names of the values that are passed from the frozen part to the rest. */
  readonly features: readonly string[];
  /** Data inputs of each part. */
  readonly inputs: { readonly frozen: readonly string[]; readonly rest: readonly string[] };
}

/**
 * True if the result of a node is worth keeping: computing the others costs no more than feeding their results. An op that
 * would have been replaced, but for a rule of the user, or that has no entry may be costly.
 */
function isWorthKeeping(node: NodeProto): boolean {
  const op = opOf(node);
  return op === undefined || op.isCostly === true || op.as?.read !== undefined;
}

/** True if {@link splitFrozen} may split a gradient graph; takes the graph before it is encoded. */
export const hasFrozenPart = (graph: GraphProto, parameters: readonly string[]): boolean =>
  frozenNodes(graph, new Set(parameters)) !== null;

/**
 * Splits a gradient graph; returns null if the frozen part is not worth it.
 *
 * @param bytes - made by `differentiate`
 * @param parameters - inputs of the graph that change from evaluation to evaluation
 */
export function splitFrozen(bytes: Uint8Array, parameters: readonly string[]): FrozenSplit | null {
  const model = decodeModel(bytes);
  const { graph } = model;
  const parts = frozenNodes(graph, new Set(parameters));
  if (parts === null) return null;
  const { types } = new Builder(graph, opKnowledge, floatTypeIn(graph));
  if (!parts.features.every((name) => types.get(name)?.dtype !== undefined)) return null;
  const infos = () =>
    parts.features.map((name) => valueInfo(name, types.get(name)?.dtype ?? 0, types.get(name)?.shape));

  const first = decodeModel(bytes);
  first.graph.output = infos();
  prune(first.graph);
  const data = graph.input.map(({ name }) => name).filter((name) => !parameters.includes(name));
  const frozenReads = allReadBy(first.graph.node);
  first.graph.input = first.graph.input.filter(({ name }) => frozenReads.has(name));

  graph.node = graph.node.filter((node) => !parts.frozen.has(node));
  prune(graph);
  const reads = allReadBy(graph.node);
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

const allReadBy = (nodes: readonly NodeProto[]): ReadonlySet<string> => new Set(nodes.flatMap(readBy));

/** Returns the nodes that depend on data but on no parameter, and their results that other nodes read. */
function frozenNodes(graph: GraphProto, parameters: ReadonlySet<string>) {
  const moving = new Set(parameters);
  const still = new Set(graph.input.map(({ name }) => name).filter((name) => !parameters.has(name)));
  const frozen = new Set<NodeProto>();
  for (const node of graph.node) {
    const inputs = readBy(node);
    const isMoving = opOf(node)?.draws !== undefined || inputs.some((name) => moving.has(name));
    const isFrozen = !isMoving && inputs.some((name) => still.has(name));
    if (isFrozen) frozen.add(node);
    for (const output of node.output) {
      if (output === '') continue;
      if (isMoving) moving.add(output);
      else if (isFrozen) still.add(output);
    }
  }
  const results = graph.output.map(({ name }) => name);
  if (![...frozen].some(isWorthKeeping) || results.some((name) => still.has(name))) return null;
  const reads = allReadBy(graph.node.filter((node) => !frozen.has(node)));
  const features = [...frozen]
    .flatMap(({ output }) => output)
    .filter((name) => name !== '' && reads.has(name));
  return { frozen, features };
}
