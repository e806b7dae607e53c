import { kernelsIn } from './compileKernels.ts';
import { matrixBytes } from './matrixBytes.ts';
import { plainRectangles } from './plainRectangles.ts';
import { newVectorMemory } from './vectorMemory.ts';
import type { Matrices, Matrix } from './matrices.ts';

/** The kernels of scripts/matrices.wat.js; pointers and distances in bytes. */
interface Exports {
  product32(...at: [...Factor, b: number, ldb: number, c: number, ldc: number, ...Sizes]): void;
  transpose32(a: number, lda: number, b: number, ldb: number, m: number, n: number): void;
  adam32(...at: [g: number, first: number, second: number, n: number, ...numbers: number[]]): void;
  orthonormalize32(from: number, to: number, size: number, stride: number): void;
  load32(...at: [...Rows, to: number, width: number, rows: number, cols: number, factor: number]): void;
  move32(...at: [x: number, target: number, ...Direction, ...Shape, rate: number, decay: number]): number;
}
type Factor = [a: number, row: number, term: number];
type Sizes = [m: number, n: number, k: number, lower: number, beta: number, rest: number];
type Rows = [from: number, stride: number];
type Direction = [stride: number, from: number, width: number];
type Shape = [rows: number, cols: number, rounds: number];

/** Matrices, and vectors in the same memory. */
export interface MatrixMemory {
  readonly matrices: Matrices;
  /** Vectors of zeros, `[n]`. */
  readonly vectors: readonly Float64Array[];
}

/**
 * Allocates a WebAssembly memory for a heap of float32 numbers, and for vectors.
 *
 * @param length - numbers of the heap
 * @param n - length of the vectors
 * @returns null if there is no SIMD, or not enough memory
 */
export function simdMatrices(length: number, n: number, count: number): MatrixMemory | null {
  const made = newVectorMemory(n, count, 4 * length);
  const exports = made && kernelsIn(matrixBytes, made.memory);
  if (!exports) return null;
  const { buffer, vectors } = made;
  const heap = new Float32Array(buffer, 0, length);
  return { matrices: operations(exports as unknown as Exports, heap), vectors };
}

function operations(kernels: Exports, heap: Float32Array): Matrices {
  const plain = plainRectangles(heap);
  const { buffer } = heap;
  return {
    heap,
    product(a, b, c) {
      const [m, n, k] = [a.cols, b.cols, a.rows];
      kernels.product32(4 * a.at, 4, 4 * m, 4 * b.at, 4 * n, 4 * c.at, 4 * c.cols, m, n, k, 0, 0, 0);
    },
    multiply(a, b, c) {
      const [m, n, k] = [a.rows, b.cols, a.cols];
      kernels.product32(4 * a.at, 4 * k, 4, 4 * b.at, 4 * n, 4 * c.at, 4 * c.cols, m, n, k, 0, 0, 0);
    },
    blendProduct({ at, rows, cols }: Matrix, c, beta) {
      const width = 4 * cols;
      kernels.product32(
        4 * at,
        4,
        width,
        4 * at,
        width,
        4 * c.at,
        width,
        cols,
        cols,
        rows,
        1,
        beta,
        1 - beta,
      );
    },
    transpose: (a, b) => kernels.transpose32(4 * a.at, 4 * a.cols, 4 * b.at, 4 * b.cols, a.rows, a.cols),
    adam: (g, first, second, n, { beta1, beta2, correction1, correction2, epsilon }) =>
      kernels.adam32(
        4 * g,
        4 * first,
        4 * second,
        n,
        beta1,
        1 - beta1,
        beta2,
        1 - beta2,
        correction1,
        correction2,
        epsilon,
      ),
    orthonormalize(from, to, size, stride) {
      heap.fill(0, to, to + stride ** 2);
      for (let i = 0; i < size; i++) heap[to + i * stride + i] = 1;
      kernels.orthonormalize32(4 * from, 4 * to, size, 4 * stride);
      // Reflections change up to 3 rows after the last one.
      heap.fill(0, to + size * stride, to + stride ** 2);
    },
    load(vector, part, factor, at, width) {
      if (vector.buffer !== buffer) return plain.load(vector, part, factor, at, width);
      const { rows, cols, offset, stride } = part;
      const from = vector.byteOffset + 8 * offset;
      kernels.load32(from, 8 * stride, 4 * at, 4 * width, rows, cols, factor);
    },
    move(x, target, part, at, width, sizes) {
      if (x.buffer !== buffer || target.buffer !== buffer)
        return plain.move(x, target, part, at, width, sizes);
      const { rows, cols, offset, stride } = part;
      return kernels.move32(
        x.byteOffset + 8 * offset,
        target.byteOffset + 8 * offset,
        8 * stride,
        4 * at,
        4 * width,
        rows,
        cols,
        Number(target === x),
        sizes.rate,
        sizes.weightDecay,
      );
    },
  };
}
