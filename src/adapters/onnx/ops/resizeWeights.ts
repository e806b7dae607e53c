/**
 * The weights by which a Resize mixes the elements along one axis, written out in elementwise ops: for sizes, scales and
 * regions that only a run tells, and for gradients by scales and regions.
 *
 * The formulas are those of ONNX Runtime's kernel (onnxruntime/core/providers/cpu/tensor/upsamplebase.h).
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import { attributesOf, type Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import { axisFrom, range, type Dimension } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';

/** An axis along which a Resize changes something. */
export interface ResizedAxis {
  readonly axis: number;
  /** Its place in the scales or sizes. */
  readonly place: number;
  /** Number of axes that those are of. */
  readonly places: number;
}

export const policyOf = (attributes: Attributes): string =>
  attributes.string('keep_aspect_ratio_policy', 'stretch');

export const modeOf = (attributes: Attributes): string => attributes.string('mode', 'nearest');

const transformationOf = (attributes: Attributes): string =>
  attributes.string('coordinate_transformation_mode', 'half_pixel');

/** True for a Resize that looks at a region. */
export const isCrop = (attributes: Attributes): boolean =>
  transformationOf(attributes) === 'tf_crop_and_resize';

/** Returns the scales of a Resize; undefined if it has sizes. Older files then have empty scales. */
export const scalesOf = (g: Builder, { input: [, , scales] }: NodeProto): Value | undefined =>
  scales && g.shapeOf(scales)?.[0] !== 0 ? scales : undefined;

/** The axes that the scales or sizes of a Resize are of. */
export const listedAxes = (g: Builder, node: NodeProto): readonly number[] => {
  const rank = g.rank(node.input[0]);
  return (
    attributesOf(node)
      .ints('axes')
      ?.map((axis) => axisFrom(axis, rank)) ?? range(rank)
  );
};

/** Length of an axis after resizing by a scale: ONNX Runtime rounds the product to float32 before it leaves out the fraction. */
export const scaledSize = (size: number, factor: number): number => Math.floor(Math.fround(size * factor));

/** True for a scale that may or may not change the size of an axis: only if all stay is the Resize a copy. */
export const mayKeepSize = (factor: number, size: Dimension | undefined): boolean =>
  factor > 1 && (typeof size === 'number' ? size > 1 && scaledSize(size, factor) === size : factor < 1.5);

/** Returns the matrix `[after, before]` by which a Resize multiplies one axis. */
export function resizeWeights(g: Builder, node: NodeProto, resized: ResizedAxis): Value {
  const attributes = attributesOf(node);
  const [x] = node.input;
  const mode = modeOf(attributes);
  // Which of two neighbors is the nearest depends on the rounding of the kernel, which computes in float32.
  const dtype = mode === 'nearest' ? DType.FLOAT : g.floatTypeOf(x);
  const [before, after] = [g.sizes(x, [resized.axis]), sizeAfter(g, node, resized)];
  const at = coordinates(g, node, resized, dtype);
  const columns = g.cast(g.places(before), dtype);
  const last = g.sub(g.cast(before, dtype), 1);
  const made =
    mode === 'nearest'
      ? nearest(g, at, columns, last, attributes)
      : mode === 'linear'
        ? linear(g, at, columns, last)
        : cubic(g, at, before, attributes);
  const weights = isCrop(attributes) ? g.mul(made, inside(g, node, resized, dtype)) : made;
  // A Resize that changes no size is a copy, whatever its scales say.
  const identity = g.mask(g.equal(g.places(after, 0, 2), g.places(before, 1, 2)), weights);
  return g.cast(g.where(keepsShape(g, node), identity, weights), g.floatTypeOf(x));
}

const elementOf = (g: Builder, list: Value, k: number) => g.slice(list, k, k + 1, 0);

/** The scale along an axis, a vector of one: given, the quotient of two sizes, or one that all axes share. */
function scaleOf(g: Builder, node: NodeProto, { axis, place }: ResizedAxis): Value {
  const [x, , , sizes] = node.input;
  const scales = scalesOf(g, node);
  if (scales) return elementOf(g, scales, place);
  const quotient = (k: number, of: number) =>
    g.div(g.cast(elementOf(g, sizes, k), DType.FLOAT), g.cast(g.sizes(x, [of]), DType.FLOAT));
  const policy = policyOf(attributesOf(node));
  if (policy === 'stretch') return quotient(place, axis);
  const all = g.concat(
    listedAxes(g, node).map((of, k) => quotient(k, of)),
    0,
  );
  return policy === 'not_larger' ? g.minOver(all, [0]) : g.maxOver(all, [0]);
}

/** Returns the size of an axis after resizing, an int64 vector of one element. */
function sizeAfter(g: Builder, node: NodeProto, resized: ResizedAxis): Value {
  const [x, , , sizes] = node.input;
  const policy = policyOf(attributesOf(node));
  const scales = scalesOf(g, node);
  if (!scales && policy === 'stretch') return elementOf(g, sizes, resized.place);
  const before = g.cast(g.sizes(x, [resized.axis]), DType.FLOAT);
  const size = g.mul(before, g.cast(scaleOf(g, node, resized), DType.FLOAT));
  return g.cast(g.floor(scales ? size : g.add(size, 0.5)), DType.INT64);
}

/** True, in a vector of one, if no axis changes its size. */
function keepsShape(g: Builder, node: NodeProto): Value {
  const listed = listedAxes(g, node);
  return g.once(`${node.output[0]} keeps its shape`, () =>
    listed
      .map((axis, place) => {
        const after = sizeAfter(g, node, { axis, place, places: listed.length });
        return g.equal(g.sizes(node.input[0], [axis]), after);
      })
      .reduce((a, b) => g.and(a, b)),
  );
}

/** Places in the input, `[after]`, of the elements along an axis of the output. */
function coordinates(g: Builder, node: NodeProto, resized: ResizedAxis, dtype: DType): Value {
  const kind = transformationOf(attributesOf(node));
  const size = sizeAfter(g, node, resized);
  const [i, after] = [g.cast(g.places(size), dtype), g.cast(size, dtype)];
  const before = g.cast(g.sizes(node.input[0], [resized.axis]), dtype);
  const scale = () => g.cast(scaleOf(g, node, resized), dtype);
  const halfPixel = () => g.sub(g.div(g.add(i, 0.5), scale()), 0.5);
  const [single, steps] = [g.lessOrEqual(after, 1), g.max(g.sub(after, 1), 1)];
  const last = g.sub(before, 1);
  switch (kind) {
    case 'half_pixel':
      return halfPixel();
    case 'pytorch_half_pixel':
      return g.where(single, 0, halfPixel());
    case 'asymmetric':
      return g.div(i, scale());
    case 'align_corners':
      return g.where(single, 0, g.div(g.mul(i, last), steps));
    case 'half_pixel_symmetric': {
      const adjustment = g.div(after, g.mul(scale(), before));
      const offset = g.mul(g.div(before, 2), g.sub(1, adjustment));
      // In the kernel's order: sums are rounded as there.
      return g.sub(g.add(offset, g.div(g.add(i, 0.5), scale())), 0.5);
    }
    case 'tf_crop_and_resize': {
      const [start, end] = regionOf(g, node, resized, dtype);
      const along = g.div(g.mul(g.mul(i, g.sub(end, start)), last), steps);
      const middle = g.mul(g.mul(0.5, g.add(start, end)), last);
      return g.where(single, middle, g.add(g.mul(start, last), along));
    }
    default:
      return refuse(`coordinate_transformation_mode ${kind} has no rule.`);
  }
}

/** The two ends of a region along an axis, in units of its length. */
function regionOf(
  g: Builder,
  { input: [, roi = ''] }: NodeProto,
  { place, places }: ResizedAxis,
  dtype: DType,
) {
  if (roi === '') refuse('coordinate_transformation_mode tf_crop_and_resize needs a roi.');
  const bound = (k: number) => g.cast(elementOf(g, roi, k), dtype);
  return [bound(place), bound(place + places)] as const;
}

/** 1 for places of the output inside the input, `[after, 1]`; those outside are filled with a constant. */
function inside(g: Builder, node: NodeProto, resized: ResizedAxis, dtype: DType): Value {
  const at = coordinates(g, node, resized, DType.FLOAT);
  const last = g.cast(g.sub(g.sizes(node.input[0], [resized.axis]), g.integers([1])), DType.FLOAT);
  const within = g.and(g.greaterOrEqual(at, 0), g.lessOrEqual(at, last));
  return g.unsqueeze(g.cast(within, dtype), [1]);
}

const column = (g: Builder, v: Value) => g.unsqueeze(v, [1]);
const between = (g: Builder, v: Value, low: number, high: Value) => g.min(g.max(v, low), high);

function nearest(g: Builder, at: Value, columns: Value, last: Value, attributes: Attributes): Value {
  const rounded = {
    round_prefer_floor: () => g.ceil(g.sub(at, 0.5)),
    round_prefer_ceil: () => g.floor(g.add(at, 0.5)),
    floor: () => g.floor(at),
    ceil: () => g.ceil(at),
  }[attributes.string('nearest_mode', 'round_prefer_floor')];
  if (rounded === undefined) refuse(`nearest_mode ${attributes.string('nearest_mode', '')} has no rule.`);
  return g.mask(g.equal(column(g, between(g, rounded(), 0, last)), columns), at);
}

/** max(0, 1 − |distance|). */
function linear(g: Builder, at: Value, columns: Value, last: Value): Value {
  const distance = g.abs(g.sub(column(g, between(g, at, 0, last)), columns));
  return g.max(g.sub(1, distance), 0);
}

/** Cubic convolution; of neighbors outside, those at the ends take the place, or all others share their weight. */
function cubic(g: Builder, at: Value, before: Value, attributes: Attributes): Value {
  const a = attributes.float('cubic_coeff_a', -0.75);
  const dtype = g.floatTypeOf(at);
  const kernel = (neighbors: Value) => {
    const d = g.abs(g.sub(column(g, at), neighbors));
    const near = g.add(g.mul(g.mul(d, d), g.sub(g.mul(a + 2, d), a + 3)), 1);
    const far = g.sub(g.mul(g.add(g.mul(g.sub(g.mul(a, d), 5 * a), d), 8 * a), d), 4 * a);
    return g.where(g.less(d, 1), near, g.where(g.less(d, 2), far, 0));
  };
  const columns = g.cast(g.places(before), dtype);
  if (attributes.int('exclude_outside', 0) === 1) {
    const weights = kernel(columns);
    const total = g.sum(weights, [1]);
    // Far outside, none is left.
    return g.div(weights, g.where(g.equal(total, 0), 1, total));
  }
  const margin = 2;
  const wider = g.sub(g.cast(g.places(g.add(before, g.integers([2 * margin]))), dtype), margin);
  const last = g.sub(g.cast(before, dtype), 1);
  const folded = g.mask(g.equal(column(g, between(g, wider, 0, last)), columns), at);
  return g.matmul(kernel(wider), folded);
}
