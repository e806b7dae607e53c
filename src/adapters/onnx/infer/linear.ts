import { broadcastDimension, broadcastShapes, unknownDimension, type Dimension } from '../ir/shape.ts';
import type { InferRule } from '../ir/facts.ts';
import { DType } from '../ir/tensor.ts';
import { parseEinsum } from '../ops/einsum.ts';

const matmul: InferRule = (c) => {
  const dtype = c.dtype(0);
  const [a, b] = [c.shape(0), c.shape(1)];
  if (a === undefined || b === undefined) return [{ dtype }];
  const rows = a.length > 1 ? [a[a.length - 2]] : [];
  const columns = b.length > 1 ? [b[b.length - 1]] : [];
  const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)]) ?? [];
  return [{ dtype, shape: [...batch, ...rows, ...columns] }];
};

const gemm: InferRule = (c) => {
  const [a, b] = [c.shape(0), c.shape(1)];
  const rows = a?.[c.attributes.int('transA', 0) ? 1 : 0] ?? unknownDimension();
  const columns = b?.[c.attributes.int('transB', 0) ? 0 : 1] ?? unknownDimension();
  return [{ dtype: c.dtype(0), shape: [rows, columns] }];
};

const einsum: InferRule = (c) => {
  const dtype = c.dtype(0);
  const equation = parseEinsum(c.attributes.string('equation', ''));
  if (equation === undefined) return [{ dtype }];
  const sizes = new Map<string, Dimension>();
  equation.inputs.forEach((letters, i) =>
    letters.forEach((letter, axis) => {
      const size = c.shape(i)?.[axis];
      if (size !== undefined) sizes.set(letter, broadcastDimension(sizes.get(letter) ?? 1, size));
    }),
  );
  return [{ dtype, shape: equation.output.map((letter) => sizes.get(letter) ?? unknownDimension()) }];
};

/** A product of integers that stand for real numbers. */
const matmulInteger: InferRule = (c) => [{ dtype: DType.INT32, shape: matmul(c)[0]?.shape }];

export const linear = new Map<string, InferRule>([
  ['MatMulInteger', matmulInteger],
  ['MatMul', matmul],
  ['Gemm', gemm],
  ['Einsum', einsum],
]);
