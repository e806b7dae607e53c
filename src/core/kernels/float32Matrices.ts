import { plainMatrices } from './plainMatrices.ts';
import type { Matrices, Matrix } from './matrices.ts';

const { fround, sqrt } = Math;

/**
 * Returns the operations in float32, in plain loops. Each rounds as the kernels of scripts/matrices.wat.js do and adds in
 * their order, so that results do not depend on whether there is SIMD.
 */
export function float32Matrices(heap: Float32Array): Matrices {
  let row = new Float32Array(0);
  return {
    heap,
    blendProduct(a, c, decay) {
      const [beta, rest] = weights(decay);
      if (row.length < c.cols) row = new Float32Array(c.cols);
      for (let i = 0; i < c.rows; i++) {
        const n = Math.min(c.cols, i - (i % 8) + 8);
        rowOfProduct(heap, a.at + i, a.cols, a, row, 0, n);
        const to = c.at + i * c.cols;
        for (let j = 0; j < n; j++) heap[to + j] = fround(beta * heap[to + j]) + fround(rest * row[j]);
      }
    },
    adam(g, first, second, n, numbers) {
      const [beta1, rest1] = weights(numbers.beta1);
      const [beta2, rest2] = weights(numbers.beta2);
      const scale1 = fround(numbers.correction1);
      const scale2 = fround(numbers.correction2);
      const epsilon = fround(numbers.epsilon);
      for (let i = 0; i < n; i++) {
        const value = heap[g + i];
        const m = fround(fround(beta1 * heap[first + i]) + fround(rest1 * value));
        const v = fround(fround(beta2 * heap[second + i]) + fround(rest2 * fround(value * value)));
        heap[first + i] = m;
        heap[second + i] = v;
        heap[g + i] = fround(m * scale1) / fround(fround(sqrt(fround(v * scale2))) + epsilon);
      }
    },
    ...plainMatrices(heap, { rowOfProduct, makeReflector, reflect }, (_, stride) => stride),
  };
}

/** β and 1 − β, each rounded: a β near 1 may round to 1, and 1 − β must not become 0. */
const weights = (decay: number): [beta: number, rest: number] => [fround(decay), fround(1 - decay)];

/** As {@link PlainLoops.rowOfProduct}: four rows of B at a time, one after the other. */
function rowOfProduct(
  heap: Float32Array,
  from: number,
  term: number,
  b: Matrix,
  out: Float32Array,
  to: number,
  n: number,
): void {
  const { rows: k, cols: ldb } = b;
  const whole = k - (k % 4);
  let row = b.at;
  out.fill(0, to, to + n);
  for (let p = 0; p < whole; p += 4) {
    const [w0, w1] = [heap[from], heap[from + term]];
    const [w2, w3] = [heap[from + 2 * term], heap[from + 3 * term]];
    for (let j = 0; j < n; j++) {
      const at = row + j;
      const two = fround(fround(out[to + j] + fround(w0 * heap[at])) + fround(w1 * heap[at + ldb]));
      const three = fround(two + fround(w2 * heap[at + 2 * ldb]));
      out[to + j] = three + fround(w3 * heap[at + 3 * ldb]);
    }
    from += 4 * term;
    row += 4 * ldb;
  }
  for (let p = whole; p < k; p++) {
    const weight = heap[from];
    for (let j = 0; j < n; j++) out[to + j] += fround(weight * heap[row + j]);
    from += term;
    row += ldb;
  }
}

/** The least length of a vector that is not 0 for its scale. */
const LEAST_LENGTH = 1e-30;

/** As {@link PlainLoops.makeReflector}; sums have two lanes. */
function makeReflector(heap: Float32Array, row: number, k: number, n: number): void {
  heap.fill(0, row, row + k);
  let even = 0;
  let odd = 0;
  for (let j = k - (k % 4); j < n; j += 2) {
    even += heap[row + j] * heap[row + j];
    odd += heap[row + j + 1] * heap[row + j + 1];
  }
  const length = sqrt(even + odd);
  const first = heap[row + k];
  const head = first + (first < 0 || Object.is(first, -0) ? -length : length);
  const scale = length > LEAST_LENGTH ? 1 / sqrt(length * Math.abs(head)) : 0;
  const rounded = fround(scale);
  for (let j = k + 1; j < n; j++) heap[row + j] *= rounded;
  heap[row + k] = head * scale;
}

/** As {@link PlainLoops.reflect}; sums have four lanes, and begin with the four elements that k is among. */
function reflect(
  heap: Float32Array,
  u: number,
  rows: number,
  stride: number,
  count: number,
  k: number,
  n: number,
): void {
  const start = k - (k % 4);
  for (let i = 0; i < count; i++) {
    const row = rows + i * stride;
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    for (let j = start; j < n; j += 4) {
      const [a, b] = [u + j, row + j];
      s0 = fround(s0 + fround(heap[a] * heap[b]));
      s1 = fround(s1 + fround(heap[a + 1] * heap[b + 1]));
      s2 = fround(s2 + fround(heap[a + 2] * heap[b + 2]));
      s3 = fround(s3 + fround(heap[a + 3] * heap[b + 3]));
    }
    const along = fround(fround(s0 + s1) + fround(s2 + s3));
    for (let j = start; j < n; j++) heap[row + j] -= fround(along * heap[u + j]);
  }
}
