/**
 * Batch normalization in training mode: by the mean and variance of the batch, which the gradient flows through.
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { alongChannels, exceptChannels } from '../ir/channels.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, Op } from '../ir/op.ts';
import { DType } from '../ir/tensor.ts';
import type { Cotangents, VjpContext } from '../ir/vjp.ts';
import { totalOf } from './standardize.ts';

const epsilonOf = (attributes: Attributes) => attributes.float('epsilon', 1e-5);

/** The result, and the mean and the biased variance of the batch, `[C]`. */
type Normalized = readonly [y: Value, mean: Value, variance: Value];

/**
 * Replaces a node in training mode by one whose other outputs are the statistics of the batch, or by simpler ops.
 *
 * @see {@link https://onnx.ai/onnx/operators/onnx__BatchNormalization.html}: running ← momentum·running + (1 − momentum)·batch
 */
export const byBatchStatistics: Lowering = (g, node, attributes) => {
  if (attributes.int('training_mode', 0) === 0 || isByBatch(node)) return undefined;
  const [x, , , runningMean, runningVariance] = node.input;
  const momentum = attributes.float('momentum', 0.9);
  const make = suitsOneNode(g, x) ? byOneNode : byParts;
  const [y, ...batches] = make(g, node, attributes);
  const next = [runningMean, runningVariance].map((running, k) => {
    if (g.constants.has(running)) g.statistics.push({ running, batch: batches[k], momentum });
    return node.output[k + 1] ? g.add(g.mul(momentum, running), g.mul(1 - momentum, batches[k])) : undefined;
  });
  return [y, ...next];
};

/** Subtracts the mean first, so that a mean much larger than the deviation costs no digits. */
function byParts(g: Builder, { input }: NodeProto, attributes: Attributes): Normalized {
  const [x, scale, bias] = input;
  const axes = exceptChannels(g, x);
  const along = (vector: Value) => alongChannels(g, vector, x);
  // Factors of one number per channel are combined first, here and in the gradient.
  const mean = g.mean(x, axes);
  const centered = g.add(x, g.neg(mean));
  // In ONNX Runtime, Pow and ReduceMean take two thirds of the time of ReduceSumSquare over axes that are not adjacent.
  const variance = g.mean(g.pow(centered, 2), axes);
  const deviation = g.sqrt(g.add(variance, epsilonOf(attributes)));
  const y = g.add(g.mul(centered, g.div(along(scale), deviation)), along(bias));
  return [y, g.flat(mean), g.flat(variance)];
}

/** Products whose results have means of the order of their deviation. */
const convolutions = new Set<Op['product']>(['convolution', 'transposedConvolution']);

/** In float64 digits come first; WebGPU has no kernel. */
const suitsOneNode = (g: Builder, x: Value): boolean =>
  g.dtypeOf(x) === DType.FLOAT && g.platform !== 'webgpu' && convolutions.has(g.traitsOf(x)?.product);

/** Nodes made by {@link byOneNode}. */
const made = new WeakSet<NodeProto>();

/** True if the other outputs of a BatchNormalization node are the statistics of the batch. */
export const isByBatch = (node: NodeProto): boolean => made.has(node);

/**
 * ONNX Runtime's own training mode, in a fifth of the time. It computes x·s + t as torch does, which loses digits where
 * the mean is much larger than the deviation, as in raw data; in the result of a convolution it is not.
 */
function byOneNode(g: Builder, { input }: NodeProto, attributes: Attributes): Normalized {
  const [x, scale, bias] = input;
  const [y, mean, variance] = g.normalizeBatch(
    x,
    [scale, bias, ...twoBuffers(g, x)],
    // With a momentum of 0, the new running statistics are those of the batch.
    { training_mode: 1, momentum: 0, epsilon: epsilonOf(attributes) },
    3,
  );
  const node = g.makerOf(y);
  if (node) made.add(node);
  return [y, mean, variance];
}

/**
 * Two vectors of zeros, `[C]`, computed from x in each run. ONNX Runtime (1.30) overwrites the old statistics with the
 * new ones, even if they are constants or shared with another node; two nodes on the same x may share them.
 */
function twoBuffers(g: Builder, x: Value): readonly [Value, Value] {
  const axes = exceptChannels(g, x);
  const ends = (value: number) => g.integers(axes.map(() => value));
  const one = g.flat(g.slices(x, ends(0), ends(1), axes));
  const first = g.mul(one, 0);
  return [first, g.neg(first)];
}

const filledLike = (g: Builder, vector: Value, value: number): Value =>
  g.once(`${value} in the shape of ${vector}`, () => g.filled(g.shape(vector), value, g.dtypeOf(vector)));

/**
 * The cotangents of x, scale and bias of a node by {@link byOneNode}. With r = 1/√(variance + ε), n elements a channel
 * and D = Σ dy·(x − mean), dx = scale·r·(dy − Σdy/n − (x − mean)·r²·D/n) + dmean/n + 2·(x − mean)·dvariance/n. It is
 * computed as a·dy + b·x + c with one number a channel each.
 */
export function throughBatch({ g, inputs, outputs, dys, needs, attributes }: VjpContext): Cotangents {
  const [x, scale] = inputs;
  const [, mean, variance] = outputs;
  const [dy, dMean, dVariance] = dys;
  const axes = exceptChannels(g, x);
  const r = g.div(1, g.sqrt(g.add(variance, epsilonOf(attributes))));
  const total = dy && g.sum(dy, axes, false);
  const along = dy && total && g.sub(g.sum(g.mul(dy, x), axes, false), g.mul(mean, total));
  const through = () => {
    const share = g.div(g.count(mean, x), g.count(x, x));
    const a = g.mul(scale, r);
    const slope = totalOf(g, [dVariance && g.mul(2, dVariance), along && g.neg(g.mul(a, r, r, along))]);
    const level = totalOf(g, [dMean, total && g.neg(g.mul(a, total))]);
    const b = slope && g.mul(share, slope);
    const c = totalOf(g, [level && g.mul(share, level), b && g.neg(g.mul(b, mean))]);
    const sloped = b && g.mul(x, alongChannels(g, b, x));
    const rest = dy && c ? affine(g, dy, a, c) : c && g.expandLike(alongChannels(g, c, x), x);
    return totalOf(g, [rest, sloped]);
  };
  // What the statistics are written over does not matter.
  return [
    needs(0) && through(),
    needs(1) && along && g.mul(r, along),
    needs(2) && total,
    undefined,
    undefined,
  ];
}

/** a·x + c with one number a channel each, in one pass. */
function affine(g: Builder, x: Value, a: Value, c: Value): Value {
  const [mean, variance] = [0, 1].map((value) => filledLike(g, a, value));
  return g.normalizeBatch(x, [a, c, mean, variance], { epsilon: 0 })[0];
}
