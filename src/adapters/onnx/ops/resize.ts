import type { NodeProto } from 'onnx-buf';
import { refuse } from '../ir/errors.ts';
import { attributesOf, decimalOf } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { DType, numbersOf } from '../ir/tensor.ts';

/** An axis along which a Resize changes something. */
export interface ResizedAxis {
  readonly axis: number;
  /** Its place in the scales or sizes. */
  readonly place: number;
}

/**
 * The axes along which a Resize changes something: it acts on each apart from the others.
 *
 * @throws Refusal if it does not, or if only run time can tell what it does
 */
export function resizedAxes(g: Builder, node: NodeProto): ResizedAxis[] {
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
export function interpolationOf(g: Builder, node: NodeProto, { axis, place }: ResizedAxis): Value {
  const [x, , , sizes] = node.input;
  const scales = scalesOf(g, node);
  const n = g.sizes(x, [axis]);
  const identity = g.op('EyeLike', [g.filled(g.concat([n, n], 0), 0, DType.FLOAT)]);
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
