/** `matrix ← diagonal·I`, `[n, n]`; returns it. */
export function setIdentity(matrix: Float64Array, n: number, diagonal: number): Float64Array {
  matrix.fill(0);
  for (let i = 0; i < n; i++) matrix[i * n + i] = diagonal;
  return matrix;
}

/** `out ← alpha·A·x` for a matrix `[n, n]`, row by row; `out` must not be `x`. */
export function multiply(matrix: Float64Array, alpha: number, x: Float64Array, out: Float64Array): void {
  const n = x.length;
  const whole = n - (n % 4);
  for (let i = 0, row = 0; i < n; i++, row += n) {
    // Four accumulators, for the reason given at `dot`.
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    let j = 0;
    for (; j < whole; j += 4) {
      s0 += matrix[row + j] * x[j];
      s1 += matrix[row + j + 1] * x[j + 1];
      s2 += matrix[row + j + 2] * x[j + 2];
      s3 += matrix[row + j + 3] * x[j + 3];
    }
    for (; j < n; j++) s0 += matrix[row + j] * x[j];
    out[i] = alpha * (s0 + s1 + (s2 + s3));
  }
}
