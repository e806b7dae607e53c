/**
 * Rules that ops of several families share.
 *
 * @module
 */

import { sizeOf } from '../../../core/layout.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import type { Op } from '../ir/op.ts';
import { LONGEST, type ContentRule, type InferContext, type InferRule } from '../ir/facts.ts';
import { meet, onlyFirst, rankOfInput, unclear, type SampleRule, type Samples } from '../ir/samples.ts';
import { axisFrom, broadcastShapes, range, type Dimension } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';

/** Attributes of a Resize by whole factors that repeats each element. */
export const repeating = {
  mode: 'nearest',
  coordinate_transformation_mode: 'asymmetric',
  nearest_mode: 'floor',
} as const;

/** Property of ops that move integers, and whose rules read only their shapes. */
export const movesIntegers = { inputs: [0], outputs: [0] } satisfies Op['integers'];

/** Property of products of integers. */
export const multipliesIntegers = { inputs: [0, 1], outputs: [0] } satisfies Op['integers'];

/** Quantized integers as real numbers in units of their scale: their distance from the zero point, if there is one. */
export function stepsFromZero(g: Builder, x: Value, zero: Value | undefined, dtype: DType): Value {
  const whole = g.cast(x, dtype);
  return zero ? g.sub(whole, g.cast(zero, dtype)) : whole;
}

const shapesOf = (c: InferContext) => c.node.input.map((_, i) => c.shape(i));

/** The type and shape of the first input. */
export const sameType: InferRule = (c) => [{ dtype: c.dtype(0), shape: c.shape(0) }];

/** The type in the attribute `dtype`, or else that of the first input, whose shape the result has. */
export const attributeType: InferRule = (c) => [
  { dtype: c.attributes.int('dtype', c.dtype(0) ?? DType.UNDEFINED) || undefined, shape: c.shape(0) },
];

/** The type of the first input, in the shape of all broadcast. */
export const broadcastType: InferRule = (c) => [{ dtype: c.dtype(0), shape: broadcastShapes(shapesOf(c)) }];

/** Booleans in the shape of all inputs broadcast. */
export const booleanType: InferRule = (c) => [{ dtype: DType.BOOL, shape: broadcastShapes(shapesOf(c)) }];

/**
 * Returns the elements of a tensor of known sizes in the order of another shape; undefined if there are too many.
 *
 * @param place - maps an index of the result to an index of the tensor
 */
export function pickedContent(
  data: readonly Dimension[],
  from: readonly number[],
  to: readonly number[],
  place: (index: readonly number[]) => readonly number[],
): readonly Dimension[] | undefined {
  const length = sizeOf(to);
  if (length > LONGEST) return undefined;
  return range(length).map((k) => {
    const index: number[] = [];
    for (let axis = to.length - 1, rest = k; axis >= 0; rest = Math.floor(rest / to[axis]), axis--)
      index[axis] = rest % to[axis];
    return data[place(index).reduce((at, i, axis) => at * from[axis] + i, 0)];
  });
}

/** The elements of the first input, unchanged. */
export const sameContent: ContentRule = (c) => c.contents(0);

/** Samples of broadcast inputs: they must lie along the same axis, counted from the last. */
export const broadcastSamples: SampleRule = (c) => {
  let found: Samples | undefined;
  const rank = c.out?.length ?? Math.max(...c.node.input.map((_, i) => rankOfInput(c, i)));
  const inputs = c.node.input.flatMap((name, i) => (name === '' ? [] : [i]));
  for (const i of inputs) {
    const samples = c.of(i);
    if (samples === undefined) continue;
    const moved = { axis: samples.axis + rank - rankOfInput(c, i), inner: samples.inner };
    if (found && (found.axis !== moved.axis || found.inner !== moved.inner))
      meet('they lie on different axes of its inputs');
    found = moved;
  }
  const { axis } = found ?? unclear();
  for (const i of inputs) {
    if (c.of(i)) continue;
    const size = c.shape(i)?.at(axis - rank) ?? 1;
    if (rank - axis <= rankOfInput(c, i) && size !== 1)
      meet('another input has more than one element along the batch');
  }
  return found ?? unclear();
};

/** Makes the rule of an op that works along one axis, which must not be that of the samples. */
export const samplesOffAxis =
  (byDefault: number, what: string): SampleRule =>
  (c) => {
    const samples = onlyFirst(c);
    if (axisFrom(c.attributes.int('axis', byDefault), rankOfInput(c, 0)) === samples.axis) meet(what);
    return samples;
  };

/** Samples of convolutions and other ops that handle each element of the first axis separately. */
export const imageSamples: SampleRule = (c) => {
  const samples = onlyFirst(c);
  if (samples.axis !== 0) meet('they do not lie on its first axis');
  return samples;
};
