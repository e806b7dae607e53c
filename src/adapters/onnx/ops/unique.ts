import type { InferRule } from '../ir/facts.ts';
import type { OpTable } from '../ir/op.ts';
import { unknownDimension } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { throughGather } from './indexing.ts';

/** The cotangent of each kept element goes to the first of those that it stands for. */
const unique: VjpRule = (c) => {
  const {
    g,
    node,
    inputs: [x],
    dys: [dy],
    attributes,
  } = c;
  if (dy === undefined) return [];
  const first = g.extraOutput(node, 1);
  if (attributes.has('axis')) return [throughGather(g, x, first, dy, attributes.int('axis', 0))];
  const zeros = g.filled(g.size(x), 0, g.dtypeOf(x));
  return [g.reshapeLike(g.scatterAdd(zeros, first, dy, 0), x)];
};

const inferUnique: InferRule = (c) => {
  const [x, axis] = [c.shape(0), c.attributes.has('axis') ? c.axis(0) : undefined];
  const count = unknownDimension();
  const kept = axis === undefined ? [count] : x?.map((size, i) => (i === axis ? count : size));
  const indices = { dtype: DType.INT64, shape: [count] };
  const length = axis === undefined ? unknownDimension() : (x?.[axis] ?? unknownDimension());
  return [{ dtype: c.dtype(0), shape: kept }, indices, { dtype: DType.INT64, shape: [length] }, indices];
};

/** The op that drops repeated elements. */
export const uniqueness: OpTable = { Unique: { infer: inferUnique, vjp: unique } };
