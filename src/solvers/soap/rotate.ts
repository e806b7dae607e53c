/**
 * Products of a block with the eigenbases of its sides.
 *
 * @module
 */
import type { Block } from './blocks.ts';

/** Two buffers for matrices; a product goes from one into the other, and then they change places. */
export interface Buffers {
  from: Float64Array;
  to: Float64Array;
}

/** `from ← Q_Lᵀ A Q_R`, where A is in `from`. The rows of a side's basis are the columns of its Q. */
export function rotate({ rows, cols, left, right }: Block, buffers: Buffers): void {
  if (left) {
    multiply(left.basis, buffers.from, rows, rows, cols, buffers.to);
    swap(buffers);
  }
  if (right) {
    multiplyByTransposed(buffers.from, right.basis, rows, cols, buffers.to);
    swap(buffers);
  }
}

/** `from ← Q_L A Q_Rᵀ`, where A is in `from`. */
export function rotateBack({ rows, cols, left, right }: Block, buffers: Buffers): void {
  if (right) {
    multiply(buffers.from, right.basis, rows, cols, cols, buffers.to);
    swap(buffers);
  }
  if (left) {
    multiplyTransposed(left.basis, buffers.from, rows, cols, buffers.to);
    swap(buffers);
  }
}

function swap(buffers: Buffers): void {
  const { from, to } = buffers;
  buffers.from = to;
  buffers.to = from;
}

/** `out ← AB`, A `[m, k]` and B `[k, n]`. */
function multiply(
  a: Float64Array,
  b: Float64Array,
  m: number,
  k: number,
  n: number,
  out: Float64Array,
): void {
  out.fill(0, 0, m * n);
  for (let i = 0; i < m; i++) addRows(a, i * k, 1, b, k, n, out, i * n);
}

/** `out ← AᵀB`, A `[m, m]` and B `[m, n]`. */
function multiplyTransposed(a: Float64Array, b: Float64Array, m: number, n: number, out: Float64Array): void {
  out.fill(0, 0, m * n);
  for (let i = 0; i < m; i++) addRows(a, i, m, b, m, n, out, i * n);
}

/**
 * Adds to the row of `out` that starts at `to` the rows of B `[k, n]`, each times its weight; the weights start at
 * `first` and stand `stride` apart. Four rows at a time, which saves three of four times that the row is read and
 * written.
 */
function addRows(
  weights: Float64Array,
  first: number,
  stride: number,
  b: Float64Array,
  k: number,
  n: number,
  out: Float64Array,
  to: number,
): void {
  const whole = k - (k % 4);
  let p = 0;
  for (; p < whole; p += 4) {
    const at = first + p * stride;
    const w0 = weights[at];
    const w1 = weights[at + stride];
    const w2 = weights[at + 2 * stride];
    const w3 = weights[at + 3 * stride];
    const b0 = p * n;
    const b1 = b0 + n;
    const b2 = b1 + n;
    const b3 = b2 + n;
    for (let j = 0; j < n; j++) {
      out[to + j] += w0 * b[b0 + j] + w1 * b[b1 + j] + (w2 * b[b2 + j] + w3 * b[b3 + j]);
    }
  }
  for (; p < k; p++) {
    const weight = weights[first + p * stride];
    for (let j = 0; j < n; j++) out[to + j] += weight * b[p * n + j];
  }
}

/** `out ← ABᵀ`, A `[m, n]` and B `[n, n]`. */
function multiplyByTransposed(
  a: Float64Array,
  b: Float64Array,
  m: number,
  n: number,
  out: Float64Array,
): void {
  const whole = n - (n % 4);
  for (let i = 0; i < m; i++) {
    const row = i * n;
    for (let j = 0; j < whole; j += 4) {
      const b0 = j * n;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let p = 0; p < n; p++) {
        const value = a[row + p];
        s0 += value * b[b0 + p];
        s1 += value * b[b0 + n + p];
        s2 += value * b[b0 + 2 * n + p];
        s3 += value * b[b0 + 3 * n + p];
      }
      out[row + j] = s0;
      out[row + j + 1] = s1;
      out[row + j + 2] = s2;
      out[row + j + 3] = s3;
    }
    for (let j = whole; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < n; p++) sum += a[row + p] * b[j * n + p];
      out[row + j] = sum;
    }
  }
}
