import { sizeOf } from '../../../core/layout.ts';
import type { NodeProto } from 'onnx-buf';
import { refuse } from '../ir/errors.ts';
import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { isStatic, range, type Dimension } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { linearNeighbors } from './sampling.ts';
import type { Lowering, OpTable } from '../ir/op.ts';

/** Returns the indices of all elements of a tensor, in row-major order. */
const elements = (sizes: readonly number[]): number[][] =>
  sizes.reduce<number[][]>(
    (found, size) => found.flatMap((at) => range(size).map((i) => at.concat(i))),
    [[]],
  );

/**
 * Returns the row-major index in the image of each element of a block, at each position of the block. Elements outside
 * the image get the index after the last.
 */
function blockPlaces(image: readonly number[], block: readonly number[], attributes: Attributes): number[] {
  const axes = image.length;
  const dilations = attributes.ints('dilations') ?? image.map(() => 1);
  const strides = attributes.ints('strides') ?? image.map(() => 1);
  const pads = attributes.ints('pads') ?? range(2 * axes).map(() => 0);
  const positions = image.map((size, i) =>
    Math.floor((size + pads[i] + pads[i + axes] - dilations[i] * (block[i] - 1) - 1) / strides[i] + 1),
  );
  return elements(block).flatMap((element) =>
    elements(positions).map((position) => {
      const at = position.map((p, i) => p * strides[i] + element[i] * dilations[i] - pads[i]);
      const inside = at.every((coordinate, i) => coordinate >= 0 && coordinate < image[i]);
      return inside ? at.reduce((place, coordinate, i) => place * image[i] + coordinate, 0) : sizeOf(image);
    }),
  );
}

/** Adds the columns of blocks, `[N, C·elements, positions]`, into the images they overlap in. */
const col2Im: Lowering = (g, node, attributes) => {
  const [x, imageShape, blockShape] = node.input;
  const [image, block] = [g.integersOf(imageShape), g.integersOf(blockShape)];
  if (image === undefined || block === undefined) return [col2ImOf(g, node, attributes)];
  const places = blockPlaces(image, block, attributes);
  const columns = g.reshape(x, g.concat([g.sizes(x, [0]), g.integers([-1, places.length])], 0));
  const [size, rows] = [sizeOf(image), g.sizes(columns, [0, 1])];
  const empty = g.filled(g.concat([rows, g.integers([size + 1])], 0), 0, g.floatTypeOf(x));
  const index = g.expandLike(g.constant(DType.INT64, [1, 1, places.length], places), columns);
  const sums = g.scatterAdd(empty, index, columns, 2);
  return [g.reshape(g.slice(sums, 0, size, 2), g.concat([rows, g.integers(image)], 0))];
};

/** As {@link col2Im}, for an image or blocks whose shapes are known only at run time. */
function col2ImOf(
  g: Builder,
  { input: [x, imageShape, blockShape], output }: NodeProto,
  attributes: Attributes,
): Value {
  const axes = [
    g.shapeOf(imageShape)?.[0],
    g.shapeOf(blockShape)?.[0],
    attributes.ints('strides')?.length,
    below(g.shapeOf(output[0])?.length),
  ].find((count) => typeof count === 'number');
  if (axes === undefined) refuse('the number of axes of its image is not known beforehand.');
  const dilations = attributes.ints('dilations') ?? range(axes).map(() => 1);
  const strides = attributes.ints('strides') ?? range(axes).map(() => 1);
  const pads = attributes.ints('pads') ?? range(2 * axes).map(() => 0);
  const of = (vector: Value, i: number) => g.slice(vector, i, i + 1, 0);
  const integer = (value: number) => g.integers([value]);
  const along = range(axes).map((i) => {
    const [size, block] = [of(imageShape, i), of(blockShape, i)];
    const reach = g.mul(g.sub(block, integer(1)), integer(dilations[i]));
    const free = g.sub(g.add(size, integer(pads[i] + pads[i + axes] - 1)), reach);
    const positions = g.add(g.div(free, integer(strides[i])), integer(1));
    const starts = g.mul(g.places(positions, axes + i, 2 * axes), strides[i]);
    const at = g.add(g.mul(g.places(block, i, 2 * axes), dilations[i]), starts, -pads[i]);
    const inside = g.and(g.greaterOrEqual(at, 0), g.less(at, size));
    return { at, inside, size };
  });
  const total = g.product(imageShape);
  const row = along.reduce((place, { at, size }) => g.add(g.mul(place, size), at), g.integers([0]));
  const inside = along.map((each) => each.inside).reduce((a, b) => g.and(a, b));
  const places = g.reshape(g.where(inside, row, total), [1, 1, -1]);
  const columns = g.reshape(x, g.concat([g.sizes(x, [0]), integer(-1), g.sizes(places, [2])], 0));
  const rows = g.sizes(columns, [0, 1]);
  const empty = g.filled(g.concat([rows, g.add(total, integer(1))], 0), 0, g.floatTypeOf(x));
  const sums = g.scatterAdd(empty, g.expandLike(places, columns), columns, 2);
  return g.reshape(g.slice(sums, 0, total, 2), g.concat([rows, imageShape], 0));
}

/** Two less than a number of axes, those of the batch and the channels. */
const below = (axes: Dimension | undefined) => (typeof axes === 'number' ? axes - 2 : undefined);

/** A grid of coordinates from −1 to 1, `[N, (D,) H, W, axes]`, transformed by the affine map theta. */
const affineGrid: Lowering = (g, node, attributes) => {
  const [theta, size] = node.input;
  const axes = [
    g.shapeOf(theta)?.[1],
    below(g.shapeOf(size)?.[0]),
    below(g.shapeOf(node.output[0])?.length),
  ].find((count) => typeof count === 'number');
  if (axes !== 2 && axes !== 3) refuse('its number of axes must be 2 or 3, and known before the model runs.');
  const corners = attributes.int('align_corners', 0) === 1;
  const dtype = g.floatTypeOf(theta);
  const sizes = g.slice(g.cast(size, DType.INT64), 2, 2 + axes, 0);
  const coordinate = (axis: number) => {
    const count = g.slice(sizes, axis, axis + 1, 0);
    const places = g.cast(g.places(count, axis, axes), dtype);
    const total = g.cast(count, dtype);
    const unit = corners ? g.div(places, g.sub(total, 1)) : g.div(g.add(places, 0.5), total);
    return g.reshape(g.expand(g.sub(g.mul(2, unit), 1), sizes), [-1, 1]);
  };
  // x comes first and belongs to the last axis.
  const coordinates = range(axes).map((i) => coordinate(axes - 1 - i));
  const ones = g.filled(g.shape(coordinates[0]), 1, dtype);
  const points = g.unsqueeze(g.concat([...coordinates, ones], 1), [0]);
  const moved = g.matmul(points, g.swap(theta));
  return [g.reshape(moved, g.concat([g.sizes(theta, [0]), sizes, g.integers([axes])], 0))];
};

/**
 * Coordinates at which a deformable convolution reads, along one of its two axes: `[N, offset groups, taps, oH, oW]`.
 *
 * @param offsets - `[N, offset groups, taps, 2, oH, oW]`
 */
function readPlaces(
  g: Builder,
  offsets: Value,
  axis: 0 | 1,
  kernel: readonly number[],
  attributes: Attributes,
): Value {
  const stride = attributes.ints('strides')?.[axis] ?? 1;
  const dilation = attributes.ints('dilations')?.[axis] ?? 1;
  const pad = attributes.ints('pads')?.[axis] ?? 0;
  const taps = elements(kernel).map((tap) => tap[axis] * dilation - pad);
  const dtype = g.floatTypeOf(offsets);
  const origin = g.mul(stride, g.cast(g.places(g.sizes(offsets, [4 + axis]), 3 + axis, 5), dtype));
  const tap = g.constant(dtype, [1, 1, taps.length, 1, 1], taps);
  return g.add(g.squeeze(g.slice(offsets, axis, axis + 1, 3), [3]), origin, tap);
}

/** Convolution that reads the image at offset coordinates: linearly interpolated between pixels, zero outside. */
const deformConv: Lowering = (g, node, attributes) => {
  const [x, weight, offset, bias, mask] = node.input;
  if (g.rank(x) !== 4) refuse('it has a rule only for images with two axes.');
  const kernel = attributes.ints('kernel_shape') ?? g.shapeOf(weight)?.slice(2);
  if (!isStatic(kernel)) refuse('the sizes of its kernel are not known before the model runs.');
  const [taps, group] = [sizeOf(kernel), attributes.int('group', 1)];
  const moves = attributes.int('offset_group', 1);
  const split = (value: Value, sizes: readonly number[]) =>
    g.reshape(value, g.concat([g.sizes(value, [0]), g.integers(sizes), g.sizes(offset, [2, 3])], 0));
  const offsets = split(offset, [moves, taps, 2]);
  const [rows, columns] = ([0, 1] as const).map((axis) => {
    const last = g.sub(g.cast(g.sizes(x, [2 + axis]), g.floatTypeOf(x)), 1);
    return linearNeighbors(g, readPlaces(g, offsets, axis, kernel, attributes), last);
  });
  // [N, offset groups, channels of each, H·W], read at [N, offset groups, 1, taps·oH·oW].
  const image = g.reshape(x, g.concat([g.sizes(x, [0]), g.integers([moves, -1]), pixels(g, x)], 0));
  const flat = (value: Value) => g.reshape(value, [0, moves, 1, -1]);
  const samples = rows.flatMap((row) =>
    columns.map((column) => {
      const index = flat(g.add(g.mul(row.index, g.sizes(x, [3])), column.index));
      const each = g.concat([g.sizes(image, [0, 1, 2]), g.sizes(index, [3])], 0);
      const picked = g.gatherElements(image, g.expand(index, each), 3);
      return g.mul(picked, flat(g.mul(row.weight, column.weight)));
    }),
  );
  const [first, ...others] = samples;
  const sum = g.add(first, ...others);
  const read = mask ? g.mul(sum, flat(mask)) : sum;
  const depth = g.mul(g.sizes(weight, [1]), g.integers([taps]));
  const places = g.product(g.sizes(offset, [2, 3]));
  const matrix = g.reshape(read, g.concat([g.sizes(x, [0]), g.integers([group]), depth, places], 0));
  const product = g.matmul(g.reshape(weight, g.concat([g.integers([group, -1]), depth], 0)), matrix);
  const y = g.reshape(product, g.concat([g.sizes(x, [0]), g.sizes(weight, [0]), g.sizes(offset, [2, 3])], 0));
  return [bias ? g.add(y, g.reshape(bias, [1, -1, 1, 1])) : y];
};

/** Number of pixels of an image `[N, C, H, W]`, int64 `[1]`. */
const pixels = (g: Builder, x: Value) => g.product(g.sizes(x, [2, 3]));

/** Ops that move the pixels of images. */
export const deformation: OpTable = {
  Col2Im: { as: { read: col2Im } },
  AffineGrid: { as: { read: affineGrid }, since: 20 },
  DeformConv: { as: { read: deformConv }, since: 19 },
};
