import type { Value } from '../graph/graph.ts';
import { alongChannels, channelWindow, spatialAxes } from '../graph/channels.ts';
import { DType } from '../graph/tensor.ts';
import type { Lowering } from '../passes/rewrite.ts';
import { standardise } from '../rules/normalisation.ts';

const instance: Lowering = (g, node, attributes) => {
  const [x, scale, bias] = node.input;
  const { xhat } = standardise(g, x, spatialAxes(g, x), attributes.float('epsilon', 1e-5));
  return [g.add(g.mul(xhat, alongChannels(g, scale, x)), alongChannels(g, bias, x))];
};

/** By the standard's function, whose float64 form would compute in float32. */
const group: Lowering = (g, node, attributes) => {
  const [x, scale, bias] = node.input;
  const groups = attributes.int('num_groups', 1);
  const grouped = g.reshape(x, [0, groups, -1]);
  const { xhat } = standardise(g, grouped, [2], attributes.float('epsilon', 1e-5));
  // One number a group before opset 21, one a channel since.
  if (g.shapeOf(scale)?.[0] === groups) {
    const along = (v: Value) => g.reshape(v, [1, groups, 1]);
    return [g.reshapeLike(g.add(g.mul(xhat, along(scale)), along(bias)), x)];
  }
  const scaled = g.mul(g.reshapeLike(xhat, x), alongChannels(g, scale, x));
  return [g.add(scaled, alongChannels(g, bias, x))];
};

const localResponse: Lowering = (g, node, attributes) => {
  const [x] = node.input;
  const size = attributes.int('size', 1);
  const alpha = attributes.float('alpha', 1e-4) / size;
  const window = channelWindow(g, g.square(x), Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2));
  const scale = g.add(g.mul(alpha, window), attributes.float('bias', 1));
  return [g.mul(x, g.pow(scale, -attributes.float('beta', 0.75)))];
};

const oneHot: Lowering = (g, node, attributes) => {
  const [indices, depth, values] = node.input;
  const hot = g.op('OneHot', [indices, depth, g.constant(DType.INT64, [2], [0, 1])], {
    axis: attributes.int('axis', -1),
  });
  const [off, on] = [g.slice(values, 0, 1, 0), g.slice(values, 1, 2, 0)].map((v) => g.squeeze(v, [0]));
  return [g.where(g.cast(hot, DType.BOOL), on, off)];
};

export const normalisationKernels = new Map<string, Lowering>([
  ['InstanceNormalization', instance],
  ['GroupNormalization', group],
  ['LRN', localResponse],
  ['OneHot', oneHot],
]);
