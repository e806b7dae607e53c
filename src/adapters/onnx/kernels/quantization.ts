import { refuse } from '../ir/errors.ts';
import { dtypeName } from '../ir/tensor.ts';
import type { Lowering } from '../passes/rewrite.ts';
import { alongAxisOf, ranges } from '../rules/quantization.ts';

/** (q − zero)·scale. */
const dequantize: Lowering = (g, node, attributes) => {
  const [x, scale, zero] = node.input;
  if (attributes.int('block_size', 0) !== 0) refuse('block_size is not done in float64.');
  const axis = attributes.int('axis', 1);
  const dtype = g.floatTypeOf(scale);
  const along = (value: string) => alongAxisOf(g, value, x, axis);
  const whole = g.cast(x, dtype);
  return [g.mul(zero ? g.sub(whole, along(g.cast(zero, dtype))) : whole, along(scale))];
};

/** round(x/scale) + zero, held within the range of its type. */
const quantize: Lowering = (g, node, attributes) => {
  const [x, scale, zero] = node.input;
  if (attributes.int('block_size', 0) !== 0) refuse('block_size is not done in float64.');
  const dtype = g.dtypeOf(node.output[0]);
  const [low, high] = ranges.get(dtype) ?? refuse(`${dtypeName(dtype)} is not done in float64.`);
  const axis = attributes.int('axis', 1);
  const steps = g.op('Round', [g.div(x, alongAxisOf(g, scale, x, axis))]);
  const offset = zero ? alongAxisOf(g, g.cast(zero, g.floatTypeOf(x)), x, axis) : undefined;
  const held = g.op('Clip', [offset ? g.add(steps, offset) : steps, low, high]);
  return [g.op('Cast', [held], { to: dtype })];
};

/** Quantization, which ONNX Runtime has no float64 kernels for. */
export const quantizationKernels = new Map<string, Lowering>([
  ['QuantizeLinear', quantize],
  ['DequantizeLinear', dequantize],
]);
