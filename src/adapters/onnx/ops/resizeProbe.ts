/**
 * Weights of a Resize, found by letting its own kernel resize an identity matrix.
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import { attributesOf } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import { axisFrom, range, type Dimension, type Shape } from '../ir/shape.ts';
import { DType, numbersOf } from '../ir/tensor.ts';
import {
  isCrop,
  listedAxes,
  mayKeepSize,
  policyOf,
  resizeWeights,
  scalesOf,
  type ResizedAxis,
} from './resizeWeights.ts';

const copied = new Set(
  'antialias coordinate_transformation_mode cubic_coeff_a exclude_outside keep_aspect_ratio_policy mode nearest_mode'.split(
    ' ',
  ),
);

/** The inputs and attributes that make a Resize act on the last axis of an image as it does on an axis of its own. */
interface Probe {
  /** Height of the image, whose rows are alike; 1 if the last two axes are the identity. */
  readonly rows: number;
  readonly roi?: Value;
  readonly scales?: Value | undefined;
  readonly sizes?: Value | undefined;
  readonly axes?: readonly number[];
}

/** True for a Resize whose scales, sizes or region are not known well enough to compute its weights with the op itself. */
function isFed(g: Builder, node: NodeProto): boolean {
  const attributes = attributesOf(node);
  const [x, roi, , sizes] = node.input;
  const scales = scalesOf(g, node);
  const known = scales === undefined ? undefined : g.constants.get(scales);
  const from = g.shapeOf(x);
  const fed =
    scales !== undefined
      ? known === undefined ||
        listedAxes(g, node).some((axis, place) => mayKeepSize(numbersOf(known)[place], from?.[axis]))
      : policyOf(attributes) !== 'stretch' && !proportion(node, g.shapeOf(x), g.integersOf(sizes));
  if (!fed && !(isCrop(attributes) && !g.constants.has(roi))) return false;
  if (attributes.int('antialias', 0) === 0) return true;
  return fed && !scales
    ? refuse('keep_aspect_ratio_policy with antialias has a rule for sizes that are known beforehand only.')
    : false;
}

/**
 * Returns the matrix `[before, after]` by which a Resize multiplies one axis: the op itself resizes the identity, so the
 * matrix is right for all of its modes and roundings. ONNX Runtime has the op in float32 only.
 */
export function interpolationOf(g: Builder, node: NodeProto, resized: ResizedAxis): Value {
  if (isFed(g, node)) return g.swap(resizeWeights(g, node, resized));
  const [x] = node.input;
  const attributes = attributesOf(node);
  const n = g.sizes(x, [resized.axis]);
  const identity = g.eye(n, DType.FLOAT);
  const probe = isCrop(attributes)
    ? cropped(g, node, resized, n)
    : policyOf(attributes) === 'stretch' || scalesOf(g, node)
      ? stretched(g, node, resized, n)
      : inProportion(g, node, resized);
  const { rows, roi, scales, sizes, axes } = probe;
  const image =
    rows === 0
      ? g.reshape(identity, g.concat([g.integers([1, 1]), n, n], 0))
      : g.expand(g.unsqueeze(identity, [0, 2]), g.concat([g.integers([1]), n, g.integers([rows]), n], 0));
  const made = g
    .inheriting(node.attribute.filter(({ name }) => copied.has(name)))
    .resize(image, { axes }, scales, sizes, roi);
  const matrix = rows === 0 ? g.squeeze(made, [0, 1]) : g.squeeze(g.slice(made, 0, 1, 2), [0, 2]);
  return g.cast(matrix, g.floatTypeOf(x));
}

/** By a scale or a size. */
function stretched(g: Builder, node: NodeProto, { place }: ResizedAxis, n: Value): Probe {
  const of = (list: Value) => g.slice(list, place, place + 1, 0);
  const scales = scalesOf(g, node);
  return scales
    ? {
        rows: 0,
        scales: g.concat([g.constant(DType.FLOAT, [3], [1, 1, 1]), g.cast(of(scales), DType.FLOAT)], 0),
      }
    : { rows: 0, sizes: g.concat([g.integers([1, 1]), n, of(node.input[3])], 0) };
}

/** By a scale or a size, of a region. A second row keeps what has its size from being copied. */
function cropped(g: Builder, node: NodeProto, { place, places }: ResizedAxis, n: Value): Probe {
  const [, roi = '', , sizes] = node.input;
  if (roi === '') refuse('coordinate_transformation_mode tf_crop_and_resize needs a roi.');
  const of = (list: Value, k = place) => g.slice(list, k, k + 1, 0);
  const three = (value: number) => g.constant(DType.FLOAT, [3], [value, value, value]);
  const bound = (k: number) => g.cast(of(roi, k), DType.FLOAT);
  const region = g.concat([three(0), bound(place), three(1), bound(place + places)], 0);
  const scales = scalesOf(g, node);
  return {
    rows: 1,
    roi: region,
    ...(scales
      ? {
          scales: g.concat([g.constant(DType.FLOAT, [3], [1, 1, 2]), g.cast(of(scales), DType.FLOAT)], 0),
        }
      : { sizes: g.concat([g.integers([1]), n, g.integers([2]), of(sizes)], 0) }),
  };
}

/**
 * By the scale that all axes share under a keep_aspect_ratio_policy, a quotient p / q of two sizes: an image of q rows,
 * which are to become p, has the same.
 */
function inProportion(g: Builder, node: NodeProto, { axis, place }: ResizedAxis): Probe {
  const found = proportion(node, g.shapeOf(node.input[0]), g.integersOf(node.input[3]));
  if (found === undefined)
    refuse('keep_aspect_ratio_policy has a rule for sizes that are known beforehand only.');
  const { wanted, before } = found;
  const divisor = gcd(wanted, before);
  const own = g.integersOf(node.input[3])?.[place] ?? axis;
  return { rows: before / divisor, sizes: g.integers([wanted / divisor, own]), axes: [2, 3] };
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** The size wanted, and that before, of the axis that settles the scale of a keep_aspect_ratio_policy. */
export function proportion(
  node: NodeProto,
  shape: Shape | undefined,
  sizes: readonly Dimension[] | undefined,
) {
  const attributes = attributesOf(node);
  if (shape === undefined || sizes === undefined) return undefined;
  const axes = attributes.ints('axes')?.map((axis) => axisFrom(axis, shape.length)) ?? range(shape.length);
  const pairs = axes.map((axis, place) => ({ wanted: Number(sizes[place]), before: Number(shape[axis]) }));
  if (!pairs.every(({ wanted, before }) => wanted > 0 && before > 0)) return undefined;
  const sorted = pairs.toSorted((a, b) => a.wanted / a.before - b.wanted / b.before);
  return policyOf(attributes) === 'not_larger' ? sorted[0] : sorted.at(-1);
}
