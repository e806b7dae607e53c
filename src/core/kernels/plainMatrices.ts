import { plainRectangles } from './plainRectangles.ts';
import type { Heap, Matrices, Matrix } from './matrices.ts';

/** Loops that round as one precision asks for. */
export interface PlainLoops<H extends Heap> {
  /**
   * Writes aᵀB, its first n elements, to `out` from `to` on; a's elements lie `term` numbers apart, from `from` on.
   */
  readonly rowOfProduct: (
    heap: H,
    from: number,
    term: number,
    b: Matrix,
    out: H,
    to: number,
    n: number,
  ) => void;
  /**
   * Replaces a row, from element k on, by the u with ‖u‖² = 2 for which I − uuᵀ maps it to a multiple of e₁; elements
   * before k become 0.
   */
  readonly makeReflector: (heap: H, row: number, k: number, n: number) => void;
  /**
   * Applies I − uuᵀ to `count` rows of n numbers, `stride` from one to the next; elements of u before k are 0.
   */
  readonly reflect: (
    heap: H,
    u: number,
    rows: number,
    stride: number,
    count: number,
    k: number,
    n: number,
  ) => void;
}

type Shared = Pick<Matrices, 'product' | 'multiply' | 'transpose' | 'orthonormalize' | 'load' | 'move'>;

/**
 * Returns the operations in plain loops that differ between precisions in their innermost loops only.
 *
 * @param width - numbers of a row of `size` numbers, `stride` apart, that reflections process
 */
export function plainMatrices<H extends Heap>(
  heap: H,
  { rowOfProduct, makeReflector, reflect }: PlainLoops<H>,
  width: (size: number, stride: number) => number,
): Shared {
  /** C ← AB, where A has `m` rows whose elements lie `row` and `term` numbers apart, from `at` on. */
  function multiply(at: number, row: number, term: number, m: number, b: Matrix, c: Matrix): void {
    for (let i = 0; i < m; i++) rowOfProduct(heap, at + i * row, term, b, heap, c.at + i * c.cols, b.cols);
  }
  return {
    product: (a, b, c) => multiply(a.at, 1, a.cols, a.cols, b, c),
    multiply: (a, b, c) => multiply(a.at, a.cols, 1, a.rows, b, c),
    transpose(a, b) {
      for (let i = 0; i < a.rows; i++) {
        for (let j = 0; j < a.cols; j++) heap[b.at + j * b.cols + i] = heap[a.at + i * a.cols + j];
      }
    },
    orthonormalize(from, to, size, stride) {
      const n = width(size, stride);
      for (let k = 0; k < size; k++) {
        const row = from + k * stride;
        makeReflector(heap, row, k, n);
        reflect(heap, row, row + stride, stride, size - k - 1, k, n);
      }
      heap.fill(0, to, to + stride ** 2);
      for (let i = 0; i < size; i++) heap[to + i * stride + i] = 1;
      for (let k = size - 1; k >= 0; k--) {
        reflect(heap, from + k * stride, to + k * stride, stride, size - k, k, n);
      }
    },
    ...plainRectangles(heap),
  };
}
