/**
 * The part of a convolution's input that its windows reach.
 *
 * @module
 */
import type { Builder } from '../ir/builder.ts';
import { spatialAxes } from '../ir/channels.ts';
import type { Value } from '../ir/graph.ts';
import { isStatic, type Shape } from '../ir/shape.ts';
import type { Window } from '../ir/window.ts';

/** A convolution's window and its number of groups. */
export interface Convolution extends Window {
  readonly group: number;
}

/** Sizes of the axes after the channels', where known. */
export const spatialSizes = (g: Builder, x: Value): Shape | undefined => g.shapeOf(x)?.slice(2);

/** Length of the padded input's end that no window reached, along each axis; undefined where only run time can tell. */
export function missedEnds(
  g: Builder,
  x: Value,
  d: Value,
  { kernel, strides, dilations, pads }: Convolution,
): readonly number[] | undefined {
  const [sizes, outs] = [spatialSizes(g, x), spatialSizes(g, d)];
  if (!isStatic(sizes) || !isStatic(outs) || !isStatic(kernel)) return undefined;
  return sizes.map((size, i) => {
    const reached = (outs[i] - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1;
    return size + pads[i] + pads[i + sizes.length] - reached;
  });
}

/** A convolution's input and its padding without what no window reached: it would be convolved for nothing. */
export function withoutMissedEnds(g: Builder, x: Value, d: Value, convolution: Convolution) {
  const { pads, strides } = convolution;
  const missed = missedEnds(g, x, d, convolution);
  const sizes = spatialSizes(g, x);
  if (missed === undefined || !isStatic(sizes)) return { reached: x, pads };
  const [begins, ends] = [pads.slice(0, strides.length), pads.slice(strides.length)];
  // At least one element, where all windows lie in the padding: ONNX Runtime takes no empty images.
  const kept = sizes.map((size, i) => Math.max(1, size - Math.max(0, missed[i] - ends[i])));
  return {
    reached: cutTo(g, x, g.integers(kept)),
    pads: [...begins, ...ends.map((end, i) => Math.max(0, end - missed[i]))],
  };
}

/** The beginning of x along its spatial axes; x itself, if that is known to be all of it. */
export function cutTo(g: Builder, x: Value, sizes: Value): Value {
  const [axes, known] = [spatialAxes(g, x), g.integersOf(sizes)];
  const whole = axes.every((axis, i) => known && g.shapeOf(x)?.[axis] === known[i]);
  return whole ? x : g.slices(x, g.integers(axes.map(() => 0)), sizes, axes);
}
