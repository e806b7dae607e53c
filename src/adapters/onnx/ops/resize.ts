import type { NodeProto } from 'onnx-buf';
import { attributesOf, decimalOf, nodeAttributes, type Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable, UpgradeContext } from '../ir/op.ts';
import { meet, onlyFirst, type SampleRule } from '../ir/samples.ts';
import { axisFrom, isStatic, range, unknownDimension, type Dimension, type Shape } from '../ir/shape.ts';
import { DType, numbersOf } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';

/** An axis along which a Resize interpolates. */
interface ResizedAxis {
  readonly axis: number;
  /** Its index in the scales or sizes. */
  readonly place: number;
  /** Number of scales or sizes. */
  readonly places: number;
}

const policyOf = (attributes: Attributes) => attributes.string('keep_aspect_ratio_policy', 'stretch');

const isCrop = (attributes: Attributes): boolean =>
  attributes.string('coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize';

/**
 * Returns the axes along which a Resize interpolates; it acts on each separately.
 *
 * @throws Refusal if it does not, or if its effect is known only at run time
 */
function resizedAxes(g: Builder, node: NodeProto): ResizedAxis[] {
  const attributes = attributesOf(node);
  const [x] = node.input;
  const scales = scalesOf(g, node);
  const rank = g.rank(x);
  const listed = attributes.ints('axes')?.map((axis) => axisFrom(axis, rank)) ?? range(rank);
  const places = listed.length;
  const [from, to] = [g.shapeOf(x), g.shapeOf(node.output[0])];
  const stays = (axis: number) => from !== undefined && from[axis] === to?.[axis];
  // ONNX Runtime copies an input that keeps its shape, whatever its scales and region.
  if (isStatic(from) && isStatic(to) && listed.every(stays)) return [];
  if (isCrop(attributes)) return croppedAxes(g, node, listed, stays);
  if (listed.every(stays)) return [];
  const tensor = scales ? g.constants.get(scales) : undefined;
  const factors = tensor && numbersOf(tensor);
  return listed.flatMap((axis, place) => {
    if (factors === undefined) return stays(axis) ? [] : [{ axis, place, places }];
    const [factor, size] = [factors[place], from?.[axis]];
    // On its own such an axis would be copied; with others that change, it is interpolated.
    if (factor > 1 && (typeof size === 'number' ? stays(axis) && size > 1 : factor < 1.5))
      refuse(
        `a scale of ${decimalOf(factor)} may leave axis ${axis} at its size, which has no rule; give sizes instead.`,
      );
    return factor === 1 ? [] : [{ axis, place, places }];
  });
}

/** As {@link resizedAxes}, for a Resize of a region: interpolation reads the region along the axes of an image only. */
function croppedAxes(
  g: Builder,
  node: NodeProto,
  listed: readonly number[],
  stays: (axis: number) => boolean,
): ResizedAxis[] {
  const [x, roi = ''] = node.input;
  const tensor = g.constants.get(roi);
  const region = tensor && numbersOf(tensor);
  const places = listed.length;
  const nearest = attributesOf(node).string('mode', 'nearest') === 'nearest';
  const outer = nearest || g.rank(x) < 4 ? 0 : 2;
  return listed.flatMap((axis, place) => {
    const whole = region !== undefined && region[place] === 0 && region[place + places] === 1;
    return stays(axis) && (whole || axis < outer) ? [] : [{ axis, place, places }];
  });
}

/** Scales of a Resize; undefined if it has sizes. Older files then have empty scales. */
const scalesOf = (g: Builder, { input: [, , scales] }: NodeProto): Value | undefined =>
  scales && g.shapeOf(scales)?.[0] !== 0 ? scales : undefined;

const copied = new Set(
  'antialias coordinate_transformation_mode cubic_coeff_a exclude_outside keep_aspect_ratio_policy mode nearest_mode'.split(
    ' ',
  ),
);

/** Inputs and attributes with which a Resize acts on the last axis of an image as the original does on one of its axes. */
interface Probe {
  /** Height of the image, whose rows are equal; 0 if the last two axes are the identity matrix itself. */
  readonly rows: number;
  readonly roi?: Value;
  readonly scales?: Value | undefined;
  readonly sizes?: Value | undefined;
  readonly axes?: readonly number[];
}

/**
 * Matrix `[before, after]` by which a Resize multiplies one axis: the op applied to the identity matrix, which is right
 * for each of its modes and roundings. ONNX Runtime has the op only in float32.
 */
function interpolationOf(g: Builder, node: NodeProto, resized: ResizedAxis): Value {
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
  const made = g.op('Resize', [image, roi, scales, sizes], axes && { axes: [...axes] });
  g.proto.node.at(-1)?.attribute.push(...node.attribute.filter(({ name }) => copied.has(name)));
  const matrix = rows === 0 ? g.squeeze(made, [0, 1]) : g.squeeze(g.slice(made, 0, 1, 2), [0, 2]);
  return g.cast(matrix, g.floatTypeOf(x));
}

/** Probe of a Resize by a scale or a size. */
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

/** Probe of a Resize of a region. A second row keeps an axis that keeps its size from being copied. */
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
 * Probe of a Resize with a keep_aspect_ratio_policy: all axes share a scale p / q, the quotient of two sizes. An image
 * of q rows that become p has the same scale.
 */
function inProportion(g: Builder, node: NodeProto, { axis, place }: ResizedAxis): Probe {
  const found = proportion(node, g.shapeOf(node.input[0]), g.integersOf(node.input[3]));
  if (found === undefined)
    refuse('keep_aspect_ratio_policy has a rule only if sizes are known before the model runs.');
  const { wanted, before } = found;
  const divisor = gcd(wanted, before);
  const own = g.integersOf(node.input[3])?.[place] ?? axis;
  return { rows: before / divisor, sizes: g.integers([wanted / divisor, own]), axes: [2, 3] };
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** Requested and original size of the axis that determines the scale of a keep_aspect_ratio_policy. */
function proportion(node: NodeProto, shape: Shape | undefined, sizes: readonly Dimension[] | undefined) {
  const attributes = attributesOf(node);
  if (shape === undefined || sizes === undefined) return undefined;
  const axes = attributes.ints('axes')?.map((axis) => axisFrom(axis, shape.length)) ?? range(shape.length);
  const pairs = axes.map((axis, place) => ({ wanted: Number(sizes[place]), before: Number(shape[axis]) }));
  if (!pairs.every(({ wanted, before }) => wanted > 0 && before > 0)) return undefined;
  const sorted = pairs.toSorted((a, b) => a.wanted / a.before - b.wanted / b.before);
  return policyOf(attributes) === 'not_larger' ? sorted[0] : sorted.at(-1);
}

/** Multiplies one axis of x by a matrix `[new, old]`. */
export function alongAxis(g: Builder, x: Value, axis: number, matrix: Value): Value {
  const rank = g.rank(x);
  if (axis === rank - 1) return g.matmul(x, g.swap(matrix));
  if (axis === rank - 2) return g.matmul(matrix, x);
  const swapped = range(rank).map((i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
  return g.transpose(g.matmul(g.transpose(x, swapped), g.swap(matrix)), swapped);
}

/** Types of the output. For a region, ONNX Runtime computes its size from the whole input. */
const inferResize: InferRule = (c) => {
  const dtype = c.dtype(0);
  const x = c.shape(0);
  if (x === undefined) return [{ dtype }];
  const axes = c.attributes.ints('axes')?.map((axis) => (axis < 0 ? axis + x.length : axis));
  const policy = policyOf(c.attributes);
  const place = (i: number) => (axes ? axes.indexOf(i) : i);
  const scales = c.has(2) && c.shape(2)?.[0] !== 0 ? c.constant(2) : undefined;
  const sizes = c.has(3) && policy === 'stretch' ? c.contents(3) : undefined;
  const kept = c.has(3) && policy !== 'stretch' ? proportion(c.node, x, c.contents(3)) : undefined;
  const factors = scales && numbersOf(scales);
  const shape = x.map((size, i): Dimension => {
    const k = place(i);
    if (k < 0) return size;
    if (sizes) return sizes[k] ?? unknownDimension();
    if (kept) return Math.round(Math.fround(Math.fround(kept.wanted / kept.before) * Number(size)));
    if (factors && factors[k] === 1) return size;
    return factors && typeof size === 'number' ? Math.floor(size * factors[k]) : unknownDimension();
  });
  return [{ dtype, shape }];
};

const gradient: VjpRule = ({ g, node, dy, needs }) => {
  if (needs(1)) refuse('the gradient by its region (roi) has no rule.');
  const through = (d: Value, axis: ResizedAxis) => alongAxis(g, d, axis.axis, interpolationOf(g, node, axis));
  return [resizedAxes(g, node).reduce(through, dy)];
};

/** A Resize in float64, with the coefficients of the float32 kernel. */
const inFloat64: Lowering = (g, node, attributes) => {
  const axes = resizedAxes(g, node);
  const matrices = axes.map((axis) => g.swap(interpolationOf(g, node, axis)));
  const along = (x: Value) => axes.reduce((y, { axis }, k) => alongAxis(g, y, axis, matrices[k]), x);
  const [x] = node.input;
  const beyond = isCrop(attributes) ? attributes.float('extrapolation_value', 0) : 0;
  if (beyond === 0 || axes.length === 0) return [along(x)];
  // Elements outside of x are 0 so far; inside, weights sum to 1.
  const within = g.op('Round', [along(g.filled(g.shape(x), 1, g.floatTypeOf(x)))]);
  return [g.add(along(x), g.mul(g.sub(1, within), beyond))];
};

/** The size of the batch must stay the same. */
const samples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if (c.shape(0)?.[samples.axis] !== c.out?.[samples.axis]) meet('it changes the size of the batch');
  return samples;
};

/**
 * Resize of opset 10 and Upsample: the nearest neighbor was floor(i / scale) along an axis that grew, and in ONNX Runtime
 * ceil(i / scale) along one that shrank. If both may occur, one Resize enlarges and a second one shrinks.
 */
function upgrade({ node, from, constants, floats, before }: UpgradeContext): void {
  if (node.opType === 'Resize' && from >= 11) return;
  const [x, scales] = node.input;
  if (!scales)
    refuse('Upsample with its scales as an attribute is not converted; export with opset 9 or later.');
  const nearest = attributesOf(node).string('mode', 'nearest') === 'nearest';
  const known = constants.get(scales);
  const factors = known && numbersOf(known);
  const grows = !nearest || node.opType === 'Upsample' || (factors?.every((factor) => factor >= 1) ?? false);
  const shrinks = !grows && (factors?.every((factor) => factor <= 1) ?? false);
  const rule = { coordinate_transformation_mode: 'asymmetric', nearest_mode: grows ? 'floor' : 'ceil' };
  const both = !grows && !shrinks;
  const larger = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
  const grown = both ? before('Resize', [x, '', before('Max', [scales, floats([1])])], larger) : x;
  node.opType = 'Resize';
  node.input = [grown, '', both ? before('Min', [scales, floats([1])]) : scales];
  node.attribute.push(...nodeAttributes(rule));
}

/** Resize, and its predecessor Upsample. */
export const resizing: OpTable = {
  Resize: {
    infer: inferResize,
    samples,
    sizes: [1, 2, 3],
    float32: [1, 2],
    as: { float64: inFloat64 },
    vjp: gradient,
    upgrade,
  },
  Upsample: { float32: [1, 2], upgrade },
};
