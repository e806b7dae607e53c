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

/** Factors the columns in [from, to), after the earlier ones have been subtracted from them. */
function factorColumns(matrix: Float64Array, k: number, m: number, from: number, to: number): boolean {
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

/** Rows that {@link divideRows} takes at a time. */
const ROWS = 4;

/** Column j of the rows in [first, end), four at a time: their sums do not wait for each other. */
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

/** Subtracts the contribution of the columns in [from, to) from the lower triangle behind `to`. */
function subtractProducts(matrix: Float64Array, k: number, m: number, from: number, to: number): void {
  const values = matrix.subarray(to * m + from);
  const vectors = { values, count: k - to, length: to - from, vectorStride: m, stride: 1 };
  subtractGram(vectors, matrix.subarray(to * m + to), m);
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
