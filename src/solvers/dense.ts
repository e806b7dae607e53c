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

/**
 * `A ← scale·A + a·uuᵀ + b·(uvᵀ + vuᵀ) + c·vvᵀ` for a symmetric matrix `[n, n]`; overwrites u and v.
 *
 * The three terms are first written as two squares ±wwᵀ ± zzᵀ: that is less work, and since the products
 * commute, the result is symmetric to the last bit.
 */
export function addSquares(
  matrix: Float64Array,
  scale: number,
  [a, b, c]: readonly [a: number, b: number, c: number],
  u: Float64Array,
  v: Float64Array,
): void {
  const n = u.length;
  // Complete the square in u where a is the larger, as in elimination with a pivot; else in v.
  const pivotU = Math.abs(a) * squaredNorm(u) >= Math.abs(c) * squaredNorm(v);
  const [p, q, pivot, rest] = pivotU ? [u, v, a, c - (b * b) / a] : [v, u, c, a - (b * b) / c];
  const mix = b / pivot;
  const rootP = Math.sqrt(Math.abs(pivot));
  const rootQ = Math.sqrt(Math.abs(rest));
  for (let i = 0; i < n; i++) {
    p[i] = rootP * (p[i] + mix * q[i]);
    q[i] *= rootQ;
  }
  const signP = Math.sign(pivot);
  const signQ = Math.sign(rest);
  for (let i = 0, row = 0; i < n; i++, row += n) {
    const pi = signP * p[i];
    const qi = signQ * q[i];
    for (let j = 0; j < n; j++) matrix[row + j] = scale * matrix[row + j] + (pi * p[j] + qi * q[j]);
  }
}

function squaredNorm(x: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * x[i];
  return sum;
}
