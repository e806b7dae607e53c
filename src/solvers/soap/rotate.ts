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
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const weight = a[i * k + p];
      for (let j = 0; j < n; j++) out[i * n + j] += weight * b[p * n + j];
    }
  }
}

/** `out ← AᵀB`, A `[m, m]` and B `[m, n]`. */
function multiplyTransposed(a: Float64Array, b: Float64Array, m: number, n: number, out: Float64Array): void {
  out.fill(0, 0, m * n);
  for (let p = 0; p < m; p++) {
    for (let i = 0; i < m; i++) {
      const weight = a[p * m + i];
      for (let j = 0; j < n; j++) out[i * n + j] += weight * b[p * n + j];
    }
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
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < n; p++) sum += a[i * n + p] * b[j * n + p];
      out[i * n + j] = sum;
    }
  }
}
