import { factorColumns } from './choleskyColumns.ts';
import { subtractGram } from './gram.ts';

/** Number of columns factored at a time; their contribution to the rest is one symmetric product. */
const BLOCK = 64;

/**
 * `A ← R`, the lower triangle of A = RRᵀ, for the leading `[k, k]` of a symmetric matrix of row length `m`.
 *
 * @returns false if A is not positive definite; A is then overwritten with partial results
 * @see Golub & Van Loan (2013), Matrix Computations, 4th ed., Algorithms 4.2.2 and 4.2.4
 */
export function factor(matrix: Float64Array, k: number, m: number): boolean {
  for (let from = 0; from < k; from += BLOCK) {
    // A short remainder joins the last block.
    const to = k - from < 2 * BLOCK ? k : from + BLOCK;
    if (!factorColumns(matrix, k, m, from, to)) return false;
    if (to === k) return true;
    subtractProducts(matrix, k, m, from, to);
  }
  return true;
}

/** Subtracts the contribution of the columns in [from, to) from the lower triangle behind `to`. */
function subtractProducts(matrix: Float64Array, k: number, m: number, from: number, to: number): void {
  const values = matrix.subarray(to * m + from);
  const vectors = { values, count: k - to, length: to - from, vectorStride: m, stride: 1 };
  subtractGram(vectors, matrix.subarray(to * m + to), m);
}
