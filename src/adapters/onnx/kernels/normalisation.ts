import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { range } from '../graph/shape.ts';
import type { Lowering } from '../passes/rewrite.ts';
import { channelWindow } from '../rules/normalisation.ts';

const instance: Lowering = (g, node, attributes) => {
  const [x, scale, bias] = node.input;
  const rank = g.rank(x);
  const along = (v: Value) => g.reshape(v, [1, -1, ...range(rank - 2).fill(1)]);
  const epsilon = attributes.float('epsilon', 1e-5);
  return [g.add(g.mul(standardised(g, x, range(rank - 2, 2), epsilon), along(scale)), along(bias))];
};

function standardised(g: Builder, x: Value, axes: readonly number[], epsilon: number): Value {
  const centred = g.sub(x, g.mean(x, axes));
  return g.div(centred, g.sqrt(g.add(g.mean(g.square(centred), axes), epsilon)));
}

/** By the standard's function, whose float64 form would compute in float32. */
const group: Lowering = (g, node, attributes) => {
  const [x, scale, bias] = node.input;
  const rank = g.rank(x);
  const groups = attributes.int('num_groups', 1);
  const grouped = g.reshape(x, [0, groups, -1]);
  const xhat = standardised(g, grouped, [2], attributes.float('epsilon', 1e-5));
  // One number a group before opset 21, one a channel since.
  if (g.shapeOf(scale)?.[0] === groups) {
    const along = (v: Value) => g.reshape(v, [1, groups, 1]);
    return [g.reshapeLike(g.add(g.mul(xhat, along(scale)), along(bias)), x)];
  }
  const along = (v: Value) => g.reshape(v, [1, -1, ...range(rank - 2).fill(1)]);
  return [g.add(g.mul(g.reshapeLike(xhat, x), along(scale)), along(bias))];
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
  const hot = g.op('OneHot', [indices, depth, g.constant(7, [2], [0, 1])], {
    axis: attributes.int('axis', -1),
  });
  const [off, on] = [g.slice(values, 0, 1, 0), g.slice(values, 1, 2, 0)].map((v) => g.squeeze(v, [0]));
  return [g.where(g.cast(hot, 9), on, off)];
};

export const normalisationKernels = new Map<string, Lowering>([
  ['InstanceNormalization', instance],
  ['GroupNormalization', group],
  ['LRN', localResponse],
  ['OneHot', oneHot],
]);
