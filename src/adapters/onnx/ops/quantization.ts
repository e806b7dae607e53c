import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { DType, dtypeName } from '../ir/tensor.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';

/** Type of the zero point, or else that of the attribute `output_dtype`. */
const quantizedType = (c: Parameters<InferRule>[0]): DType =>
  c.dtype(2) ?? (c.attributes.int('output_dtype', 0) || DType.UINT8);

/** Smallest and largest number of each quantized type. */
const ranges = new Map<DType | undefined, readonly [number, number]>([
  [DType.INT8, [-128, 127]],
  [DType.UINT8, [0, 255]],
  [DType.INT16, [-32_768, 32_767]],
  [DType.UINT16, [0, 65_535]],
]);

/** Reshapes a scale or zero point, one number or one for each element of an axis, to broadcast against x. */
function alongAxisOf(g: Builder, value: Value, x: Value, axis: number): Value {
  if (g.rank(value) === 0) return value;
  const rank = g.rank(x);
  return g.reshape(
    value,
    range(rank).map((i) => (i === axisFrom(axis, rank) ? -1 : 1)),
  );
}

/**
 * The straight-through estimator of Bengio, Léonard and Courville: rounding counts as the identity. The cotangent of a
 * DequantizeLinear passes through the QuantizeLinear before it, except for elements out of range.
 *
 * The integers between the two carry the cotangents of the real numbers that they represent.
 *
 * @see https://arxiv.org/abs/1308.3432
 */
const quantize: VjpRule = ({ g, inputs: [x, scale, zero], outputs: [y], dy, needs, attributes }) => {
  if (needs(1)) refuse('the gradient by its scale has no rule; leave it out of wrt.');
  if (attributes.int('block_size', 0) !== 0) refuse('block_size has no rule.');
  const [low, high] = ranges.get(g.dtypeOf(y)) ?? refuse(`${dtypeName(g.dtypeOf(y))} has no rule.`);
  const axis = attributes.int('axis', 1);
  const steps = g.div(x, alongAxisOf(g, scale, x, axis));
  const offset = zero ? alongAxisOf(g, g.cast(zero, g.floatTypeOf(x)), x, axis) : undefined;
  const place = g.round(offset ? g.add(steps, offset) : steps);
  const inside = g.and(g.greaterOrEqual(place, low), g.lessOrEqual(place, high));
  return [g.where(inside, dy, 0)];
};

/** The cotangent of the integers is that of the real numbers that they represent; see {@link quantize}. */
const dequantize: VjpRule = ({ g, inputs: [x, scale, zero], dy, needs, attributes }: VjpContext) => {
  if (attributes.int('block_size', 0) !== 0) refuse('block_size has no rule.');
  const ofScale = () => {
    const axis = attributes.int('axis', 1);
    const whole = g.cast(x, g.floatTypeOf(scale));
    const steps = zero ? g.sub(whole, alongAxisOf(g, g.cast(zero, g.floatTypeOf(scale)), x, axis)) : whole;
    return g.reshapeLike(g.sumTo(g.mul(dy, steps), alongAxisOf(g, scale, x, axis)), scale);
  };
  return [needs(0) && dy, needs(1) && ofScale()];
};

/** (q − zero)·scale. */
const dequantizeInFloat64: Lowering = (g, node, attributes) => {
  const [x, scale, zero] = node.input;
  if (attributes.int('block_size', 0) !== 0) refuse('block_size has no rule in float64.');
  const axis = attributes.int('axis', 1);
  const dtype = g.floatTypeOf(scale);
  const along = (value: string) => alongAxisOf(g, value, x, axis);
  const whole = g.cast(x, dtype);
  return [g.mul(zero ? g.sub(whole, along(g.cast(zero, dtype))) : whole, along(scale))];
};

/** round(x/scale) + zero, clipped to the range of its type. */
const quantizeInFloat64: Lowering = (g, node, attributes) => {
  const [x, scale, zero] = node.input;
  if (attributes.int('block_size', 0) !== 0) refuse('block_size has no rule in float64.');
  const dtype = g.dtypeOf(node.output[0]);
  const [low, high] = ranges.get(dtype) ?? refuse(`${dtypeName(dtype)} has no rule in float64.`);
  const axis = attributes.int('axis', 1);
  const steps = g.round(g.div(x, alongAxisOf(g, scale, x, axis)));
  const offset = zero ? alongAxisOf(g, g.cast(zero, g.floatTypeOf(x)), x, axis) : undefined;
  const held = g.clip(offset ? g.add(steps, offset) : steps, low, high);
  return [g.cast(held, dtype ?? DType.UINT8)];
};

/** Quantization to integers and back. */
export const quantization: OpTable = {
  QuantizeLinear: {
    infer: (c) => [{ dtype: quantizedType(c), shape: c.shape(0) }],
    as: { float64: quantizeInFloat64 },
    vjp: quantize,
  },
  DequantizeLinear: {
    infer: (c) => [{ dtype: c.dtype(1), shape: c.shape(0) }],
    as: { float64: dequantizeInFloat64 },
    vjp: dequantize,
  },
  DynamicQuantizeLinear: {
    infer: (c) => [
      { dtype: DType.UINT8, shape: c.shape(0) },
      { dtype: DType.FLOAT, shape: [] },
      { dtype: DType.UINT8, shape: [] },
    ],
  },
};
