import type { Heap, Matrices, Matrix } from './matrices.ts';

/** The operations in plain loops, in either precision. */
export function plainMatrices(heap: Heap): Matrices {
  return {
    heap,
    product: (a, b, c) => product(heap, a, b, c),
    transpose(a, b) {
      for (let i = 0; i < a.rows; i++) {
        for (let j = 0; j < a.cols; j++) heap[b.at + j * b.cols + i] = heap[a.at + i * a.cols + j];
      }
    },
    adam(g, first, second, n, { beta1, beta2, correction1, correction2, epsilon }) {
      for (let i = 0; i < n; i++) {
        const value = heap[g + i];
        const m = (heap[first + i] = beta1 * heap[first + i] + (1 - beta1) * value);
        const v = (heap[second + i] = beta2 * heap[second + i] + (1 - beta2) * value * value);
        heap[g + i] = (m * correction1) / (Math.sqrt(v * correction2) + epsilon);
      }
    },
    reflect(u, rows, stride, count, n) {
      for (let i = 0; i < count; i++) {
        const row = rows + i * stride;
        let along = 0;
        for (let j = 0; j < n; j++) along += heap[u + j] * heap[row + j];
        for (let j = 0; j < n; j++) heap[row + j] -= along * heap[u + j];
      }
    },
  };
}

/**
 * C ← AᵀB. Four rows of B at a time, which saves three of four times that a row of C is read and written.
 */
function product(heap: Heap, a: Matrix, b: Matrix, c: Matrix): void {
  const { rows: k, cols: m } = a;
  const n = b.cols;
  const whole = k - (k % 4);
  for (let i = 0; i < m; i++) {
    const to = c.at + i * c.cols;
    heap.fill(0, to, to + n);
    let from = a.at + i;
    let row = b.at;
    for (let p = 0; p < whole; p += 4) {
      const [w0, w1, w2, w3] = [heap[from], heap[from + m], heap[from + 2 * m], heap[from + 3 * m]];
      for (let j = 0; j < n; j++) {
        const at = row + j;
        heap[to + j] += w0 * heap[at] + w1 * heap[at + n] + (w2 * heap[at + 2 * n] + w3 * heap[at + 3 * n]);
      }
      from += 4 * m;
      row += 4 * n;
    }
    for (let p = whole; p < k; p++) {
      const weight = heap[from];
      for (let j = 0; j < n; j++) heap[to + j] += weight * heap[row + j];
      from += m;
      row += n;
    }
  }
}
