/**
 * `A ← R`, the lower triangle of A = RRᵀ, for the leading `[k, k]` of a symmetric matrix of row length `m`.
 *
 * @returns false where A is not positive definite; A is then spoilt
 * @see Golub & Van Loan (2013), Matrix Computations, 4th ed., Algorithm 4.2.2
 */
export function factor(matrix: Float64Array, k: number, m: number): boolean {
  for (let j = 0; j < k; j++) {
    let pivot = matrix[j * m + j];
    for (let l = 0; l < j; l++) pivot -= matrix[j * m + l] ** 2;
    if (!(pivot > 0)) return false;
    const root = Math.sqrt(pivot);
    matrix[j * m + j] = root;
    for (let i = j + 1; i < k; i++) {
      let sum = matrix[i * m + j];
      for (let l = 0; l < j; l++) sum -= matrix[i * m + l] * matrix[j * m + l];
      matrix[i * m + j] = sum / root;
    }
  }
  return true;
}

/** `x ← A⁻¹x` from the factor that {@link factor} has left in the lower triangle. */
export function solveFactored(matrix: Float64Array, k: number, m: number, x: Float64Array): void {
  for (let i = 0; i < k; i++) {
    let sum = x[i];
    for (let l = 0; l < i; l++) sum -= matrix[i * m + l] * x[l];
    x[i] = sum / matrix[i * m + i];
  }
  for (let i = k - 1; i >= 0; i--) {
    let sum = x[i];
    for (let l = i + 1; l < k; l++) sum -= matrix[l * m + i] * x[l];
    x[i] = sum / matrix[i * m + i];
  }
}
