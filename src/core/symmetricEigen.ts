/**
 * Eigenvalues and eigenvectors of small symmetric matrices: Householder reflections to tridiagonal form, then QL
 * iterations with implicit shifts.
 *
 * @module
 * @see Golub and Van Loan, Matrix Computations, 4th edition, sections 8.3.1 and 8.3.5
 */

import { firstNonFinite, normInf } from './vector.ts';

/** Eigenvalues in ascending order; row k of `vectors`, `[n, n]`, is the unit eigenvector of the k-th. */
export interface Eigen {
  readonly values: Float64Array;
  readonly vectors: Float64Array;
}

/**
 * Computes eigenvalues and unit eigenvectors of a symmetric matrix.
 *
 * Costs about 10 n³ operations.
 *
 * @param matrix - `[n, n]` row by row, left as it is
 * @throws RangeError if an element is not finite
 */
export function symmetricEigen(matrix: Float64Array, n: number): Eigen {
  const scale = scaleFor(matrix);
  const a = matrix.map((value) => scale * value);
  const reflectors: Float64Array[] = [];
  for (let k = 0; k + 2 < n; k++) reflectors.push(reflectColumn(a, n, k));
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i]);
  const below = Float64Array.from({ length: n }, (_, i) => (i + 1 < n ? a[(i + 1) * n + i] : 0));
  // Row i of the basis is column i of the product of all reflections.
  const basis = new Float64Array(n * n);
  for (let i = 0; i < n; i++) basis[i * n + i] = 1;
  for (let k = reflectors.length - 1; k >= 0; k--) {
    for (let i = k + 1; i < n; i++) reflect(reflectors[k], basis, i * n, k + 1, n);
  }
  const { values, vectors } = tridiagonalEigen(diagonal, below, basis);
  return { values: values.map((value) => value / scale), vectors };
}

/** Returns a power of two that brings the largest element near 1: squares and sums of any finite elements are then in range. */
function scaleFor(matrix: Float64Array): number {
  const largest = normInf(matrix);
  if (!Number.isFinite(largest)) {
    const bad = firstNonFinite(matrix);
    throw new RangeError(
      `symmetricEigen: element ${bad} of the matrix is ${matrix[bad]}; all must be finite.`,
    );
  }
  return 2 ** Math.min(1023, -Math.floor(Math.log2(largest)));
}

/**
 * Computes eigenvalues of a symmetric tridiagonal matrix, and its eigenvectors in the basis of the rows of `rows`.
 *
 * @param d - diagonal, `[n]`, overwritten
 * @param e - `e[i]` couples i and i + 1, `[n]`, its last element 0, overwritten
 * @param rows - `[n, n]`, overwritten
 */
function tridiagonalEigen(d: Float64Array, e: Float64Array, rows: Float64Array): Eigen {
  const n = d.length;
  let norm = 0;
  for (let i = 0; i < n; i++) norm = Math.max(norm, Math.abs(d[i]) + Math.abs(e[i]));
  // Smaller couplings are rounding errors of the reflections; if the matrix is rank-deficient, they would
  // prevent convergence.
  const negligible = Number.EPSILON * norm;
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      const m = firstUncoupled(d, e, l, negligible);
      if (m === l) break;
      if (sweep === 60) throw new Error('symmetricEigen: no convergence.');
      qlSweep(d, e, rows, l, m);
    }
  }
  const order = Array.from(d.keys()).sort((i, j) => d[i] - d[j]);
  const vectors = new Float64Array(n * n);
  order.forEach((k, row) => vectors.set(rows.subarray(k * n, (k + 1) * n), row * n));
  return { values: Float64Array.from(order, (k) => d[k]), vectors };
}

/**
 * Returns the first row from `l` on that is not coupled to the next; couplings up to `negligible` count as
 * zero.
 */
function firstUncoupled(d: Float64Array, e: Float64Array, l: number, negligible: number): number {
  for (let m = l; m + 1 < d.length; m++) {
    const least = Math.max(negligible, Number.EPSILON * (Math.abs(d[m]) + Math.abs(d[m + 1])));
    if (Math.abs(e[m]) <= least) return m;
  }
  return d.length - 1;
}

/**
 * Performs one implicit QL sweep with Wilkinson's shift over rows l … m, and also applies the rotations to
 * `rows`.
 */
function qlSweep(d: Float64Array, e: Float64Array, rows: Float64Array, l: number, m: number): void {
  const width = d.length;
  const half = (d[l + 1] - d[l]) / (2 * e[l]);
  const root = Math.sqrt(half * half + 1);
  let g = d[m] - d[l] + e[l] / (half + (half < 0 ? -root : root));
  let sine = 1;
  let cosine = 1;
  let shift = 0;
  for (let i = m - 1; i >= l; i--) {
    const f = sine * e[i];
    const b = cosine * e[i];
    const r = Math.sqrt(f * f + g * g);
    e[i + 1] = r;
    sine = f / r;
    cosine = g / r;
    g = d[i + 1] - shift;
    const t = (d[i] - g) * sine + 2 * cosine * b;
    shift = sine * t;
    d[i + 1] = g + shift;
    g = cosine * t - b;
    const here = i * width;
    const next = here + width;
    for (let k = 0; k < width; k++) {
      const above = rows[here + k];
      const beneath = rows[next + k];
      rows[next + k] = sine * above + cosine * beneath;
      rows[here + k] = cosine * above - sine * beneath;
    }
  }
  d[l] -= shift;
  e[l] = g;
  e[m] = 0;
}

/**
 * Makes column k of `a` zero below row k + 1 by a reflection of rows and columns k + 1 … n − 1.
 *
 * @returns the reflection's vector u with ‖u‖² = 2 (or 0), `[n]`
 */
function reflectColumn(a: Float64Array, n: number, k: number): Float64Array {
  const u = new Float64Array(n);
  let scale = 0;
  for (let i = k + 1; i < n; i++) scale = Math.max(scale, Math.abs(a[i * n + k]));
  if (scale === 0) return u;
  let square = 0;
  for (let i = k + 1; i < n; i++) square += (u[i] = a[i * n + k] / scale) ** 2;
  const length = Math.sqrt(square);
  u[k + 1] += u[k + 1] < 0 ? -length : length;
  const size = Math.sqrt(length * (length + Math.abs(a[(k + 1) * n + k]) / scale));
  for (let i = k + 1; i < n; i++) u[i] /= size;
  // A ← (I − uuᵀ) A (I − uuᵀ) = A − u wᵀ − w uᵀ, w = Au − ½(uᵀAu) u.
  const w = new Float64Array(n);
  let along = 0;
  for (let i = k; i < n; i++) {
    let sum = 0;
    for (let j = k + 1; j < n; j++) sum += a[i * n + j] * u[j];
    w[i] = sum;
    along += u[i] * sum;
  }
  for (let i = k + 1; i < n; i++) w[i] -= 0.5 * along * u[i];
  for (let i = k; i < n; i++) {
    for (let j = k; j < n; j++) a[i * n + j] -= u[i] * w[j] + w[i] * u[j];
  }
  return u;
}

/** `row ← (I − uuᵀ) row`, of the part of `rows` that starts at `offset`. */
function reflect(u: Float64Array, rows: Float64Array, offset: number, from: number, n: number): void {
  let along = 0;
  for (let j = from; j < n; j++) along += u[j] * rows[offset + j];
  for (let j = from; j < n; j++) rows[offset + j] -= along * u[j];
}
