import { sizeOf } from '../../../core/layout.ts';
import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { spatialAxes } from '../ir/channels.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering } from '../ir/op.ts';
import { windowOf, type Window } from '../ir/window.ts';
import { poolPads } from './runtimePads.ts';

/** Sums over windows of an image `[N, C, …]` that is padded already. */
function sumsOver(g: Builder, x: Value, kernel: readonly number[], { strides, dilations }: Window): Value {
  if (dilations.every((dilation) => dilation === 1)) {
    const average = g.averages(x, { kernel_shape: kernel, strides });
    return g.mul(average, sizeOf(kernel));
  }
  // AveragePool has had dilations since opset 19 only: each channel is convolved with ones.
  const spatial = g.sizes(x, spatialAxes(g, x));
  const single = g.reshapeTo(x, g.concat([g.product(g.sizes(x, [0, 1])), g.integers([1]), spatial], 0));
  const ones = g.constant(g.floatTypeOf(x), [1, 1, ...kernel], Array<number>(sizeOf(kernel)).fill(1));
  const sums = g.convolve(single, ones, { strides, dilations });
  return g.reshapeTo(sums, g.concat([g.sizes(x, [0, 1]), g.sizes(sums, spatialAxes(g, sums))], 0));
}

/** Sums of powers over windows, by explicit zeros around the image. */
function windowSums(g: Builder, powers: Value, kernel: readonly number[], attributes: Attributes): Value {
  const given = poolPads(g, powers, attributes);
  if (given !== undefined)
    return sumsOver(g, g.pad(powers, given), kernel, windowOf(attributes, undefined, kernel, 'VALID'));
  const window = windowOf(attributes, g.shapeOf(powers), kernel);
  const { strides, pads } = window;
  const rank = kernel.length;
  const ceil = attributes.int('ceil_mode', 0) !== 0;
  const begins = pads.slice(0, rank);
  // With ceil_mode there is one more window where a part of one is left; zeros fill it.
  const ends = pads.slice(rank).map((end, i) => (ceil ? end + strides[i] - 1 : end));
  const around = [0, 0, ...begins, 0, 0, ...ends];
  const padded = around.some((pad) => pad !== 0) ? g.pad(powers, around) : powers;
  const sums = sumsOver(g, padded, kernel, window);
  if (!ceil) return sums;
  // A window that starts in the padding after the end is dropped.
  const axes = spatialAxes(g, powers);
  const reach = g.add(g.sizes(powers, axes), g.integers(begins.map((begin, i) => begin + strides[i] - 1)));
  const most = g.div(reach, g.integers(strides));
  return g.slices(sums, g.integers(axes.map(() => 0)), most, axes);
}

/** The p-norm of each window: a root of the sum of p-th powers. */
export const lpPool: Lowering = (g, node, attributes) => {
  const [x] = node.input;
  const kernel = attributes.ints('kernel_shape') ?? refuse('it has no kernel_shape.');
  const p = attributes.int('p', 2);
  const powers = p === 2 ? g.square(x) : p === 1 ? g.abs(x) : g.pow(g.abs(x), p);
  const sum = windowSums(g, powers, kernel, attributes);
  // Where all of a window is 0, so is the gradient.
  const origin = g.equal(sum, 0);
  return [g.where(origin, 0, g.pow(g.where(origin, 1, sum), 1 / p))];
};
