/**
 * Types and shapes of the results of ops that compute with quantized integers.
 *
 * @module
 */
import type { InferRule } from '../ir/facts.ts';
import { axisFrom, broadcastShapes, range, unknownDimension } from '../ir/shape.ts';
import { inferMatMul } from './linear.ts';

/** Images with their channels on the last axis, as if these lay on the second. */
export const channelsLast =
  (rule: InferRule): InferRule =>
  (c) => {
    if (c.attributes.int('channels_last', 0) === 0) return rule(c);
    const first = c.shape(0);
    const moved = first && [first[0], first[first.length - 1], ...first.slice(1, -1)];
    const shapes = rule(c.with({ shape: (i) => (i === 0 ? moved : c.shape(i)) }));
    const shape = shapes?.[0]?.shape;
    return [{ dtype: c.dtype(0), shape: shape && [shape[0], ...shape.slice(2), shape[1]] }];
  };

/** Infers the result of an op whose real operands are those inputs of this one. */
export const withOperands =
  (rule: InferRule, operands: readonly number[]): InferRule =>
  (c) => {
    const at = (i: number) => operands[i] ?? c.node.input.length;
    return rule(c.with({ shape: (i) => c.shape(at(i)), dtype: (i) => c.dtype(at(i)) }));
  };

/** The type of the last of these inputs, in the shape of all broadcast. */
export const inferBroadcast =
  (...operands: readonly number[]): InferRule =>
  (c) => [
    {
      dtype: c.dtype(operands[operands.length - 1]),
      shape: broadcastShapes(operands.map((i) => c.shape(i))),
    },
  ];

/** The parts of a QLinearConcat one after the other. */
export const inferConcat: InferRule = (c) => {
  const shapes = range((c.node.input.length - 2) / 3).map((i) => c.shape(3 * i + 2));
  const [first] = shapes;
  const axis = first && axisFrom(c.attributes.int('axis', 0), first.length);
  const sizes = shapes.map((shape) => (axis === undefined ? undefined : shape?.[axis]));
  const total = sizes.every((size) => typeof size === 'number')
    ? sizes.reduce((a, b) => a + b, 0)
    : undefined;
  const shape = first?.map((size, i) => (i === axis ? (total ?? unknownDimension()) : size));
  return [{ dtype: c.dtype(2), shape }];
};

/** One element for each channel, the second axis. */
export const inferGlobalPool: InferRule = (c) => [
  { dtype: c.dtype(0), shape: c.shape(0)?.map((size, i) => (i < 2 ? size : 1)) },
];

/** The type of input i, and the shape of the product of inputs 0 and `right`. */
export const inferProduct =
  (right: number, type: number): InferRule =>
  (c) => [{ dtype: c.dtype(type), shape: withOperands(inferMatMul, [0, right])(c)?.[0]?.shape }];

/** A third of the columns of the weight. */
export const inferAttention: InferRule = (c) => {
  const [x, w] = [c.shape(0), c.shape(1)];
  const [, columns] = w ?? [];
  const size = typeof columns === 'number' ? columns / 3 : unknownDimension();
  return [{ dtype: c.dtype(3), shape: x && [x[0], x[1], size] }];
};
