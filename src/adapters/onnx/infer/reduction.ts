import { axisFrom, range, unknownShape, type Shape } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { InferContext, InferRule } from '../ir/facts.ts';

/** The axes that a reduction sums over; undefined if they are known only at run time, `'none'` if it does nothing. */
export function reducedAxes(c: InferContext): readonly number[] | 'none' | undefined {
  const rank = c.shape(0)?.length;
  if (rank === undefined) return undefined;
  const axes = c.has(1) ? c.integers(1) : [];
  if (axes === undefined) return undefined;
  if (axes.length > 0) return axes.map((axis) => axisFrom(axis, rank));
  return c.attributes.int('noop_with_empty_axes', 0) ? 'none' : range(rank);
}

const reduce: InferRule = (c) => {
  const shape = c.shape(0);
  const axes = reducedAxes(c);
  const dtype = c.dtype(0);
  if (axes === 'none') return [{ dtype, shape }];
  const keep = c.attributes.int('keepdims', 1) === 1;
  if (!keep && !c.has(1) && c.attributes.int('noop_with_empty_axes', 0) === 0) return [{ dtype, shape: [] }];
  if (shape === undefined || axes === undefined)
    return [{ dtype, shape: keep && shape ? unknownShape(shape.length) : undefined }];
  return [{ dtype, shape: without(shape, axes, keep) }];
};

function without(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  const gone = new Set(axes);
  return keep ? shape.map((size, i) => (gone.has(i) ? 1 : size)) : shape.filter((_, i) => !gone.has(i));
}

const argument: InferRule = (c) => {
  const shape = c.shape(0);
  const axis = c.axis(0);
  const reduced =
    shape && axis !== undefined ? without(shape, [axis], c.attributes.int('keepdims', 1) === 1) : undefined;
  return [{ dtype: DType.INT64, shape: reduced }];
};

export const reduction = new Map<string, InferRule>([
  ...['Sum', 'Mean', 'Max', 'Min', 'Prod', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'].map(
    (kind): [string, InferRule] => [`Reduce${kind}`, reduce],
  ),
  ['ArgMax', argument],
  ['ArgMin', argument],
]);
