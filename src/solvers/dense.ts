/**
 * Symmetric matrices `[n, n]`, row by row. Only the lower triangle is read and written.
 *
 * @module
 */
import { dot } from '../core/vector.ts';

/**
 * Returns a matrix of zeros, `[n, n]`.
 *
 * @throws RangeError if there is not enough memory
 */
export function zeros(n: number): Float64Array {
  try {
    return new Float64Array(n ** 2);
  } catch (cause) {
    const size = `${((8 * n ** 2) / 1e9).toPrecision(3)} GB`;
    throw new RangeError(
      `A dense inverse Hessian of ${n} unknowns needs ${size}, more than can be allocated; lbfgs() keeps a few vectors instead.`,
      { cause },
    );
  }
}

/** `A ← diagonal·I`; returns A. */
export function setIdentity(matrix: Float64Array, n: number, diagonal: number): Float64Array {
  matrix.fill(0);
  for (let i = 0; i < n; i++) matrix[i * n + i] = diagonal;
  return matrix;
}

/** `out ← alpha·A·x`; `out` must not be `x`. */
export function multiply(matrix: Float64Array, alpha: number, x: Float64Array, out: Float64Array): void {
  const n = x.length;
  out.fill(0);
  for (let i = 0; i < n; i += 4) {
    // Four rows at a time, so that xⱼ and outⱼ are fetched once for all of them.
    const isBlock = i + 4 <= n;
    if (isBlock) multiplyFourRows(matrix, i, x, out);
    const end = isBlock ? i + 4 : n;
    for (let row = i; row < end; row++) multiplyRow(matrix, row, isBlock ? i : 0, x, out);
  }
  for (let i = 0; i < n; i++) out[i] *= alpha;
}

/** Adds the contributions of rows i … i + 3 left of column i. */
function multiplyFourRows(matrix: Float64Array, i: number, x: Float64Array, out: Float64Array): void {
  const n = x.length;
  const row0 = i * n;
  const row1 = row0 + n;
  const row2 = row1 + n;
  const row3 = row2 + n;
  const x0 = x[i];
  const x1 = x[i + 1];
  const x2 = x[i + 2];
  const x3 = x[i + 3];
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let j = 0; j < i; j++) {
    const a0 = matrix[row0 + j];
    const a1 = matrix[row1 + j];
    const a2 = matrix[row2 + j];
    const a3 = matrix[row3 + j];
    const xj = x[j];
    s0 += a0 * xj;
    s1 += a1 * xj;
    s2 += a2 * xj;
    s3 += a3 * xj;
    out[j] += a0 * x0 + a1 * x1 + (a2 * x2 + a3 * x3);
  }
  out[i] += s0;
  out[i + 1] += s1;
  out[i + 2] += s2;
  out[i + 3] += s3;
}

/** Adds the contribution of a row from column `from` to its diagonal. */
function multiplyRow(
  matrix: Float64Array,
  row: number,
  from: number,
  x: Float64Array,
  out: Float64Array,
): void {
  const start = row * x.length;
  const xi = x[row];
  let sum = matrix[start + row] * xi;
  for (let j = from; j < row; j++) {
    sum += matrix[start + j] * x[j];
    out[j] += matrix[start + j] * xi;
  }
  out[row] += sum;
}

/**
 * `A ← scale·A + a·uuᵀ + b·(uvᵀ + vuᵀ) + c·vvᵀ`; overwrites u and v.
 *
 * The three terms are first written as two squares ±wwᵀ ± zzᵀ, which is less work.
 */
export function addSquares(
  matrix: Float64Array,
  scale: number,
  [a, b, c]: readonly [a: number, b: number, c: number],
  u: Float64Array,
  v: Float64Array,
): void {
  const n = u.length;
  // Complete the square in u if a is the larger, as in elimination with a pivot, otherwise in v.
  const pivotU = Math.abs(a) * dot(u, u) >= Math.abs(c) * dot(v, v);
  const [p, q, pivot, rest] = pivotU ? [u, v, a, c - (b * b) / a] : [v, u, c, a - (b * b) / c];
  const mix = b / pivot;
  const rootP = Math.sqrt(Math.abs(pivot));
  const rootQ = Math.sqrt(Math.abs(rest));
  for (let i = 0; i < n; i++) {
    p[i] = rootP * (p[i] + mix * q[i]);
    q[i] *= rootQ;
  }
  addTwoSquares(matrix, scale, Math.sign(pivot), p, Math.sign(rest), q);
}

/** `A ← scale·A + signP·ppᵀ + signQ·qqᵀ`, two rows at a time. */
function addTwoSquares(
  matrix: Float64Array,
  scale: number,
  signP: number,
  p: Float64Array,
  signQ: number,
  q: Float64Array,
): void {
  const n = p.length;
  for (let i = 0; i < n; i += 2) {
    const row0 = i * n;
    const row1 = row0 + n;
    const p0 = signP * p[i];
    const q0 = signQ * q[i];
    if (i + 1 === n) {
      for (let j = 0; j < n; j++) matrix[row0 + j] = scale * matrix[row0 + j] + (p0 * p[j] + q0 * q[j]);
      return;
    }
    const p1 = signP * p[i + 1];
    const q1 = signQ * q[i + 1];
    // The first row goes one element beyond its diagonal, which is never read.
    for (let j = 0; j <= i + 1; j++) {
      const pj = p[j];
      const qj = q[j];
      matrix[row0 + j] = scale * matrix[row0 + j] + (p0 * pj + q0 * qj);
      matrix[row1 + j] = scale * matrix[row1 + j] + (p1 * pj + q1 * qj);
    }
  }
}
