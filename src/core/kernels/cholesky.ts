import { gram } from './gram.ts';

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

/** Factors the columns in [from, to), after the earlier ones have been subtracted from them. */
function factorColumns(matrix: Float64Array, k: number, m: number, from: number, to: number): boolean {
  for (let j = from; j < to; j++) {
    let pivot = matrix[j * m + j];
    for (let l = from; l < j; l++) pivot -= matrix[j * m + l] ** 2;
    if (!(pivot > 0)) return false;
    const root = Math.sqrt(pivot);
    matrix[j * m + j] = root;
    for (let i = j + 1; i < k; i++) {
      let sum = matrix[i * m + j];
      for (let l = from; l < j; l++) sum -= matrix[i * m + l] * matrix[j * m + l];
      matrix[i * m + j] = sum / root;
    }
  }
  return true;
}

/** Subtracts the contribution of the columns in [from, to) from the lower triangle behind `to`. */
function subtractProducts(matrix: Float64Array, k: number, m: number, from: number, to: number): void {
  const count = k - to;
  const products = new Float64Array(count * count);
  const values = matrix.subarray(to * m + from);
  gram({ values, count, length: to - from, vectorStride: m, stride: 1 }, products);
  for (let i = 0; i < count; i++) {
    const row = (to + i) * m + to;
    for (let j = 0; j <= i; j++) matrix[row + j] -= products[i * count + j];
  }
}

/** `x ← A⁻¹x`, from the factor that {@link factor} has written into the lower triangle. */
export function solveFactored(matrix: Float64Array, k: number, m: number, x: Float64Array): void {
  for (let i = 0; i < k; i++) {
    let sum = x[i];
    for (let l = 0; l < i; l++) sum -= matrix[i * m + l] * x[l];
    x[i] = sum / matrix[i * m + i];
  }
  for (let i = k - 1; i >= 0; i--) {
    x[i] /= matrix[i * m + i];
    const value = x[i];
    for (let l = 0; l < i; l++) x[l] -= matrix[i * m + l] * value;
  }
}
