import { axisFrom, unknownDimension, unknownShape } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { InferRule } from '../ir/facts.ts';

const gather: InferRule = (c) => {
  const dtype = c.dtype(0);
  const [shape, indices, axis] = [c.shape(0), c.shape(1), c.axis(0)];
  if (shape === undefined || indices === undefined || axis === undefined) return [{ dtype }];
  return [{ dtype, shape: [...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)] }];
};

const gatherND: InferRule = (c) => {
  const dtype = c.dtype(0);
  const [shape, indices] = [c.shape(0), c.shape(1)];
  const depth = indices?.at(-1);
  if (shape === undefined || indices === undefined || typeof depth !== 'number') return [{ dtype }];
  const batch = c.attributes.int('batch_dims', 0);
  return [{ dtype, shape: [...indices.slice(0, -1), ...shape.slice(batch + depth)] }];
};

const topK: InferRule = (c) => {
  const axis = c.axis(-1);
  const k = c.contents(1)?.[0] ?? unknownDimension();
  const shape = c.shape(0)?.map((size, i) => (i === axis ? k : size));
  return [
    { dtype: c.dtype(0), shape },
    { dtype: DType.INT64, shape },
  ];
};

const oneHot: InferRule = (c) => {
  const indices = c.shape(0);
  const dtype = c.dtype(2);
  if (indices === undefined) return [{ dtype }];
  const axis = axisFrom(c.attributes.int('axis', -1), indices.length + 1);
  const depth = c.contents(1)?.[0] ?? unknownDimension();
  return [{ dtype, shape: [...indices.slice(0, axis), depth, ...indices.slice(axis)] }];
};

const nonZero: InferRule = (c) => [
  { dtype: DType.INT64, shape: [c.shape(0)?.length ?? unknownDimension(), unknownDimension()] },
];

export const indexing = new Map<string, InferRule>([
  ['Gather', gather],
  ['GatherElements', (c) => [{ dtype: c.dtype(0), shape: c.shape(1) }]],
  ['GatherND', gatherND],
  ['TopK', topK],
  ['OneHot', oneHot],
  ['NonZero', nonZero],
  ['Compress', (c) => [{ dtype: c.dtype(0), shape: c.attributes.has('axis') ? undefined : unknownShape(1) }]],
]);
