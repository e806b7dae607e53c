import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { meet, onlyFirst, rankOfInput } from '../ir/samples.ts';
import { scan } from '../ir/scan.ts';
import { range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { VjpRule } from '../ir/vjp.ts';
import { sameType } from './common.ts';

/** Largest size of a matrix whose determinant has a gradient: its cofactors take n⁴ numbers. */
const LARGEST = 64;

/**
 * The gradient of a determinant is the matrix of cofactors. Cofactor (i, j) is the determinant of the matrix with row i
 * replaced by the unit vector j, which is right for singular matrices too.
 */
const det: VjpRule = ({ g, inputs: [x], dy }) => {
  const size = g.shapeOf(x)?.at(-1);
  if (typeof size === 'number' && size > LARGEST)
    refuse(`it has no rule for matrices with ${size} rows; the largest may have ${LARGEST}.`);
  const rank = g.rank(x);
  const n = g.sizes(x, [-1]);
  const unit = g.eye(n, g.floatTypeOf(x));
  // [i, 1, row, 1] and [1, j, 1, column].
  const isReplaced = g.cast(g.unsqueeze(unit, [1, 3]), DType.BOOL);
  const replaced = g.where(isReplaced, g.unsqueeze(unit, [0, 2]), g.unsqueeze(x, [rank - 2, rank - 1]));
  return [g.mul(g.op('Det', [replaced]), g.unsqueeze(dy, [rank - 2, rank - 1]))];
};

/** Gaussian elimination with the largest pivot of each column, one column a step. */
const detByElimination: Lowering = (g, { input: [x] }) => {
  const rank = g.rank(x);
  const dtype = g.floatTypeOf(x);
  const n = g.sizes(x, [-1]);
  const flat = g.reshapeTo(
    x,
    g.concat([g.product(g.concat([g.sizes(x, range(rank - 2)), g.integers([1])], 0)), n, n], 0),
  );
  const first = g.filled(g.concat([g.sizes(flat, [0]), g.integers([1, 1])], 0), 1, dtype);
  const { states } = scan(
    g,
    { states: [flat, first], sequences: [g.places(n)], captured: [], backward: false },
    (s, [matrix, product], [k]) => {
      const rows = s.places(s.sizes(matrix, [1]), 1, 3);
      const columnOf = (m: Value) => s.gather(m, s.reshape(k, [1]), 2);
      const candidates = s.where(s.less(rows, k), -1, s.abs(columnOf(matrix)));
      const pivot = s.argMax(candidates, 1);
      const order = s.where(s.equal(rows, k), pivot, s.where(s.equal(rows, pivot), k, rows));
      const swapped = s.gatherElements(matrix, s.expandLike(order, matrix), 1);
      const row = s.gather(swapped, s.reshape(k, [1]), 1);
      const value = columnOf(row);
      const isZero = s.equal(value, 0);
      const below = s.mask(s.greater(rows, k), matrix);
      const factors = s.mul(below, s.div(columnOf(swapped), s.where(isZero, 1, value)));
      const sign = s.where(s.equal(pivot, k), s.scalar(1, dtype), s.scalar(-1, dtype));
      const next = s.sub(swapped, s.mul(factors, row));
      return { states: [next, s.mul(product, s.mul(sign, value))], results: [] };
    },
  );
  return [g.reshapeTo(states[1], rank === 2 ? g.integers([]) : g.sizes(x, range(rank - 2)))];
};

/** x·y = 1: dx = −yᵀ·dy·yᵀ. */
const inverse: VjpRule = ({ g, outputs: [y], dy }) => {
  const transposed = g.swap(y);
  return [g.neg(g.matmul(transposed, g.matmul(dy, transposed)))];
};

/** Determinants and inverses of matrices `[…, n, n]`. */
export const determinants: OpTable = {
  Det: {
    infer: (c) => [{ dtype: c.dtype(0), shape: c.shape(0)?.slice(0, -2) }],
    samples(c) {
      const samples = onlyFirst(c);
      if (samples.axis >= rankOfInput(c, 0) - 2) meet('its matrices include the batch axis');
      return samples;
    },
    as: { float64: detByElimination },
    vjp: det,
    isCostly: true,
  },
  'com.microsoft::Inverse': { infer: sameType, vjp: inverse, isCostly: true },
};
