import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { GraphProto, NodeProto } from 'onnx-buf';
import { refuse, type Fault } from '../errors.ts';
import { attributesOf, type Attributes } from '../graph/attributes.ts';
import { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { range } from '../graph/shape.ts';
import type { DType } from '../graph/tensor.ts';
import { inferNode } from '../infer/infer.ts';
import { faultOf } from '../sweep.ts';
import { opKey } from '../vjp.ts';

/** Writes a node in terms of others: the values of its outputs, or undefined to leave it as it is. */
export type Lowering = (
  g: Builder,
  node: NodeProto,
  attributes: Attributes,
) => readonly (Value | undefined)[] | undefined;

/** A BatchNormalization node in training mode, and this batch's statistics of which it keeps running means. */
export interface BatchStatistic {
  /** The initializer of the running mean or variance. */
  readonly running: string;
  /** The batch's own mean or (biased) variance, `[C]`. */
  readonly batch: Value;
  /** running ← momentum·running + (1 − momentum)·batch. */
  readonly momentum: number;
}

export interface Lowered {
  readonly g: Builder;
  readonly statistics: readonly BatchStatistic[];
  /** Grows as more is found. */
  readonly faults: Fault[];
}

/** Rebuilds a graph node by node, with what can be known of each value worked out, and some nodes written anew. */
export function lower(graph: GraphProto, float: DType, more: ReadonlyMap<string, Lowering>): Lowered {
  const nodes = graph.node;
  graph.node = [];
  const g = new Builder(graph, float, nodes);
  const statistics: BatchStatistic[] = [];
  const faults: Fault[] = [];
  const lowerings = new Map([
    ['Dropout', dropout],
    ['BatchNormalization', batchNormalization(statistics)],
    ...more,
  ]);
  for (const node of nodes) {
    try {
      inferNode(g, node);
      const values = lowerings.get(opKey(node))?.(g, node, attributesOf(node));
      if (values === undefined) g.append(node);
      else node.output.forEach((output, k) => output && rename(g, node, values[k], output));
    } catch (error) {
      faults.push(faultOf(node, error));
      g.append(
        create(NodeProtoSchema, { ...node, opType: 'Identity', input: [node.input[0]], attribute: [] }),
      );
    }
  }
  return { g, statistics, faults };
}

/** Gives a value the name that the node's output had. */
function rename(g: Builder, node: NodeProto, value: Value | undefined, output: string): void {
  if (value === undefined) refuse(`its output ${JSON.stringify(output)} is used, and cannot be had here.`);
  const made = g.proto.node.at(-1);
  // The name of the node it stands for goes to the last of those written, for messages.
  if (made?.output[0] === value) made.name = node.name || made.name;
  g.append(
    create(NodeProtoSchema, {
      opType: 'Identity',
      name: `${output}/out`,
      input: [value],
      output: [output],
    }),
  );
}

/** A parameter search sees a deterministic loss: dropout is for inference. */
const dropout: Lowering = (g, node) => {
  const [, mask] = node.output;
  return [node.input[0], mask ? g.cast(g.filled(g.shape(node.input[0]), 1), 9) : undefined];
};

/** In training mode, by this batch's mean and variance, which the gradient then flows through. */
const batchNormalization =
  (statistics: BatchStatistic[]): Lowering =>
  (g, node, attributes) => {
    if (attributes.int('training_mode', 0) === 0) return undefined;
    const [x, scale, bias, runningMean, runningVariance] = node.input;
    const momentum = attributes.float('momentum', 0.9);
    const rank = g.rank(x);
    const axes = [0, ...range(rank - 2, 2)];
    const alongChannels = (v: Value) => g.reshape(v, [1, -1, ...range(rank - 2).fill(1)]);
    const mean = g.mean(x, axes);
    const centred = g.sub(x, mean);
    const variance = g.mean(g.square(centred), axes);
    const deviation = g.sqrt(g.add(variance, attributes.float('epsilon', 1e-5)));
    const y = g.add(g.mul(g.div(centred, deviation), alongChannels(scale)), alongChannels(bias));
    const batches = [g.flat(mean), g.flat(variance)];
    const next = [runningMean, runningVariance].map((running, k) => {
      if (!g.constants.has(running)) return undefined;
      statistics.push({ running, batch: batches[k], momentum });
      return node.output[k + 1]
        ? g.add(g.mul(momentum, running), g.mul(1 - momentum, batches[k]))
        : undefined;
    });
    return [y, ...next];
  };
