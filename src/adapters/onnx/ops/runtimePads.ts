/**
 * Convolutions whose padding depends on sizes that only run time tells.
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { alongChannels, spatialAxes } from '../ir/channels.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering } from '../ir/op.ts';
import { isStatic, range } from '../ir/shape.ts';
import { refuseDilatedSame } from '../ir/window.ts';
import { isPaddedToSize, withPads } from './transposedPads.ts';

/** Attributes of a convolution as vectors of int64, one element an axis. */
interface Sizes {
  readonly axes: readonly number[];
  readonly kernel: Value;
  readonly strides: Value;
  readonly dilations: Value;
}

function sizesOf(g: Builder, w: Value, attributes: Attributes): Sizes {
  const axes = spatialAxes(g, w);
  const ones = axes.map(() => 1);
  const kernel = attributes.ints('kernel_shape');
  return {
    axes,
    kernel: kernel ? g.integers(kernel) : g.sizes(w, axes),
    strides: g.integers(attributes.ints('strides') ?? ones),
    dilations: g.integers(attributes.ints('dilations') ?? ones),
  };
}

/** Splits a padding into that of the start and that of the end; the smaller half comes first if `upper`. */
function halves(g: Builder, total: Value, upper: boolean): readonly [Value, Value] {
  const less = g.div(total, g.integers([2]));
  const more = g.sub(total, less);
  return upper ? [less, more] : [more, less];
}

const isUpper = (attributes: Attributes) => attributes.string('auto_pad', 'NOTSET') === 'SAME_UPPER';

/**
 * Returns the padding of all axes of an image by `auto_pad` SAME, by its spatial sizes: there are ⌈size / stride⌉ windows along
 * each axis.
 */
export function samePads(
  g: Builder,
  sizes: Value,
  { kernel, strides }: Pick<Sizes, 'kernel' | 'strides'>,
  attributes: Attributes,
): Value {
  const steps = g.div(g.sub(sizes, g.integers([1])), strides);
  const total = g.max(g.sub(g.add(g.mul(steps, strides), kernel), sizes), g.integers([0]));
  const none = g.integers([0, 0]);
  const [begin, end] = halves(g, total, isUpper(attributes));
  return g.concat([none, begin, none, end], 0);
}

/** The same, for a pooling; undefined if its padding is known beforehand. */
export function poolPads(g: Builder, x: Value, attributes: Attributes): Value | undefined {
  const kernel = attributes.ints('kernel_shape') ?? [];
  const strides = attributes.ints('strides') ?? kernel.map(() => 1);
  const isSame = attributes.string('auto_pad', 'NOTSET').startsWith('SAME');
  if (!isSame || isStatic(g.shapeOf(x)?.slice(2)) || strides.every((stride) => stride === 1))
    return undefined;
  const window = { kernel: g.integers(kernel), strides: g.integers(strides) };
  return samePads(g, g.sizes(x, spatialAxes(g, x)), window, attributes);
}

/**
 * Pads the input of a convolution with `auto_pad` SAME whose padding is not known before the graph runs.
 */
export const padsAtRunTime: Lowering = (g, node, attributes) => {
  if (!attributes.string('auto_pad', 'NOTSET').startsWith('SAME')) return undefined;
  const [x, w, bias] = node.input;
  if (g.shapeOf(x) === undefined || g.shapeOf(w) === undefined || arePadsKnown(g, node, attributes))
    return undefined;
  refuseDilatedSame(attributes);
  const { axes, kernel, strides } = sizesOf(g, w, attributes);
  const pads = samePads(g, g.sizes(x, axes), { kernel, strides }, attributes);
  const padded = g.pad(x, pads);
  return [g.inheriting(unpadded(node)).op(node.opType, [padded, w, bias || undefined])];
};

function arePadsKnown(g: Builder, { input: [x, w] }: NodeProto, attributes: Attributes): boolean {
  const kernel = attributes.ints('kernel_shape') ?? g.shapeOf(w)?.slice(2);
  const steps = attributes.ints('strides')?.some((stride) => stride !== 1) ?? false;
  return isStatic(kernel) && (!steps || isStatic(g.shapeOf(x)?.slice(2)));
}

/** Returns a node's attributes without those of its padding. */
const unpadded = ({ attribute }: NodeProto) =>
  attribute.filter(({ name }) => !['auto_pad', 'pads', 'output_shape'].includes(name));

/**
 * A transposed convolution that gives the size of its result, as pads where these are known beforehand; otherwise its
 * whole result is cut to that size, or lengthened by the bias.
 */
export const sizedTranspose: Lowering = (g, node, attributes) => {
  if (!isPaddedToSize(attributes)) return undefined;
  const [x, w] = node.input;
  const shape = g.shapeOf(x);
  const kernel = attributes.ints('kernel_shape') ?? g.shapeOf(w)?.slice(2);
  const known = isStatic(kernel) && (!attributes.has('output_shape') || isStatic(shape?.slice(2)));
  if (known || shape === undefined || g.shapeOf(w) === undefined) return withPads(g, node, attributes);
  return [cutToSize(g, node, attributes)];
};

function cutToSize(g: Builder, node: NodeProto, attributes: Attributes): Value {
  const [x, w, bias] = node.input;
  const { axes, kernel, strides, dilations } = sizesOf(g, w, attributes);
  const [zero, one] = [g.integers([0]), g.integers([1])];
  const extra = g.integers(attributes.ints('output_padding') ?? axes.map(() => 0));
  const reach = g.add(g.mul(dilations, g.sub(kernel, one)), one, extra);
  const length = g.add(g.mul(strides, g.sub(g.sizes(x, axes), one)), reach);
  const given = attributes.ints('output_shape')?.slice(-axes.length);
  // SAME does not lengthen what is shorter than its input times the strides.
  const total = given ? g.sub(length, g.integers(given)) : g.max(g.sub(reach, strides), zero);
  const [begin, end] = halves(g, g.max(total, zero), isUpper(attributes));
  const whole = g.inheriting(unpadded(node)).convolveTransposed(x, w);
  const cut = g.slices(whole, begin, g.sub(length, end), axes);
  const none = g.integers(range(axes.length + 4).map(() => 0));
  const y = given ? g.pad(cut, g.concat([none, g.max(g.neg(total), zero)], 0)) : cut;
  return bias ? g.add(y, alongChannels(g, bias, x)) : y;
}

/** A transposed convolution whose padding is an input: its whole result without the padded elements. */
export const paddedByInput: Lowering = (g, node, attributes) => {
  const [x, w, pads, bias] = node.input;
  const { axes } = sizesOf(g, w, attributes);
  const whole = g.inheriting(unpadded(node)).convolveTransposed(x, w);
  if (!pads) return [bias ? g.add(whole, alongChannels(g, bias, x)) : whole];
  const count = axes.length;
  const end = g.sub(g.sizes(whole, axes), g.slice(pads, count, 2 * count, 0));
  const cut = g.slices(whole, g.slice(pads, 0, count, 0), end, axes);
  return [bias ? g.add(cut, alongChannels(g, bias, x)) : cut];
};
