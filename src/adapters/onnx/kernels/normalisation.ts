import type { Value } from '../ir/graph.ts';
import { alongChannels, channelWindow, spatialAxes } from '../ir/channels.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { hotPlaces } from '../ops/oneHot.ts';
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

/** True if its statistics are outputs: those of ONNX Runtime are float32. */
const layer: Lowering = (g, node, attributes) => {
  if (!node.output.slice(1).some(Boolean)) return undefined;
  const [x, scale, bias] = node.input;
  const rank = g.rank(x);
  const axis = axisFrom(attributes.int('axis', -1), rank);
  const axes = range(rank - axis, axis);
  const { xhat, reciprocal } = standardise(g, x, axes, attributes.float('epsilon', 1e-5));
  const scaled = g.mul(xhat, scale);
  return [bias ? g.add(scaled, bias) : scaled, g.mean(x, axes), reciprocal];
};

const simplifiedLayer: Lowering = (g, node, attributes) => {
  if (!node.output[1]) return undefined;
  const [x, scale] = node.input;
  const rank = g.rank(x);
  const axis = axisFrom(attributes.int('axis', -1), rank);
  const squares = g.mean(g.square(x), range(rank - axis, axis));
  const reciprocal = g.div(1, g.sqrt(g.add(squares, attributes.float('epsilon', 1e-5))));
  return [g.mul(x, reciprocal, scale), reciprocal];
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
  const [off, on] = [g.slice(values, 0, 1, 0), g.slice(values, 1, 2, 0)].map((v) => g.squeeze(v, [0]));
  return [g.where(hotPlaces(g, indices, depth, attributes), on, off)];
};

export const normalisationKernels = new Map<string, Lowering>([
  ['InstanceNormalization', instance],
  ['GroupNormalization', group],
  ['LayerNormalization', layer],
  ['SimplifiedLayerNormalization', simplifiedLayer],
  ['LRN', localResponse],
  ['OneHot', oneHot],
]);
