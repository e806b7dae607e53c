/**
 * Convolutions and poolings as products and sums of columns, for float64, which ONNX Runtime has no kernels for.
 *
 * @module
 */

import type { NodeProto } from 'onnx-buf';
import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { alongChannels, spatialAxes } from '../ir/channels.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering } from '../ir/op.ts';
import { range } from '../ir/shape.ts';
import { windowOf, type Window } from '../ir/window.ts';
import { padsAtRunTime, poolPads, sizedTranspose } from './runtimePads.ts';

/**
 * For each place of a window in its input and each place in the window, which element of the input it is,
 * counted row by row: int64, [K·O].
 *
 * @param kernel - spatial sizes of the window, a vector
 * @param sizes - spatial sizes of the (padded) input
 * @param outs - how many places it takes along each axis
 */
function placesOf(
  g: Builder,
  { strides, dilations }: Window,
  kernel: Value,
  sizes: Value,
  outs: Value,
): Value {
  const rank = strides.length;
  const elementOf = (vector: Value, i: number) => g.slice(vector, i, i + 1, 0);
  let places: Value | undefined;
  for (const i of range(rank)) {
    const inside = g.mul(g.places(elementOf(kernel, i), i, 2 * rank), dilations[i]);
    const start = g.mul(g.places(elementOf(outs, i), rank + i, 2 * rank), strides[i]);
    const along = g.add(inside, start);
    places = places === undefined ? along : g.add(g.mul(places, elementOf(sizes, i)), along);
  }
  return g.flat(places ?? refuse('its window has no axes.'));
}

const padded = (g: Builder, x: Value, { pads }: Window, value = 0, more = 0): Value => {
  const rank = pads.length / 2;
  if (pads.every((size) => size === 0) && more === 0) return x;
  const ends = pads.slice(rank).map((size) => size + more);
  return g.pad(x, [0, 0, ...pads.slice(0, rank), 0, 0, ...ends], value);
};

/** The elements that a window sees at each place, [N, C, K·O]; x is padded already. */
function columnsOf(g: Builder, x: Value, window: Window, kernel: Value, outs: Value): Value {
  const places = placesOf(g, window, kernel, g.sizes(x, spatialAxes(g, x)), outs);
  return g.gather(g.reshape(x, [0, 0, -1]), places, 2);
}

const join = (g: Builder, ...parts: (Value | readonly number[])[]) =>
  g.concat(
    parts.map((part) => (typeof part === 'string' ? part : g.integers(part))),
    0,
  );

/**
 * Number of places that a window takes along each axis of the padded x.
 *
 * @param more - elements that are added to each axis
 */
function outputsOf(
  g: Builder,
  x: Value,
  kernel: Value,
  { strides, dilations }: Window,
  more = strides.map(() => 0),
): Value {
  const span = g.add(g.mul(g.sub(kernel, ones(g, strides)), g.integers(dilations)), ones(g, strides));
  const free = g.sub(g.add(g.sizes(x, spatialAxes(g, x)), g.integers(more)), span);
  return g.add(g.div(free, g.integers(strides)), ones(g, strides));
}

const ones = (g: Builder, like: readonly number[]) => g.integers(like.map(() => 1));

/** Returns the elements that the window of a convolution sees at each place, [N, C, K·O], with the sizes K and O. */
function seenBy(g: Builder, node: NodeProto, attributes: Attributes) {
  const [x, w] = node.input;
  const window = windowOf(attributes, g.shapeOf(x), g.shapeOf(w)?.slice(2) ?? []);
  const kernel = g.sizes(w, spatialAxes(g, w));
  const input = padded(g, x, window);
  const outs = outputsOf(g, input, kernel, window);
  return { columns: columnsOf(g, input, window, kernel, outs), kernel, outs };
}

/** The inputs of a convolution of one group as those of a dense layer on each place: [N, O, C·K]. */
export function convolutionInputs(g: Builder, node: NodeProto, attributes: Attributes): Value {
  const { columns, kernel, outs } = seenBy(g, node, attributes);
  const depth = g.mul(g.sizes(node.input[1], [1]), g.product(kernel));
  return g.swap(g.reshape(columns, join(g, [0], depth, g.product(outs))));
}

/** A convolution as a product of matrices: the weight times the elements that each window sees. */
export const convByColumns: Lowering = (g, node, attributes) => {
  const padding = padsAtRunTime(g, node, attributes);
  if (padding) return padding;
  const [x, w, bias] = node.input;
  const group = attributes.int('group', 1);
  const { columns, kernel, outs } = seenBy(g, node, attributes);
  const depth = g.mul(g.sizes(w, [1]), g.product(kernel));
  const grouped = g.reshape(columns, join(g, [0, group], depth, g.product(outs)));
  const weight = g.reshape(w, join(g, [1, group, -1], depth));
  const y = g.reshape(g.matmul(weight, grouped), join(g, g.sizes(x, [0]), g.sizes(w, [0]), outs));
  return [bias ? g.add(y, alongChannels(g, bias, w)) : y];
};

/** The transpose of a convolution: products with the weight, each added to every place the window covers. */
export const convTransposeByColumns: Lowering = (g, node, attributes) => {
  const sized = sizedTranspose(g, node, attributes);
  if (sized) return sized;
  const [x, w, bias] = node.input;
  const axes = spatialAxes(g, w);
  const window = windowOf(attributes, g.shapeOf(x), g.shapeOf(w)?.slice(2) ?? []);
  const { strides, dilations, pads } = window;
  const group = attributes.int('group', 1);
  const kernel = g.sizes(w, axes);
  const outs = g.sizes(x, axes);
  const channels = g.sizes(w, [1]);
  const extra = g.integers(attributes.ints('output_padding') ?? strides.map(() => 0));
  const reach = g.mul(g.sub(kernel, ones(g, strides)), g.integers(dilations));
  const steps = g.mul(g.sub(outs, ones(g, strides)), g.integers(strides));
  const whole = g.add(g.add(g.add(reach, steps), ones(g, strides)), extra);

  const depth = g.mul(channels, g.product(kernel));
  const weight = g.swap(g.reshape(w, join(g, [1, group, -1], depth)));
  const seen = g.reshape(x, join(g, [0, group, -1], g.product(outs)));
  const batch = g.sizes(x, [0]);
  const all = g.mul(channels, g.integers([group]));
  const columns = g.reshape(g.matmul(weight, seen), join(g, batch, all, [-1]));
  const places = g.expand(placesOf(g, window, kernel, whole, outs), g.shape(columns));
  const zeros = g.filled(join(g, batch, all, g.product(whole)), 0, g.dtypeOf(x));
  const sum = g.scatterAdd(zeros, places, columns, 2);
  const full = g.reshape(sum, join(g, batch, all, whole));
  const end = g.sub(whole, g.integers(pads.slice(strides.length)));
  const y = g.slices(full, g.integers(pads.slice(0, strides.length)), end, axes);
  return [bias ? g.add(y, alongChannels(g, bias, w)) : y];
};

/** The means over windows: sums of columns, by the number of elements that count in each window. */
export const averagePoolByColumns: Lowering = (g, node, attributes) => {
  const [x] = node.input;
  const axes = spatialAxes(g, x);
  const shape = attributes.ints('kernel_shape') ?? [];
  const kernel = g.integers(shape);
  const given = poolPads(g, x, attributes);
  const window = windowOf(attributes, g.shapeOf(x), shape, given === undefined ? undefined : 'VALID');
  const { strides, pads } = window;
  const ceil = given === undefined && attributes.int('ceil_mode', 0) === 1;
  const more = ceil ? Math.max(...strides) - 1 : 0;
  const around = (v: Value, value: number) =>
    given === undefined
      ? padded(g, v, window, value)
      : g.op('Pad', [v, given, g.scalar(value, g.dtypeOf(v))]);
  const beyond = (v: Value) => padded(g, v, { ...window, pads: pads.map(() => 0) }, 0, more);
  const input = around(x, 0);
  const outs = ceil ? ceiled(g, x, input, kernel, window) : outputsOf(g, input, kernel, window);
  const sums = (v: Value) => {
    const columns = columnsOf(g, beyond(v), window, kernel, outs);
    const split = g.reshape(columns, join(g, [0, 0], g.product(kernel), g.product(outs)));
    return g.reshape(g.sum(split, [2], false), join(g, g.sizes(v, [0, 1]), outs));
  };
  const one = g.filled(join(g, [1, 1], g.sizes(x, axes)), 1, g.dtypeOf(x));
  // What lies beyond the padding never counts.
  return [g.div(sums(input), sums(around(one, attributes.int('count_include_pad', 0))))];
};

/** Number of places that a window takes with `ceil_mode`, of which the last begins before the padding at the end. */
function ceiled(g: Builder, x: Value, input: Value, kernel: Value, window: Window): Value {
  const { strides, pads } = window;
  const step = g.integers(strides);
  const more = strides.map((stride) => stride - 1);
  const whole = outputsOf(g, input, kernel, window, more);
  const reach = g.add(g.sizes(x, spatialAxes(g, x)), g.integers(strides.map((_, i) => pads[i] - 1)));
  return g.min(whole, g.add(g.div(reach, step), ones(g, strides)));
}
