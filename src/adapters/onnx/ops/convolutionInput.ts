/**
 * The gradient of a convolution by its input.
 *
 * @module
 */
import type { Builder } from '../ir/builder.ts';
import { spatialAxes } from '../ir/channels.ts';
import type { Value } from '../ir/graph.ts';
import { isStatic, range } from '../ir/shape.ts';
import { missedEnds, type Convolution } from './convolutionWindow.ts';

/**
 * The cotangent of a convolution's input `[N, C, …]`: the transposed convolution of that of its result.
 *
 * With a stride of 1 it is a plain convolution with the flipped weight too, which ONNX Runtime does sooner where it has
 * no more channels to read than to write.
 */
export function inputCotangent(g: Builder, d: Value, w: Value, x: Value, convolution: Convolution): Value {
  return inputCotangentByConv(g, d, w, convolution) ?? inputCotangentByTranspose(g, d, w, x, convolution);
}

function inputCotangentByConv(
  g: Builder,
  d: Value,
  w: Value,
  { kernel, strides, dilations, pads, group }: Convolution,
): Value | undefined {
  const shape = g.shapeOf(w);
  if (!isStatic(shape) || !isStatic(kernel) || strides.some((stride) => stride !== 1)) return undefined;
  const [outer, inner] = shape;
  const rank = strides.length;
  const turned = pads.map((pad, i) => dilations[i % rank] * (kernel[i % rank] - 1) - pad);
  if (inner * group < outer || turned.some((pad) => pad < 0)) return undefined;
  return g.convolve(d, flipped(g, w, shape, group), { dilations, pads: turned, group });
}

/** A weight `[M, C/group, …]` with its windows reversed and its channels exchanged, `[C, M/group, …]`. */
function flipped(g: Builder, w: Value, [outer, inner, ...kernel]: readonly number[], group: number): Value {
  const axes = range(kernel.length, 2).filter((axis) => kernel[axis - 2] !== 1);
  const all = (value: number) => g.integers(axes.map(() => value));
  const reversed = axes.length === 0 ? w : g.slices(w, all(-1), all(-(2 ** 31)), axes, all(-1));
  const perGroup = outer / group;
  if (inner === 1 && perGroup === 1) return reversed;
  const grouped = g.reshape(reversed, [group, perGroup, inner, ...kernel]);
  const exchanged = g.transpose(grouped, [0, 2, 1, ...range(kernel.length, 3)]);
  return g.reshape(exchanged, [group * inner, perGroup, ...kernel]);
}

function inputCotangentByTranspose(
  g: Builder,
  d: Value,
  w: Value,
  x: Value,
  convolution: Convolution,
): Value {
  const { strides, dilations, pads, group } = convolution;
  const rank = strides.length;
  // The end of the input that no window reached gets zeros.
  const missed = missedEnds(g, x, d, convolution);
  if (missed !== undefined) {
    return g.convolveTransposed(d, w, { strides, dilations, pads, group, output_padding: missed });
  }
  const whole = g.convolveTransposed(d, w, { strides, dilations, group });
  const none = [0, 0, ...range(rank).fill(0)];
  const longer = strides.every((stride) => stride === 1)
    ? whole
    : g.pad(whole, [...none, 0, 0, ...strides.map((stride) => stride - 1)]);
  const begin = g.integers(pads.slice(0, rank));
  const end = g.add(g.sizes(x, spatialAxes(g, x)), begin);
  return g.slices(longer, begin, end, spatialAxes(g, x));
}
