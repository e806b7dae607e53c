import { compileKernels, PAGE } from './compileKernels.ts';
import { matrixBytes } from './matrixBytes.ts';
import type { Matrices, Matrix } from './matrices.ts';

/** The kernels of scripts/matrices.wat.js; pointers and strides in bytes. */
interface Exports {
  product32(...at: [a: number, lda: number, b: number, ldb: number, c: number, ldc: number, ...Sizes]): void;
  transpose32(a: number, lda: number, b: number, ldb: number, m: number, n: number): void;
  adam32(...at: [g: number, first: number, second: number, n: number, ...numbers: number[]]): void;
  blend32(c: number, s: number, n: number, beta: number): void;
  orthonormalize32(from: number, to: number, size: number, stride: number): void;
}
type Sizes = [m: number, n: number, k: number, lower: number];

interface Shared {
  readonly memory: WebAssembly.Memory;
  readonly exports: Exports;
}

const MAX_BYTES = 2 ** 31;

/** Memory shared by all callers; null if unavailable, undefined until first needed. */
let shared: Shared | null | undefined;
/** The operations on this memory, until it grows. */
let present: Matrices | null = null;

/**
 * Returns operations on float32 matrices in WebAssembly memory of at least `length` numbers; null if it
 * cannot be allocated.
 */
export function simdMatrices(length: number): Matrices | null {
  if (present && present.heap.length >= length) return present;
  if (shared === undefined) shared = instantiate();
  if (shared === null || 4 * length > MAX_BYTES) return null;
  try {
    const missing = 4 * length - shared.memory.buffer.byteLength;
    if (missing > 0) shared.memory.grow(Math.ceil(missing / PAGE));
    return (present = operations(shared.exports, new Float32Array(shared.memory.buffer)));
  } catch {
    // The memory cannot be allocated.
    return null;
  }
}

function instantiate(): Shared | null {
  const module = compileKernels(matrixBytes);
  if (module === null) return null;
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(module, { host: { memory } });
  return { memory, exports: exports as unknown as Exports };
}

const operations = (kernels: Exports, heap: Float32Array): Matrices => {
  const product = (a: Matrix, b: Matrix, c: Matrix, lower: number): void =>
    kernels.product32(
      4 * a.at,
      4 * a.cols,
      4 * b.at,
      4 * b.cols,
      4 * c.at,
      4 * c.cols,
      a.cols,
      b.cols,
      a.rows,
      lower,
    );
  return {
    heap,
    product: (a, b, c) => product(a, b, c, 0),
    lowerProduct: (a, c) => product(a, a, c, 1),
    blendLower: (c, s, beta) => kernels.blend32(4 * c.at, 4 * s.at, c.cols, beta),
    transpose: (a, b) => kernels.transpose32(4 * a.at, 4 * a.cols, 4 * b.at, 4 * b.cols, a.rows, a.cols),
    adam: (g, first, second, n, { beta1, beta2, correction1, correction2, epsilon }) =>
      kernels.adam32(4 * g, 4 * first, 4 * second, n, beta1, beta2, correction1, correction2, epsilon),
    orthonormalize(from, to, size, stride) {
      heap.fill(0, to, to + stride ** 2);
      for (let i = 0; i < size; i++) heap[to + i * stride + i] = 1;
      kernels.orthonormalize32(4 * from, 4 * to, size, 4 * stride);
      // Reflections change up to 3 rows after the last one.
      heap.fill(0, to + size * stride, to + stride ** 2);
    },
  };
};
