import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, Op, OpTable } from '../ir/op.ts';
import { axisFrom, range } from '../ir/shape.ts';
import { DType, dtypeName } from '../ir/tensor.ts';
import type { VjpContext, VjpRule } from '../ir/vjp.ts';
import { stepsFromZero } from './common.ts';

/** Type of the zero point, or else that of the attribute `output_dtype`. */
const quantizedType = (c: Parameters<InferRule>[0]): DType =>
  c.dtype(2) ?? (c.attributes.int('output_dtype', 0) || DType.UINT8);

/** Smallest and largest number of each quantized type. */
const ranges = new Map<DType | undefined, readonly [number, number]>([
  [DType.INT8, [-128, 127]],
  [DType.UINT8, [0, 255]],
  [DType.INT16, [-32_768, 32_767]],
  [DType.UINT16, [0, 65_535]],
  [DType.UINT4, [0, 15]],
  [DType.INT4, [-8, 7]],
]);

/** Layout of a scale or zero point along its tensor: an axis, and the number of elements that share one, or 0. */
interface Layout {
  readonly axis: number;
  readonly block: number;
}

const layoutOf = (attributes: Attributes): Layout => ({
  axis: attributes.int('axis', 1),
  block: attributes.int('block_size', 0),
});

/** A scale or zero point, to broadcast against x: one number, one for each element of an axis, or one for each block. */
function along(g: Builder, value: Value, x: Value, { axis, block }: Layout): Value {
  if (g.rank(value) === 0) return value;
  const rank = g.rank(x);
  const at = axisFrom(axis, rank);
  if (block > 0) return g.gather(value, g.div(g.places(g.sizes(x, [at])), g.integers([block])), at);
  return g.reshape(
    value,
    range(rank).map((i) => (i === at ? -1 : 1)),
  );
}

/** Sums x over the elements that share an element of a scale: the transpose of {@link along}. */
function sumOver(g: Builder, x: Value, scale: Value, { axis, block }: Layout): Value {
  if (block === 0 || g.rank(scale) === 0) {
    const shape = g.rank(scale) === 0 ? scale : along(g, scale, x, { axis, block });
    return g.reshapeLike(g.sumTo(x, shape), scale);
  }
  const rank = g.rank(x);
  const at = axisFrom(axis, rank);
  const blocks = g.sizes(scale, [at]);
  const missing = g.sub(g.mul(blocks, g.integers([block])), g.sizes(x, [at]));
  const zeros = (count: number) => g.integers(Array<number>(count).fill(0));
  const pads = g.concat([zeros(rank + at), missing, zeros(rank - 1 - at)], 0);
  const sizes = [range(at), range(rank - 1 - at, at + 1)].map((axes) => g.sizes(x, axes));
  const split = g.concat([sizes[0], blocks, g.integers([block]), sizes[1]], 0);
  return g.sum(g.reshapeTo(g.pad(x, pads), split), [at + 1], false);
}

/** Returns x in units of its scale, its integer (`place`: rounded, with the zero point added), and the range of integers. */
function stepsOf(g: Builder, [x, scale, zero]: readonly Value[], dtype: DType | undefined, layout: Layout) {
  const [low, high] = ranges.get(dtype) ?? refuse(`${dtypeName(dtype)} has no rule.`);
  const steps = g.div(x, along(g, scale, x, layout));
  const offset = zero ? along(g, g.cast(zero, g.floatTypeOf(x)), x, layout) : undefined;
  const rounded = g.round(steps);
  return { steps, place: offset ? g.add(rounded, offset) : rounded, low, high };
}

/**
 * The straight-through estimator of Bengio, Léonard and Courville: rounding counts as the identity, so that the integers
 * have derivatives, each in units of one step. Elements out of range have none. The scale's gradient, together with that
 * of the DequantizeLinear, is that of learned step sizes (Esser et al.).
 *
 * @see https://arxiv.org/abs/1308.3432
 * @see https://arxiv.org/abs/1902.08153
 */
const quantize: VjpRule = ({ g, inputs, outputs: [y], dy, needs, attributes }) => {
  const layout = layoutOf(attributes);
  const [x, scale] = inputs;
  const { steps, place, low, high } = stepsOf(g, inputs, g.dtypeOf(y), layout);
  const inside = g.where(g.and(g.greaterOrEqual(place, low), g.lessOrEqual(place, high)), dy, 0);
  const ofReal = g.div(inside, along(g, scale, x, layout));
  return [needs(0) && ofReal, needs(1) && g.neg(sumOver(g, g.mul(ofReal, steps), scale, layout))];
};

/** The integers as real numbers, without the scale. */
function unscaled(g: Builder, [x, scale, zero]: readonly Value[], layout: Layout): Value {
  const dtype = g.floatTypeOf(scale);
  return stepsFromZero(g, x, zero && along(g, g.cast(zero, dtype), x, layout), dtype);
}

const dequantize: VjpRule = ({ g, inputs, dy, needs, attributes }: VjpContext) => {
  const layout = layoutOf(attributes);
  const [x, scale] = inputs;
  const ofScale = () => sumOver(g, g.mul(dy, unscaled(g, inputs, layout)), scale, layout);
  return [needs(0) && g.mul(dy, along(g, scale, x, layout)), needs(1) && ofScale()];
};

/** As {@link quantize}: the scale and the zero point count as constants, and no element is out of range. */
const quantizeByRange: VjpRule = ({ g, outputs: [, scale], dy }) => [g.div(dy, scale)];

/** The scale fits the range of x and 0 into 255 steps; zeros have the scale 1. */
const quantizeByRangeInFloat64: Lowering = (g, { input: [x] }) => {
  const low = g.min(g.minOfAll(x), 0);
  const range = g.div(g.sub(g.max(g.maxOfAll(x), 0), low), 255);
  const scale = g.where(g.greater(range, 0), range, 1);
  const zero = g.clip(g.round(g.neg(g.div(low, scale))), 0, 255);
  const place = g.clip(g.add(g.round(g.div(x, scale)), zero), 0, 255);
  return [g.cast(place, DType.UINT8), scale, g.cast(zero, DType.UINT8)];
};

/** (q − zero)·scale. */
const dequantizeInFloat64: Lowering = (g, { input }, attributes) => {
  const layout = layoutOf(attributes);
  return [g.mul(unscaled(g, input, layout), along(g, input[1], input[0], layout))];
};

/** round(x/scale) + zero, clipped to the range of its type. */
const quantizeInFloat64: Lowering = (g, node, attributes) => {
  const dtype = g.dtypeOf(node.output[0]);
  const { place, low, high } = stepsOf(g, node.input, dtype, layoutOf(attributes));
  return [g.cast(g.clip(place, low, high), dtype ?? DType.UINT8)];
};

const quantizeLinear: Op = {
  infer: (c) => [{ dtype: quantizedType(c), shape: c.shape(0) }],
  as: { float64: quantizeInFloat64 },
  vjp: quantize,
  integers: { outputs: [0] },
};
const dequantizeLinear: Op = {
  infer: (c) => [{ dtype: c.dtype(1), shape: c.shape(0) }],
  as: { float64: dequantizeInFloat64 },
  vjp: dequantize,
  integers: { inputs: [0] },
  carries: 'some',
  quantizers: [1, 2],
};

/** Quantization to integers and back. */
export const quantization: OpTable = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
  // ONNX Runtime's own have 16 bits in opsets before 21.
  'com.microsoft::QuantizeLinear': quantizeLinear,
  'com.microsoft::DequantizeLinear': dequantizeLinear,
  DynamicQuantizeLinear: {
    scaleOutput: 1,
    infer: (c) => [
      { dtype: DType.UINT8, shape: c.shape(0) },
      { dtype: c.dtype(0), shape: [] },
      { dtype: DType.UINT8, shape: [] },
    ],
    as: { float64: quantizeByRangeInFloat64 },
    vjp: quantizeByRange,
    integers: { outputs: [0] },
  },
};
