/**
 * The gradient of a convolution by its weight.
 *
 * @module
 */
import { sizeOf } from '../../../core/layout.ts';
import type { Builder } from '../ir/builder.ts';
import { spatialAxes } from '../ir/channels.ts';
import type { Value } from '../ir/graph.ts';
import { isStatic, range } from '../ir/shape.ts';
import { cutTo, spatialSizes, withoutMissedEnds, type Convolution } from './convolutionWindow.ts';
import { wholeWeight } from './wholeWeight.ts';

/**
 * The cotangent of a convolution's weight `[M, C/group, …]`, in the form that ONNX Runtime does soonest; see
 * docs/decisions/convolution-gradients.md.
 */
export function weightCotangent(g: Builder, x: Value, d: Value, w: Value, convolution: Convolution): Value {
  return (
    (g.keepsWeights ? wholeWeight(g, x, d, w, convolution) : undefined) ??
    pointwise(g, x, d, w, convolution) ??
    depthwise(g, x, d, w, convolution) ??
    byBlocks(g, x, d, w, convolution) ??
    byLastChannels(g, x, d, w, convolution)
  );
}

/**
 * Of windows of one element: a product of matrices a sample, and their sum. Worth it while the products, `[M, C]`, are
 * no more than what is multiplied.
 */
function pointwise(
  g: Builder,
  x: Value,
  d: Value,
  w: Value,
  { strides, pads, group }: Convolution,
): Value | undefined {
  const [shape, sizes] = [g.shapeOf(w), spatialSizes(g, d)];
  if (!isStatic(shape) || !isStatic(sizes) || group !== 1) return undefined;
  const [outer, inner, ...kernel] = shape;
  const places = sizeOf(sizes);
  const plain = kernel.every((size) => size === 1) && pads.every((pad) => pad === 0);
  if (!plain || outer * inner > (outer + inner) * places) return undefined;
  const rows = g.reshape(d, [0, outer, places]);
  const seen = strides.every((stride) => stride === 1) ? x : everyPlace(g, x, sizes, strides);
  const products = g.matmul(rows, g.swap(g.reshape(seen, [0, inner, places])));
  return g.reshape(g.sum(products, [0], false), shape);
}

/** The places of an image that windows of one element see. */
function everyPlace(g: Builder, x: Value, counts: readonly number[], strides: readonly number[]): Value {
  const ends = counts.map((count, i) => (count - 1) * strides[i] + 1);
  const starts = ends.map(() => 0);
  return g.slices(x, g.integers(starts), g.integers(ends), spatialAxes(g, x), g.integers(strides));
}

/** Widest input that {@link depthwise} is faster for: it grows with the square of the width. */
const WIDEST = 96;

/**
 * For images with one channel per group: for each row of the window, multiplies all columns of dy with all columns of x,
 * and adds the products that a window connects. Most products are not needed, but no windows are copied.
 */
function depthwise(
  g: Builder,
  x: Value,
  d: Value,
  w: Value,
  { kernel, strides, dilations, pads, group }: Convolution,
): Value | undefined {
  const [shape, sizes, outs] = [g.shapeOf(w), spatialSizes(g, x), spatialSizes(g, d)];
  if (!isStatic(shape) || !isStatic(sizes) || !isStatic(outs) || !isStatic(kernel)) return undefined;
  const [outer, inner] = shape;
  if (kernel.length !== 2 || group === 1 || outer !== group || inner !== 1) return undefined;
  const [width, wide] = [outs[1], sizes[1]];
  if (wide > WIDEST) return undefined;
  // Rows first, then samples: the rows that meet one row of the window are a slice.
  const [images, cotangents] = [x, d].map((v) => g.transpose(v, [1, 2, 0, 3]));
  const products = range(kernel[0]).map((k) => {
    const shift = k * dilations[0] - pads[0];
    const first = Math.max(0, Math.ceil(-shift / strides[0]));
    const count = Math.min(outs[0], Math.floor((sizes[0] - 1 - shift) / strides[0]) + 1) - first;
    if (count <= 0) return undefined;
    const seen = everyRow(g, images, first * strides[0] + shift, count, strides[0]);
    const met = everyRow(g, cotangents, first, count, 1);
    return g.matmul(g.swap(g.reshape(met, [group, -1, width])), g.reshape(seen, [group, -1, wide]));
  });
  const nothing = () => g.filled(g.integers([group, width, wide]), 0, g.dtypeOf(x));
  // The padding of the sides is one zero behind each row's products.
  const connected = range(kernel[1]).flatMap((k) =>
    range(width).map((column) => {
      const place = column * strides[1] + k * dilations[1] - pads[1];
      return place >= 0 && place < wide ? column * wide + place : width * wide;
    }),
  );
  const stacked = g.stack(
    products.map((product) => product ?? nothing()),
    1,
  );
  const all = g.pad(g.reshape(stacked, [group, kernel[0], width * wide]), [0, 0, 0, 0, 0, 1]);
  const terms = g.reshape(g.gather(all, g.integers(connected), 2), [...shape, width]);
  return g.sum(terms, [4], false);
}

/** `count` rows of `[C, rows, …]`, one in `stride` from `start` on. */
function everyRow(g: Builder, v: Value, start: number, count: number, stride: number): Value {
  if (start === 0 && stride === 1 && count === g.shapeOf(v)?.[1]) return v;
  const vector = (value: number) => g.integers([value]);
  const end = vector(start + (count - 1) * stride + 1);
  return g.slices(v, vector(start), end, [1], stride === 1 ? undefined : vector(stride));
}

/** Number of filters that make a product of matrices large enough without {@link byBlocks}. */
const MANY = 32;

/**
 * For one channel: splits the first spatial axis of dy into blocks, and treats each row of a block as a separate filter.
 * ONNX Runtime then copies windows once per block instead of once per row, and multiplies larger matrices.
 */
function byBlocks(g: Builder, x: Value, d: Value, w: Value, convolution: Convolution): Value | undefined {
  const { kernel, strides, dilations, group } = convolution;
  const [shape, outs] = [g.shapeOf(w), spatialSizes(g, d)];
  if (!isStatic(shape) || !isStatic(outs) || !isStatic(kernel) || group !== 1 || shape[1] !== 1)
    return undefined;
  if (shape[0] >= MANY) return undefined;
  const [length, ...others] = outs;
  const block = largestDivisor(length, Math.max(2, kernel[0]));
  if (block === 1) return undefined;
  const { reached, pads } = withoutMissedEnds(g, x, d, convolution);
  const [outer] = shape;
  const rank = strides.length;
  const split = g.reshape(d, [0, outer, length / block, block, ...others]);
  const moved = g.transpose(split, [1, 3, 0, 2, ...range(rank - 1, 4)]);
  const filters = g.reshape(moved, [outer * block, -1, length / block, ...others]);
  const steps = [1, ...dilations.slice(1)];
  const sums = g.convolve(exchanged(g, reached), filters, {
    strides: steps,
    dilations: [strides[0] * block, ...strides.slice(1)],
    pads,
  });
  const rows = strides[0] * (block - 1) + dilations[0] * (kernel[0] - 1) + 1;
  const window = kernel.slice(1);
  const cut = g.reshape(cutTo(g, sums, g.integers([rows, ...window])), [outer, block * rows, ...window]);
  const connected = range(kernel[0]).flatMap((k) =>
    range(block).map((place) => place * rows + place * strides[0] + k * dilations[0]),
  );
  const terms = g.reshape(g.gather(cut, g.integers(connected), 1), [outer, kernel[0], block, ...window]);
  return g.reshape(g.sum(terms, [2], false), shape);
}

const largestDivisor = (n: number, most: number): number =>
  range(most, 1).findLast((divisor) => n % divisor === 0) ?? 1;

/**
 * In general: x convolved with d, whose batches are now the channels, strides and dilations changing places.
 *
 * The channels of x lie along its last axis, [1, group·N, …, W·C/group], where steps are C/group times as long. So
 * ONNX Runtime has one large product of matrices to do; with C/group for a batch it would have as many small ones,
 * which takes it three times as long.
 */
function byLastChannels(g: Builder, x: Value, d: Value, w: Value, convolution: Convolution): Value {
  const { kernel, strides, dilations, group } = convolution;
  const { reached, pads } = withoutMissedEnds(g, x, d, convolution);
  const channels = g.shapeOf(w)?.[1];
  if (typeof channels !== 'number' || !isStatic(kernel) || dilations.at(-1) !== 1) {
    return weightCotangentByChannel(g, reached, d, w, { ...convolution, pads });
  }
  const rank = strides.length;
  const widened = (steps: readonly number[]) =>
    steps.map((step, i) => (i % rank === rank - 1 ? step * channels : step));
  const kernels = g.convolve(channelsLast(g, reached, group, channels), exchanged(g, d), {
    strides: dilations,
    dilations: widened(strides),
    pads: widened(pads),
    group,
  });
  const cut = cutTo(g, kernels, g.integers(widened(kernel)));
  return g.transpose(g.reshape(cut, [-1, ...kernel, channels]), [0, rank + 1, ...range(rank, 1)]);
}

/** [N, C, …, W] → [1, group·N, …, W·C/group], the batches of one group side by side. */
function channelsLast(g: Builder, x: Value, group: number, channels: number): Value {
  const axes = spatialAxes(g, x);
  const grouped = () => g.reshape(x, g.concat([g.integers([-1, channels]), g.sizes(x, axes)], 0));
  // One axis moved is much faster than two exchanged at the same time.
  const last = g.transpose(group === 1 ? x : grouped(), [0, ...axes, 1]);
  const width = g.mul(g.sizes(x, axes.slice(-1)), channels);
  const others = axes.length > 1 ? [g.sizes(x, axes.slice(0, -1))] : [];
  const merged = (batch: readonly number[]) =>
    g.reshape(last, g.concat([g.integers(batch), ...others, width], 0));
  if (group === 1) return merged([1, -1]);
  const byGroup = g.transpose(merged([-1, group]), [1, 0, ...axes]);
  return g.reshape(byGroup, g.concat([g.integers([1, -1]), ...others, width], 0));
}

/** [N, M, …] → [M, N, …]. */
const exchanged = (g: Builder, d: Value) => g.transpose(d, [1, 0, ...spatialAxes(g, d)]);

/** As {@link byLastChannels}, for any strides and sizes: the channels of x become the batch. */
function weightCotangentByChannel(
  g: Builder,
  x: Value,
  d: Value,
  w: Value,
  { strides, dilations, pads, group }: Convolution,
): Value {
  const kernels = g.convolve(channelsFirst(g, x, group), exchanged(g, d), {
    strides: dilations,
    dilations: strides,
    pads,
    group,
  });
  return exchanged(g, cutTo(g, kernels, g.sizes(w, spatialAxes(g, w))));
}

/** [N, C, …] → [C/group, group·N, …], the batches of one group side by side. */
function channelsFirst(g: Builder, x: Value, group: number): Value {
  const axes = spatialAxes(g, x);
  if (group === 1) return g.transpose(x, [1, 0, ...axes]);
  const sizes = g.sizes(x, axes);
  const split = g.reshape(x, g.concat([g.integers([0, group, -1]), sizes], 0));
  const moved = g.transpose(split, [2, 1, 0, ...axes.map((axis) => axis + 1)]);
  const perGroup = g.sizes(moved, [0]);
  return g.reshape(moved, g.concat([perGroup, g.integers([-1]), sizes], 0));
}
