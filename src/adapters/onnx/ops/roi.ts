/**
 * Poolings of regions of images.
 *
 * @module
 */
import { nodeAttributes, type Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { DType } from '../ir/tensor.ts';
import { linearNeighbors } from './sampling.ts';

// The lowest float32 number: the maximum of nothing.
const lowest = -3.4028234663852886e38;

/** Samples of R regions along one axis of the images: `bins` bins with the same number of samples each. */
interface Samples {
  readonly bins: number;
  /** Samples in a bin, int64 `[1]`. */
  readonly perBin: Value;
  /** Elements of the image that samples read, int64 `[R, bins·perBin]`, with their weights. */
  readonly neighbors: readonly { readonly index: Value; readonly weight: Value }[];
  /** True for samples that the region has: `[R, bins·perBin]`, or undefined if it has all. */
  readonly taken: Value | undefined;
  /** Number of samples that a region has in a bin, a float `[R, 1]`, or one number. */
  readonly count: Value;
}

/** One column of a matrix, `[R, 1]`. */
const column = (g: Builder, matrix: Value, i: number) => g.slice(matrix, i, i + 1, 1);

/** Joins the last two of three axes. */
const joined = (g: Builder, x: Value) =>
  g.reshapeTo(x, g.concat([g.sizes(x, [0]), g.mul(g.sizes(x, [1]), g.sizes(x, [2]))], 0));

/** The largest element of a column, as int64 `[1]`; at least 1, also of no rows. */
function largest(g: Builder, numbers: Value): Value {
  const all = g.concat([g.flat(g.cast(numbers, DType.INT64)), g.integers([1])], 0);
  return g.maxOver(all, [0]);
}

/** Samples of RoiAlign along axis 0 (rows) or 1 (columns) of the images; its regions are `[R, 4]`: x₁, y₁, x₂, y₂. */
function samplesAlong(g: Builder, x: Value, regions: Value, axis: 0 | 1, attributes: Attributes): Samples {
  const dtype = g.floatTypeOf(x);
  const scale = attributes.float('spatial_scale', 1);
  const aligned = attributes.string('coordinate_transformation_mode', 'half_pixel') === 'half_pixel';
  const bins = attributes.int(axis === 0 ? 'output_height' : 'output_width', 1);
  const place = (i: number) => g.sub(g.mul(scale, column(g, regions, i)), aligned ? 0.5 : 0);
  const start = place(1 - axis);
  const extent = g.sub(place(3 - axis), start);
  const length = g.div(aligned ? extent : g.max(extent, 1), bins);
  const ratio = attributes.int('sampling_ratio', 0);
  const count = ratio > 0 ? g.scalar(ratio, dtype) : g.ceil(length);
  const perBin = ratio > 0 ? g.integers([ratio]) : largest(g, count);
  const step = g.unsqueeze(g.div(length, count), [2]);
  const [bin, sample] = [g.places(g.integers([bins]), 1, 3), g.places(perBin, 2, 3)];
  const inside = g.mul(g.add(g.cast(sample, dtype), 0.5), ratio > 0 ? step : finite(g, step, count));
  const offset = g.add(g.mul(g.cast(bin, dtype), g.unsqueeze(length, [2])), inside);
  const at = joined(g, g.add(g.unsqueeze(start, [2]), offset));
  const size = g.cast(g.sizes(x, [2 + axis]), dtype);
  const last = g.sub(size, 1);
  const held = g.min(g.max(at, g.scalar(0, dtype)), last);
  const seen = g.and(g.greaterOrEqual(at, -1), g.lessOrEqual(at, size));
  const taken =
    ratio > 0
      ? undefined
      : joined(g, withBins(g, g.less(g.cast(sample, dtype), g.unsqueeze(count, [2])), bins));
  const counts = g.mask(taken ? g.and(seen, taken) : seen, x);
  const clip = (v: Value) => g.min(v, last);
  const neighbors = linearNeighbors(g, held, last, clip).map(({ index, weight }) => ({
    index,
    weight: g.mul(weight, counts),
  }));
  return { bins, perBin, neighbors, taken, count };
}

/** The step between samples, 0 for regions that have none. */
const finite = (g: Builder, step: Value, count: Value) =>
  g.where(g.greater(g.unsqueeze(count, [2]), 0), step, 0);

/** Repeats `[R, 1, n]` for each bin. */
const withBins = (g: Builder, flags: Value, bins: number) => g.expand(flags, [1, bins, 1]);

/**
 * The rows of images, `[N·H·W, C]`, at the elements that the samples of regions meet: from row and column indices
 * `[R, A]` and `[R, B]` to `[R, A, B, C]`.
 */
export function reader(g: Builder, x: Value, batch: Value): (rows: Value, columns: Value) => Value {
  const channels = g.sizes(x, [1]);
  const pixels = g.reshapeTo(
    g.transpose(x, [0, 2, 3, 1]),
    g.concat([g.product(g.sizes(x, [0, 2, 3])), channels], 0),
  );
  const [height, width] = [g.sizes(x, [2]), g.sizes(x, [3])];
  const first = g.mul(g.reshape(batch, [-1, 1]), height);
  return (rows, columns) => {
    const starts = g.mul(g.add(first, rows), width);
    return g.gather(pixels, g.add(g.unsqueeze(starts, [2]), g.unsqueeze(columns, [1])));
  };
}

/** Bins along one axis, each with the same number of elements. */
type Bins = Pick<Samples, 'bins' | 'perBin'>;

/** `[R, A, B, C]` as `[R, bins, per bin, bins, per bin, C]`. */
function byBins(g: Builder, x: Value, rows: Bins, columns: Bins): Value {
  const bins = [rows, columns].flatMap((each) => [g.integers([each.bins]), each.perBin]);
  return g.reshapeTo(x, g.concat([g.sizes(x, [0]), ...bins, g.sizes(x, [3])], 0));
}

/** Weights of rows `[R, A]` times those of columns `[R, B]`, to multiply `[R, A, B, C]`. */
const crossed = (g: Builder, rows: Value, columns: Value) =>
  g.mul(g.unsqueeze(rows, [2, 3]), g.unsqueeze(columns, [1, 3]));

/**
 * RoiAlign: the mean or the maximum, in each bin of a region, of samples that are interpolated linearly. Its maximum is,
 * as in ONNX Runtime, that of the four terms of the interpolations, not of their sums.
 */
const roiAlign: Lowering = (g, node, attributes) => {
  const [x, regions, batch] = node.input;
  const mode = attributes.string('mode', 'avg');
  if (mode !== 'avg' && mode !== 'max') refuse(`mode ${mode} has no rule.`);
  const coordinates = attributes.string('coordinate_transformation_mode', 'half_pixel');
  if (coordinates !== 'half_pixel' && coordinates !== 'output_half_pixel')
    refuse(`coordinate_transformation_mode ${coordinates} has no rule.`);
  const [rows, columns] = ([0, 1] as const).map((axis) => samplesAlong(g, x, regions, axis, attributes));
  const read = reader(g, x, g.cast(batch, DType.INT64));
  const terms = rows.neighbors.flatMap((row) =>
    columns.neighbors.map((column) =>
      g.mul(read(row.index, column.index), crossed(g, row.weight, column.weight)),
    ),
  );
  const [first, ...others] = terms;
  if (mode === 'avg') {
    const sum = g.sum(byBins(g, g.add(first, ...others), rows, columns), [2, 4], false);
    const count = g.max(g.mul(rows.count, columns.count), 1);
    const shaped = g.rank(count) === 0 ? count : g.unsqueeze(count, [2, 3]);
    return [g.transpose(g.div(sum, shaped), [0, 3, 1, 2])];
  }
  const largestTerm = others.reduce((a, b) => g.max(a, b), first);
  const taken =
    rows.taken && columns.taken && g.and(g.unsqueeze(rows.taken, [2, 3]), g.unsqueeze(columns.taken, [1, 3]));
  return [maximumOf(g, byBins(g, taken ? g.where(taken, largestTerm, lowest) : largestTerm, rows, columns))];
};

/** Maxima of bins, `[R, bins, per bin, bins, per bin, C] → [R, C, bins, bins]`; 0 for bins without samples. */
function maximumOf(g: Builder, x: Value): Value {
  const most = g.maxOver(x, [2, 4], false);
  return g.transpose(g.where(g.greater(most, lowest), most, 0), [0, 3, 1, 2]);
}

/** The nearest integer; halves are rounded away from 0. */
const roundAway = (g: Builder, x: Value) => g.mul(g.sign(x), g.floor(g.add(g.abs(x), 0.5)));

/** Pixels of MaxRoiPool's bins along axis 0 or 1 of the images; its regions are `[R, 5]`: the image, x₁, y₁, x₂, y₂. */
function pixelsAlong(g: Builder, x: Value, regions: Value, axis: 0 | 1, bins: number, scale: number) {
  const dtype = g.floatTypeOf(x);
  const corner = (i: number) => roundAway(g, g.mul(scale, column(g, regions, i)));
  const start = corner(2 - axis);
  const length = g.div(g.max(g.add(g.sub(corner(4 - axis), start), 1), 1), bins);
  const bin = g.cast(g.places(g.integers([bins]), 1, 2), dtype);
  const size = g.cast(g.sizes(x, [2 + axis]), dtype);
  const within = (v: Value) => g.min(g.max(g.add(v, start), g.scalar(0, dtype)), size);
  const first = within(g.floor(g.mul(bin, length)));
  const end = within(g.ceil(g.mul(g.add(bin, 1), length)));
  const perBin = largest(g, g.sub(end, first));
  const at = g.add(g.unsqueeze(first, [2]), g.cast(g.places(perBin, 2, 3), dtype));
  return {
    bins,
    perBin,
    index: joined(g, g.cast(g.min(at, g.sub(size, 1)), DType.INT64)),
    taken: joined(g, g.less(at, g.unsqueeze(end, [2]))),
  };
}

/** MaxRoiPool: the maximum in each bin of a region, whose borders are rounded to whole pixels. */
const maxRoiPool: Lowering = (g, node, attributes) => {
  const [x, regions] = node.input;
  const bins = attributes.ints('pooled_shape') ?? refuse('it has no pooled_shape.');
  const scale = attributes.float('spatial_scale', 1);
  const [rows, columns] = ([0, 1] as const).map((axis) =>
    pixelsAlong(g, x, regions, axis, bins[axis], scale),
  );
  const read = reader(g, x, g.cast(column(g, regions, 0), DType.INT64));
  const taken = g.and(g.unsqueeze(rows.taken, [2, 3]), g.unsqueeze(columns.taken, [1, 3]));
  const pixels = g.where(taken, read(rows.index, columns.index), lowest);
  return [maximumOf(g, byBins(g, pixels, rows, columns))];
};

/** Ops that pool regions of images. */
export const regions: OpTable = {
  RoiAlign: {
    as: { read: roiAlign },
    upgrade({ node, attributes, from }) {
      if (from < 16 && !attributes.has('coordinate_transformation_mode'))
        node.attribute.push(...nodeAttributes({ coordinate_transformation_mode: 'output_half_pixel' }));
    },
  },
  MaxRoiPool: { as: { read: maxRoiPool } },
};
