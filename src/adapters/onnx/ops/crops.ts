/**
 * ONNX Runtime's own ops that cut pieces out of tensors.
 *
 * @module
 */
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { reader } from './roi.ts';
import { linearNeighbors, type Neighbor } from './sampling.ts';

/** Samples of crops along one axis of the images. */
interface Samples {
  /** Elements that the samples read, `[R, n]`, with their weights. */
  readonly neighbors: readonly Neighbor[];
  /** True for samples that lie in the image, `[R, n]`. */
  readonly inside: Value;
}

/**
 * Samples along axis 0 (rows) or 1 (columns) of the images: n of them at equal distances from one side of a crop to the
 * other, one in the middle if n = 1. Crops are `[R, 4]`: y₁, x₁, y₂, x₂, as parts of the image.
 */
function samplesAlong(g: Builder, x: Value, crops: Value, n: Value, axis: 0 | 1, nearest: boolean): Samples {
  const dtype = g.floatTypeOf(x);
  const last = g.cast(g.sub(g.sizes(x, [2 + axis]), g.integers([1])), dtype);
  const side = (i: number) => g.mul(g.slice(crops, i, i + 1, 1), last);
  const [start, end] = [side(axis), side(axis + 2)];
  const steps = g.cast(g.sub(n, g.integers([1])), dtype);
  const parts = g.div(g.cast(g.places(n, 1, 2), dtype), g.max(steps, g.scalar(1, dtype)));
  const part = g.where(g.greater(steps, 0), parts, g.scalar(0.5, dtype));
  const at = g.add(start, g.mul(part, g.sub(end, start)));
  const inside = g.and(g.greaterOrEqual(at, 0), g.lessOrEqual(at, last));
  const held = (v: Value) => g.min(g.max(v, g.scalar(0, dtype)), last);
  if (!nearest) return { neighbors: linearNeighbors(g, held(at), last, held), inside };
  const index = g.cast(held(g.floor(g.add(at, 0.5))), DType.INT64);
  return { neighbors: [{ index, weight: g.scalar(1, dtype) }], inside };
}

/** Crops of images, resized to one size; samples outside of the image have one fixed value. */
const cropAndResize: Lowering = (g, node, attributes) => {
  const [x, crops, batch, size] = node.input;
  const mode = attributes.string('mode', 'bilinear');
  if (mode !== 'bilinear' && mode !== 'nearest') refuse(`mode ${mode} has no rule.`);
  const sizes = g.cast(size, DType.INT64);
  const [rows, columns] = ([0, 1] as const).map((axis) =>
    samplesAlong(g, x, crops, g.slice(sizes, axis, axis + 1, 0), axis, mode === 'nearest'),
  );
  const read = reader(g, x, g.cast(batch, DType.INT64));
  const along = (weight: Value, axes: readonly number[]) =>
    g.rank(weight) === 0 ? weight : g.unsqueeze(weight, axes);
  const [first, ...others] = rows.neighbors.flatMap((row) =>
    columns.neighbors.map((column) =>
      g.mul(read(row.index, column.index), g.mul(along(row.weight, [2, 3]), along(column.weight, [1, 3]))),
    ),
  );
  const inside = g.and(g.unsqueeze(rows.inside, [2, 3]), g.unsqueeze(columns.inside, [1, 3]));
  const y = g.where(inside, g.add(first, ...others), attributes.float('extrapolation_value', 0));
  return [g.transpose(y, [0, 3, 1, 2])];
};

/** Windows of an axis, each with `size` elements, at a distance of `step`: their elements form a last axis. */
const unfold: Lowering = (g, { input: [x] }, attributes) => {
  const rank = g.rank(x);
  const axis = axisFrom(attributes.int('dim', -1), rank);
  const [size, step] = [attributes.int('size', 0), attributes.int('step', 1)];
  if (size < 1 || step < 1) refuse(`size ${size} and step ${step} must be positive.`);
  const count = g.add(
    g.div(g.sub(g.sizes(x, [axis]), g.integers([size])), g.integers([step])),
    g.integers([1]),
  );
  const index = g.add(g.mul(g.places(count, 0, 2), g.integers([step])), g.places(g.integers([size]), 1, 2));
  const others = range(rank + 1).filter((i) => i !== axis + 1);
  return [g.transpose(g.gather(x, index, axis), [...others, axis + 1])];
};

/** Ops that cut tensors into pieces. */
export const crops: OpTable = {
  'com.microsoft::CropAndResize': { as: { read: cropAndResize } },
  'com.microsoft::UnfoldTensor': { as: { read: unfold } },
};
