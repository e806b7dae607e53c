/**
 * The Cholesky factorization A = RRᵀ column by column, in place in the lower triangle, and the solution with it.
 *
 * @see Golub & Van Loan (2013), Matrix Computations, 4th ed., Algorithm 4.2.2
 * @module
 */

/**
 * Factors the columns in [from, to) of a symmetric matrix, after the earlier ones have been subtracted from them: all k
 * columns at once if the matrix is small. For large ones, `factor` of cholesky.ts goes block by block.
 *
 * @param k - number of rows
 * @param m - row length
 * @returns false if the matrix is not positive definite
 */
export function factorColumns(matrix: Float64Array, k: number, m: number, from: number, to: number): boolean {
  for (let j = from; j < to; j++) {
    let pivot = matrix[j * m + j];
    for (let l = from; l < j; l++) pivot -= matrix[j * m + l] ** 2;
    if (!(pivot > 0)) return false;
    matrix[j * m + j] = Math.sqrt(pivot);
    divideRows(matrix, m, from, j, j + 1, to);
  }
  // Row by row, so that a few rows stay in the cache.
  for (let i = to; i < k; i += ROWS) {
    const end = Math.min(i + ROWS, k);
    for (let j = from; j < to; j++) divideRows(matrix, m, from, j, i, end);
  }
  return true;
}

/** Number of rows that {@link divideRows} processes at a time. */
const ROWS = 4;

/** Computes column j of the rows in [first, end), four at a time, so that their sums do not wait for each other. */
function divideRows(
  matrix: Float64Array,
  m: number,
  from: number,
  j: number,
  first: number,
  end: number,
): void {
  const pivots = j * m;
  const root = matrix[pivots + j];
  let i = first;
  for (; i + ROWS <= end; i += ROWS) {
    const [a, b, c, d] = [i * m, (i + 1) * m, (i + 2) * m, (i + 3) * m];
    let [sum0, sum1, sum2, sum3] = [matrix[a + j], matrix[b + j], matrix[c + j], matrix[d + j]];
    for (let l = from; l < j; l++) {
      const value = matrix[pivots + l];
      sum0 -= matrix[a + l] * value;
      sum1 -= matrix[b + l] * value;
      sum2 -= matrix[c + l] * value;
      sum3 -= matrix[d + l] * value;
    }
    matrix[a + j] = sum0 / root;
    matrix[b + j] = sum1 / root;
    matrix[c + j] = sum2 / root;
    matrix[d + j] = sum3 / root;
  }
  for (; i < end; i++) {
    let sum = matrix[i * m + j];
    for (let l = from; l < j; l++) sum -= matrix[i * m + l] * matrix[pivots + l];
    matrix[i * m + j] = sum / root;
  }
}

/** `x ← A⁻¹x`, from the factor that the factorization has written into the lower triangle. */
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
