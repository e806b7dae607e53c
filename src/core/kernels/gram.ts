/**
 * Products of all pairs of columns or rows of a matrix, with SIMD if available.
 *
 * @module
 */
import { compileKernels, PAGE } from './compileKernels.ts';
import { gramBytes } from './gramBytes.ts';

/** Vectors to multiply: element i of vector v is `values[v·vectorStride + i·stride]`. */
export interface Vectors {
  readonly values: Float64Array;
  /** Number k of vectors, and their length. */
  readonly count: number;
  readonly length: number;
  readonly vectorStride: number;
  readonly stride: number;
  /** Factors of the elements, `[length]`, none of them negative, and of the vectors, `[count]`. */
  readonly weights?: Float64Array;
  readonly factors?: Float64Array;
}

/** Number of vectors in a panel, stored side by side. */
const WIDTH = 4;
/**
 * Number of elements of each vector processed at a time: two panels of them fit into the first-level cache.
 */
const DEPTH = 256;
/** Below this many vectors, setting up costs more than SIMD saves. */
const LEAST_COUNT = 16;
const MAX_BYTES = 2 ** 31;

/** Adds products of panels to blocks of the result; pointers and `stride` in bytes. */
type GramKernel = (a: number, b: number, count: number, out: number, stride: number, n: number) => void;

/** Memory shared by all calls; nothing in it outlives a call. */
let shared: { readonly memory: WebAssembly.Memory; readonly kernel: GramKernel } | null | undefined;

/** Returns a memory of at least this many bytes with the kernel, or null if there is none. */
function scratch(bytes: number): { buffer: ArrayBuffer; kernel: GramKernel } | null {
  const module = compileKernels(gramBytes);
  if (module === null || bytes > MAX_BYTES) return null;
  try {
    if (!shared) {
      const memory = new WebAssembly.Memory({ initial: 1 });
      const { exports } = new WebAssembly.Instance(module, { host: { memory } });
      shared = { memory, kernel: exports.gram as GramKernel };
    }
    const missing = bytes - shared.memory.buffer.byteLength;
    if (missing > 0) shared.memory.grow(Math.ceil(missing / PAGE));
    return { buffer: shared.memory.buffer, kernel: shared.kernel };
  } catch {
    // Not enough memory.
    return null;
  }
}

/**
 * `out ←` weighted products of all pairs of vectors, Σᵢ wᵢ·fᵤfᵥ·uᵢvᵢ; the lower triangle of `[k, k]`.
 */
export function gram(vectors: Vectors, out: Float64Array): void {
  const { count } = vectors;
  const done = eachRow(vectors, (u, row) => out.set(row, u * count));
  if (!done) plainGram(vectors, out);
}

/**
 * `out ← out −` the products of {@link gram}, in the lower triangle of a part of a matrix.
 *
 * @param stride - distance between rows of `out`
 * @param columns - number of columns of `out` that change; default all
 */
export function subtractGram(
  vectors: Vectors,
  out: Float64Array,
  stride: number,
  columns = vectors.count,
): void {
  const { count } = vectors;
  const subtract = (u: number, row: Float64Array): void => {
    const end = Math.min(u + 1, columns);
    for (let v = 0, at = u * stride; v < end; v++, at++) out[at] -= row[v];
  };
  if (eachRow(vectors, subtract, columns)) return;
  const products = new Float64Array(count * count);
  plainGram(vectors, products, columns);
  for (let u = 0; u < count; u++) subtract(u, products.subarray(u * count, u * count + u + 1));
}

/**
 * Computes the products by SIMD, and gives away each row u of them, `[u + 1]`, or their first columns.
 *
 * @returns false where there is no SIMD, or too little to do
 */
function eachRow(
  vectors: Vectors,
  give: (u: number, row: Float64Array) => void,
  columns = vectors.count,
): boolean {
  const { count, length } = vectors;
  const panels = Math.ceil(count / WIDTH);
  const across = Math.ceil(columns / WIDTH);
  const depth = Math.min(DEPTH, length);
  const panelBytes = 8 * WIDTH * depth;
  const outAt = panels * panelBytes;
  const rowBytes = 8 * WIDTH * across;
  const room = count < LEAST_COUNT ? null : scratch(outAt + rowBytes * WIDTH * panels);
  if (room === null) return false;

  const packed = new Float64Array(room.buffer, 0, panels * WIDTH * depth);
  const products = new Float64Array(room.buffer, outAt, WIDTH * panels * WIDTH * across);
  products.fill(0);
  for (let from = 0; from < length; from += depth) {
    const n = Math.min(depth, length - from);
    pack(vectors, from, n, packed, WIDTH * depth);
    if (n < depth) clearTail(packed, n, depth);
    for (let panel = 0; panel < panels; panel++) {
      const some = Math.min(panel + 1, across);
      room.kernel(panel * panelBytes, 0, some, outAt + panel * WIDTH * rowBytes, rowBytes, depth);
    }
  }
  for (let u = 0; u < count; u++) {
    const start = u * WIDTH * across;
    give(u, products.subarray(start, start + Math.min(u + 1, columns)));
  }
  return true;
}

/** Copies n elements of each vector into panels, `[panels, depth, 4]`. What lies beyond the last vector stays: its products are not read. */
function pack(vectors: Vectors, from: number, n: number, packed: Float64Array, panelLength: number): void {
  const { values, count, vectorStride, stride, weights, factors } = vectors;
  for (let v = 0; v < count; v++) {
    const factor = factors === undefined ? 1 : factors[v];
    let source = v * vectorStride + from * stride;
    let target = Math.floor(v / WIDTH) * panelLength + (v % WIDTH);
    for (let i = 0; i < n; i++) {
      packed[target] = factor * values[source] * (weights === undefined ? 1 : Math.sqrt(weights[from + i]));
      source += stride;
      target += WIDTH;
    }
  }
}

/** Clears what the previous part has left after the last elements. */
function clearTail(packed: Float64Array, n: number, depth: number): void {
  for (let at = 0; at < packed.length; at += WIDTH * depth)
    packed.fill(0, at + WIDTH * n, at + WIDTH * depth);
}

/** {@link gram} in plain loops, each over neighbors in memory. */
export function plainGram(vectors: Vectors, out: Float64Array, columns = vectors.count): void {
  const { values, count, length, vectorStride, stride, weights, factors } = vectors;
  const weight = (i: number): number => (weights === undefined ? 1 : weights[i]);
  out.fill(0);
  if (stride === 1) {
    for (let u = 0; u < count; u++) {
      for (let v = 0; v <= u && v < columns; v++) {
        const [a, b] = [u * vectorStride, v * vectorStride];
        let sum = 0;
        for (let i = 0; i < length; i++) sum += weight(i) * values[a + i] * values[b + i];
        out[u * count + v] = sum;
      }
    }
  } else {
    for (let i = 0; i < length; i++) {
      for (let u = 0; u < count; u++) {
        const value = weight(i) * values[i * stride + u * vectorStride];
        for (let v = 0; v <= u && v < columns; v++)
          out[u * count + v] += value * values[i * stride + v * vectorStride];
      }
    }
  }
  if (factors === undefined) return;
  for (let u = 0; u < count; u++) {
    for (let v = 0; v <= u && v < columns; v++) out[u * count + v] *= factors[u] * factors[v];
  }
}
