import type { Builder } from '../ir/builder.ts';
import type { InferRule } from '../ir/facts.ts';
import type { Value } from '../ir/graph.ts';
import { biasRole, weightRole, type Op, type OpTable } from '../ir/op.ts';
import { meet, rankOfInput, unclear, type SampleRule } from '../ir/samples.ts';
import { broadcastShapes, unknownDimension } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { multipliesIntegers, stepsFromZero } from './common.ts';
import { mapGemm, mapMatMul } from './vmap/products.ts';

export const inferMatMul: InferRule = (c) => {
  const dtype = c.dtype(0);
  const [a, b] = [c.shape(0), c.shape(1)];
  if (a === undefined || b === undefined) return [{ dtype }];
  const rows = a.length > 1 ? [a[a.length - 2]] : [];
  const columns = b.length > 1 ? [b[b.length - 1]] : [];
  const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)]) ?? [];
  return [{ dtype, shape: [...batch, ...rows, ...columns] }];
};

export const inferGemm: InferRule = (c) => {
  const [a, b] = [c.shape(0), c.shape(1)];
  const rows = a?.[c.attributes.int('transA', 0) ? 1 : 0] ?? unknownDimension();
  const columns = b?.[c.attributes.int('transB', 0) ? 0 : 1] ?? unknownDimension();
  return [{ dtype: c.dtype(0), shape: [rows, columns] }];
};

const matmulSamples: SampleRule = (c) => {
  const [a, b] = [c.of(0), c.of(1)];
  const [p, q] = [rankOfInput(c, 0), rankOfInput(c, 1)];
  const rank = c.out?.length ?? unclear();
  const summed = 'it sums over the batch';
  if (a && b) {
    const [i, j] = [a.axis - p, b.axis - q];
    if (i !== j || i > -3 || a.inner !== b.inner) meet('it multiplies samples with each other');
    return { axis: i + rank, inner: a.inner };
  }
  const [own, size, other] = a ? [a, p, 1] : [b ?? unclear(), q, 0];
  const fromEnd = own.axis - size;
  if (fromEnd === (a || q === 1 ? -1 : -2)) meet(summed);
  if (fromEnd < -2 && (c.shape(other)?.at(fromEnd) ?? 1) !== 1)
    meet('another input has more than one element along the batch');
  if (fromEnd < -2) return { axis: fromEnd + rank - (q === 1 || p === 1 ? -1 : 0), inner: own.inner };
  if (a) return { axis: q === 1 ? rank - 1 : rank - 2, inner: a.inner };
  return { axis: rank - 1, inner: own.inner };
};

const gemmSamples: SampleRule = (c) => {
  const [a, b, bias] = [c.of(0), c.of(1), c.of(2)];
  if (a && b) meet('it multiplies samples with each other');
  const rows = c.attributes.int('transA', 0) ? 1 : 0;
  const columns = c.attributes.int('transB', 0) ? 0 : 1;
  const biasAxis = bias && bias.axis + 2 - rankOfInput(c, 2);
  if (a && a.axis !== rows) meet('it sums over the batch');
  if (b && b.axis !== columns) meet('it sums over the batch');
  const found = a
    ? { axis: 0, inner: a.inner }
    : { axis: b ? 1 : (biasAxis ?? 0), inner: (b ?? bias)?.inner ?? 1 };
  if (bias && (biasAxis !== found.axis || bias.inner !== found.inner))
    meet('they lie on different axes of its inputs');
  if (!bias && c.node.input[2] && (c.shape(2)?.at(found.axis - 2) ?? 1) !== 1 && found.axis === 0)
    meet('another input has more than one element along the batch');
  return found;
};

/** y = a·b: da = dy·bᵀ, db = aᵀ·dy, each summed over the axes along which it was broadcast. */
const matmul: VjpRule = (c) => {
  const { g, dy, needs } = c;
  const [a, b] = c.inputs;
  if (g.shapeOf(a) === undefined && g.shapeOf(b)?.length === 2) return byRows(c);
  const [p, q] = [g.rank(a), g.rank(b)];
  if (p === 2 && q === 2) {
    return [needs(0) && g.gemm(dy, b, { transB: true }), needs(1) && g.gemm(a, dy, { transA: true })];
  }
  // A vector on the left is a row, on the right a column.
  const left = p === 1 ? g.unsqueeze(a, [0]) : a;
  const right = q === 1 ? g.unsqueeze(b, [1]) : b;
  const missing = [...(p === 1 ? [-2] : []), ...(q === 1 ? [-1] : [])];
  const full = g.unsqueeze(dy, missing);
  const fit = (cotangent: Value, matrix: Value, original: Value) =>
    g.reshapeLike(g.sumTo(cotangent, matrix), original);
  return [
    needs(0) && fit(g.matmul(full, g.swap(right)), left, a),
    needs(1) && fit(weightOf(g, left, full, right), right, b),
  ];
};

/** As {@link matmul}, for a left operand of unknown rank whose rows are all multiplied by one matrix. */
const byRows: VjpRule = ({ g, inputs: [a, b], dy, needs }) => {
  const rows = (x: Value, axis: number) => g.reshape(x, g.concat([g.integers([-1]), g.sizes(b, [axis])], 0));
  return [needs(0) && g.matmul(dy, g.swap(b)), needs(1) && g.gemm(rows(a, 0), rows(dy, 1), { transA: true })];
};

/** leftᵀ·d; if the right operand is one matrix for the whole batch, a single product of all rows. */
function weightOf(g: Builder, left: Value, d: Value, right: Value): Value {
  if (g.rank(right) !== 2 || g.rank(left) === 2) return g.matmul(g.swap(left), d);
  const rows = (x: Value) => g.reshape(x, g.concat([g.integers([-1]), g.sizes(x, [g.rank(x) - 1])], 0));
  return g.gemm(rows(left), rows(d), { transA: true });
}

/** y = α·A'·B' + β·C, where A' is A or its transpose; likewise B'. */
const gemm: VjpRule = ({ g, inputs: [a, b, c], dy, needs, attributes }) => {
  const [alpha, beta] = [attributes.float('alpha', 1), attributes.float('beta', 1)];
  const [flippedA, flippedB] = [attributes.int('transA', 0) === 1, attributes.int('transB', 0) === 1];
  const product = (p: Value, q: Value, transA: boolean, transB: boolean) =>
    g.gemm(p, q, { transA, transB, alpha });
  return [
    needs(0) && (flippedA ? product(b, dy, flippedB, true) : product(dy, b, false, !flippedB)),
    needs(1) && (flippedB ? product(dy, a, true, flippedA) : product(a, dy, !flippedA, false)),
    needs(2) && g.mul(g.sumTo(dy, c), beta),
  ];
};

/** Gradients pass through integers as {@link quantization} says: they are those of the product of real numbers. */
const integerMatmul: VjpRule = (c) => {
  const { g, dy, inputs, needs } = c;
  const dtype = g.floatTypeOf(dy);
  const [a, b, zeroA, zeroB] = inputs;
  // A vector of zero points of a has one for each row.
  const rowsOfZeros = zeroA && g.rank(zeroA) === 1 && g.rank(a) > 1 ? g.unsqueeze(zeroA, [-1]) : zeroA;
  const factors = [
    needs(1) ? stepsFromZero(g, a, rowsOfZeros, dtype) : a,
    needs(0) ? stepsFromZero(g, b, zeroB, dtype) : b,
  ];
  return [...matmul(Object.assign({}, c, { inputs: factors })), undefined, undefined];
};

const matMulInteger: Op = {
  infer: (c) => [{ dtype: DType.INT32, shape: inferMatMul(c)?.[0]?.shape }],
  samples: matmulSamples,
  vjp: integerMatmul,
  integers: multipliesIntegers,
  roles: { 1: weightRole(1) },
  isCostly: true,
};

/** Products of matrices. */
export const linear: OpTable = {
  MatMul: {
    product: 'matrices',
    isTransposed: () => false,
    infer: inferMatMul,
    isCostly: true,
    samples: matmulSamples,
    vjp: matmul,
    roles: (i, _attributes, rank) => weightRole(...(rank > 1 ? [i === 0 ? rank - 2 : rank - 1] : [])),
    vmap: mapMatMul,
  },
  Gemm: {
    product: 'affine',
    isDense: true,
    isTransposed: (a) => (a.int('transA', 0) === 0 ? a.int('transB', 0) === 1 : undefined),
    infer: inferGemm,
    isCostly: true,
    samples: gemmSamples,
    vjp: gemm,
    roles(i, attributes) {
      if (i === 2) return biasRole;
      const transposed = attributes.int(i === 0 ? 'transA' : 'transB', 0) === 1;
      return weightRole((i === 0 ? transposed : !transposed) ? 1 : 0);
    },
    vmap: mapGemm,
  },
  MatMulInteger: matMulInteger,
  'com.microsoft::MatMulInteger16': matMulInteger,
};
