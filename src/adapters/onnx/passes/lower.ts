import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { GraphProto } from 'onnx-buf';
import type { Fault } from '../ir/errors.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { alongChannels, exceptChannels } from '../ir/channels.ts';
import { DType } from '../ir/tensor.ts';
import { unusualRecurrent } from '../expansions/recurrent.ts';
import { ceilModes } from './ceilMode.ts';
import { faultOf } from './sweep.ts';
import { rewrite, type Lowering } from './rewrite.ts';

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

/** Rebuilds a graph, in place, in the form that the rules of gradients are for. */
export function lower(graph: GraphProto, float: DType, more: ReadonlyMap<string, Lowering>): Lowered {
  const statistics: BatchStatistic[] = [];
  const faults: Fault[] = [];
  const lowerings = new Map([
    ['Dropout', dropout],
    ['BatchNormalization', batchNormalization(statistics)],
    ...unusualRecurrent,
    ...ceilModes,
    ...more,
  ]);
  const g = rewrite(graph, float, lowerings, (g, node, error) => {
    faults.push(faultOf(node, error));
    // So that faults further down the graph are found too; the result is thrown away.
    const { name, output } = node;
    g.append(create(NodeProtoSchema, { opType: 'Identity', name, input: [node.input[0] ?? ''], output }));
  });
  return { g, statistics, faults };
}

/** A Dropout in inference, or with a ratio of 0, does nothing; one that may be in training mode is left as it is. */
const dropout: Lowering = (g, node, attributes) => {
  const [, ratio, training] = node.input;
  const idle = !training || g.integersOf(training)?.[0] === 0 || (ratio && g.scalarOf(ratio) === 0);
  return idle ? dropoutOff(g, node, attributes) : undefined;
};

/** A Dropout that drops nothing, whatever its mode: a parameter search needs a deterministic loss. */
export const dropoutOff: Lowering = (g, node) => {
  const [, mask] = node.output;
  return [node.input[0], mask ? g.cast(g.filled(g.shape(node.input[0]), 1), DType.BOOL) : undefined];
};

/** In training mode, by this batch's mean and variance, which the gradient then flows through. */
const batchNormalization =
  (statistics: BatchStatistic[]): Lowering =>
  (g, node, attributes) => {
    if (attributes.int('training_mode', 0) === 0) return undefined;
    const [x, scale, bias, runningMean, runningVariance] = node.input;
    const momentum = attributes.float('momentum', 0.9);
    const axes = exceptChannels(g, x);
    const along = (vector: Value) => alongChannels(g, vector, x);
    // What is small is worked out first, on one number a channel, here and in the gradient.
    const mean = g.mean(x, axes);
    const centred = g.add(x, g.neg(mean));
    const squares = g.op('ReduceSumSquare', [centred, g.integers(axes)]);
    const variance = g.div(squares, g.div(g.count(x, x), g.count(mean, x)));
    const deviation = g.sqrt(g.add(variance, attributes.float('epsilon', 1e-5)));
    const y = g.add(g.mul(centred, g.div(along(scale), deviation)), along(bias));
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
