import { factorColumns } from './choleskyColumns.ts';
import { subtractGram } from './gram.ts';

/**
 * Numbers of columns factored at a time: blocks of blocks of blocks. The contribution of a block to the columns behind it
 * is one product. Large blocks add to the rest of the matrix seldom, small ones leave little to plain loops: at k = 1000
 * blocks of 64 alone take a fifth longer, at 2000 a third.
 */
const BLOCKS = [256, 64, 32];

/**
 * `A ← R`, the lower triangle of A = RRᵀ, for the leading `[k, k]` of a symmetric matrix of row length `m`.
 *
 * @returns false if A is not positive definite; A is then overwritten with partial results
 * @see Golub & Van Loan (2013), Matrix Computations, 4th ed., Algorithms 4.2.2 and 4.2.4
 */
export const factor = (matrix: Float64Array, k: number, m: number): boolean =>
  factorBlocks({ matrix, k, m }, 0, k, 0);

/** The leading `[k, k]` of a matrix of row length `m`. */
interface Leading {
  readonly matrix: Float64Array;
  readonly k: number;
  readonly m: number;
}

/** Factors the columns in [first, last), to which only these still have to contribute, in all rows below. */
function factorBlocks(leading: Leading, first: number, last: number, level: number): boolean {
  const { matrix, k, m } = leading;
  if (level === BLOCKS.length) return factorColumns(matrix, k, m, first, last);
  const size = BLOCKS[level];
  for (let from = first; from < last; from += size) {
    // A short remainder joins the last block.
    const to = last - from < 2 * size ? last : from + size;
    if (!factorBlocks(leading, from, to, level + 1)) return false;
    if (to === last) return true;
    subtractProducts(leading, from, to, last);
  }
  return true;
}

/** Subtracts the contribution of the columns in [from, to) from those in [to, last) of the lower triangle. */
function subtractProducts({ matrix, k, m }: Leading, from: number, to: number, last: number): void {
  const values = matrix.subarray(to * m + from);
  const vectors = { values, count: k - to, length: to - from, vectorStride: m, stride: 1 };
  subtractGram(vectors, matrix.subarray(to * m + to), m, last - to);
}
