import type { NodeProto } from 'onnx-buf';
import { attributesOf, decimalOf, nodeAttributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable, UpgradeContext } from '../ir/op.ts';
import { meet, onlyFirst, type SampleRule } from '../ir/samples.ts';
import { axisFrom, range, unknownDimension, type Dimension } from '../ir/shape.ts';
import { DType, numbersOf } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';

/** An axis along which a Resize changes something. */
interface ResizedAxis {
  readonly axis: number;
  /** Its place in the scales or sizes. */
  readonly place: number;
}

/**
 * The axes along which a Resize changes something: it acts on each apart from the others.
 *
 * @throws Refusal if it does not, or if only run time can tell what it does
 */
function resizedAxes(g: Builder, node: NodeProto): ResizedAxis[] {
  const attributes = attributesOf(node);
  const [x] = node.input;
  const scales = scalesOf(g, node);
  const rank = g.rank(x);
  if (attributes.string('coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize')
    refuse('coordinate_transformation_mode tf_crop_and_resize has no rule.');
  if (attributes.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    refuse('keep_aspect_ratio_policy has no rule; give the sizes that come of it.');
  const listed = attributes.ints('axes')?.map((axis) => axisFrom(axis, rank)) ?? range(rank);
  const [from, to] = [g.shapeOf(x), g.shapeOf(node.output[0])];
  const tensor = scales ? g.constants.get(scales) : undefined;
  const factors = tensor && numbersOf(tensor);
  const stays = (axis: number) => from !== undefined && from[axis] === to?.[axis];
  // ONNX Runtime copies what keeps its shape, whatever the scales say.
  if (listed.every(stays)) return [];
  return listed.flatMap((axis, place) => {
    if (factors === undefined) return stays(axis) ? [] : [{ axis, place }];
    const [factor, size] = [factors[place], from?.[axis]];
    // Alone it would be copied, beside others that change it is not.
    if (factor > 1 && (typeof size === 'number' ? stays(axis) && size > 1 : factor < 1.5))
      refuse(
        `a scale of ${decimalOf(factor)} that may leave axis ${axis} at its size has no rule; give sizes.`,
      );
    return factor === 1 ? [] : [{ axis, place }];
  });
}

/** The scales of a Resize; undefined where it has sizes, beside which older files have empty scales. */
const scalesOf = (g: Builder, { input: [, , scales] }: NodeProto): Value | undefined =>
  scales && g.shapeOf(scales)?.[0] !== 0 ? scales : undefined;

const copied = new Set(
  'antialias coordinate_transformation_mode cubic_coeff_a exclude_outside mode nearest_mode'.split(' '),
);

/**
 * The matrix `[before, after]` by which a Resize multiplies one axis: what the op itself makes of the identity, right
 * for every mode and rounding that it knows. ONNX Runtime has it in float32 only.
 */
function interpolationOf(g: Builder, node: NodeProto, { axis, place }: ResizedAxis): Value {
  const [x, , , sizes] = node.input;
  const scales = scalesOf(g, node);
  const n = g.sizes(x, [axis]);
  const identity = g.eye(n, DType.FLOAT);
  const image = g.reshape(identity, g.concat([g.integers([1, 1]), n, n], 0));
  const of = (list: Value) => g.slice(list, place, place + 1, 0);
  const factor = scales
    ? g.concat([g.constant(DType.FLOAT, [3], [1, 1, 1]), g.cast(of(scales), DType.FLOAT)], 0)
    : undefined;
  const size = scales ? undefined : g.concat([g.integers([1, 1]), n, of(sizes)], 0);
  const resized = g.op('Resize', [image, undefined, factor, size]);
  g.proto.node.at(-1)?.attribute.push(...node.attribute.filter(({ name }) => copied.has(name)));
  return g.cast(g.squeeze(resized, [0, 1]), g.floatTypeOf(x));
}

/** x with one of its axes multiplied by a matrix `[new, old]`. */
export function alongAxis(g: Builder, x: Value, axis: number, matrix: Value): Value {
  const rank = g.rank(x);
  if (axis === rank - 1) return g.matmul(x, g.swap(matrix));
  if (axis === rank - 2) return g.matmul(matrix, x);
  const swapped = range(rank).map((i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
  return g.transpose(g.matmul(g.transpose(x, swapped), g.swap(matrix)), swapped);
}

const inferResize: InferRule = (c) => {
  const dtype = c.dtype(0);
  const x = c.shape(0);
  if (x === undefined) return [{ dtype }];
  const axes = c.attributes.ints('axes')?.map((axis) => (axis < 0 ? axis + x.length : axis));
  const policy = c.attributes.string('keep_aspect_ratio_policy', 'stretch');
  const place = (i: number) => (axes ? axes.indexOf(i) : i);
  const scales = c.has(2) && c.shape(2)?.[0] !== 0 ? c.constant(2) : undefined;
  const sizes = c.has(3) && policy === 'stretch' ? c.contents(3) : undefined;
  const factors = scales && numbersOf(scales);
  const shape = x.map((size, i): Dimension => {
    const k = place(i);
    if (k < 0) return size;
    if (sizes) return sizes[k] ?? unknownDimension();
    if (factors && factors[k] === 1) return size;
    return factors && typeof size === 'number' ? Math.floor(size * factors[k]) : unknownDimension();
  });
  return [{ dtype, shape }];
};

const gradient: VjpRule = ({ g, node, dy }) => {
  const through = (d: Value, axis: ResizedAxis) => alongAxis(g, d, axis.axis, interpolationOf(g, node, axis));
  return [resizedAxes(g, node).reduce(through, dy)];
};

/** Its coefficients are those of the float32 kernel. */
const inFloat64: Lowering = (g, node) => {
  const along = (x: Value, axis: ResizedAxis) =>
    alongAxis(g, x, axis.axis, g.swap(interpolationOf(g, node, axis)));
  return [resizedAxes(g, node).reduce(along, node.input[0])];
};

/** The size along the batch must stay. */
const samples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if (c.shape(0)?.[samples.axis] !== c.out?.[samples.axis]) meet('it changes the size of the batch');
  return samples;
};

/**
 * Resize of opset 10 and Upsample: nearest neighbors were floor(i / scale) where an axis grew, and in ONNX Runtime
 * ceil(i / scale) where it shrank. An axis does one or the other, so the two are done one after the other.
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

/** Resize, and Upsample before it. */
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
