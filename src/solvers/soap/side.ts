/**
 * Curvature of one side of a matrix of gradients: Shampoo's factor and its eigenbasis.
 *
 * @module
 */
import { newHeap, padded } from '../../core/kernels/matricesFor.ts';
import { symmetricEigen } from '../../core/symmetricEigen.ts';
import type { Heap, Matrices, Matrix } from '../../core/kernels/matrices.ts';
import type { Precision } from '../../core/problem.ts';
import type { Workspace } from './workspace.ts';

/** One side of a block. */
export interface Side {
  readonly size: number;
  /** The same with the zeros that fill rows and columns up. */
  readonly paddedSize: number;
  /** Running mean of GGᵀ (of GᵀG on the right), symmetric, `[paddedSize, paddedSize]`. */
  readonly factor: Heap;
  /** Its approximate eigenvectors, one a row, `[paddedSize, paddedSize]`. */
  readonly basis: Heap;
  /** True once a gradient that is not 0 has given the basis; until then it is the identity. */
  ready: boolean;
}

/** Factors with a trace below this count as 0: they have lost their digits to underflow. */
const LEAST_TRACE: Record<Precision, number> = { float64: 1e-280, float32: 1e-30 };

/**
 * Part of the mean eigenvalue added to the factor in a power step. Directions that no gradient has had yet keep their
 * basis vectors instead of turning with the rounding.
 */
const SHIFT: Record<Precision, number> = { float64: 2 ** -36, float32: 2 ** -16 };

const precisionOf = ({ basis }: Side): Precision => (basis instanceof Float32Array ? 'float32' : 'float64');

/** Returns a side that has seen no gradient. */
export function newSide(size: number, precision: Precision): Side {
  const paddedSize = padded(size, precision);
  const basis = newHeap(precision, paddedSize ** 2);
  for (let i = 0; i < size; i++) basis[i * paddedSize + i] = 1;
  return { size, paddedSize, factor: newHeap(precision, paddedSize ** 2), basis, ready: false };
}

/**
 * `factor ← β₂ factor + (1 − β₂) AᵀA`.
 *
 * @param a - at this place of the workspace, `[any, paddedSize]`
 */
export function updateFactor(side: Side, a: Matrix, beta2: number, { matrices, square }: Workspace): void {
  const { size, paddedSize, factor } = side;
  matrices.product(a, a, { at: square, rows: paddedSize, cols: paddedSize }, true);
  const { heap } = matrices;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      const at = i * paddedSize + j;
      const value = beta2 * factor[at] + (1 - beta2) * heap[square + at];
      factor[at] = value;
      factor[j * paddedSize + i] = value;
    }
  }
}

/** True if the factor of a side that has no basis yet can give it one. */
export const canStart = (side: Side): boolean =>
  !side.ready && traceOf(side) > LEAST_TRACE[precisionOf(side)];

/** Sets the basis to the eigenvectors of the factor, the largest eigenvalue first. */
export function startBasis(side: Side): void {
  const { size, paddedSize, factor, basis } = side;
  const trace = traceOf(side);
  const scaled = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) scaled[i * size + j] = factor[i * paddedSize + j] / trace;
  }
  const { vectors } = symmetricEigen(scaled, size);
  for (let i = 0; i < size; i++) {
    const row = size - 1 - i;
    basis.set(vectors.subarray(row * size, (row + 1) * size), i * paddedSize);
  }
  side.ready = true;
}

/**
 * Brings the basis nearer to the eigenvectors: one power step and a QR decomposition.
 *
 * @see Vyas et al. (2024), SOAP, arXiv:2409.11321, Algorithm 4
 */
export function refreshBasis(
  side: Side,
  { matrices, basis: rows, columns, square, factor }: Workspace,
): void {
  const { size, paddedSize } = side;
  const precision = precisionOf(side);
  const trace = traceOf(side);
  if (!(trace > LEAST_TRACE[precision])) return;
  const { heap } = matrices;
  const matrix = (at: number): Matrix => ({ at, rows: paddedSize, cols: paddedSize });
  heap.set(side.basis, rows);
  heap.set(side.factor, factor);
  matrices.transpose(matrix(rows), matrix(columns));
  matrices.product(matrix(columns), matrix(factor), matrix(square), false);
  const scale = size / trace;
  const shift = SHIFT[precision];
  for (let i = 0; i < paddedSize ** 2; i++) {
    heap[square + i] = scale * heap[square + i] + shift * side.basis[i];
  }
  orthonormalize(matrices, square, rows, side);
  side.basis.set(heap.subarray(rows, rows + paddedSize ** 2));
}

function traceOf({ size, paddedSize, factor }: Side): number {
  let trace = 0;
  for (let i = 0; i < size; i++) trace += factor[i * paddedSize + i];
  return trace;
}

/**
 * Puts the orthonormal rows that span, one after the other, what the rows at `from` do, to `to`: Qᵀ of `rowsᵀ = QR`.
 * Householder's reflections keep them orthonormal however close to one another the rows are.
 *
 * @param from - overwritten, as are 3 rows after either matrix
 * @see Golub & Van Loan (2013), Matrix Computations, 4th ed., section 5.2
 */
function orthonormalize(matrices: Matrices, from: number, to: number, { size, paddedSize }: Side): void {
  const { heap } = matrices;
  /** Applies the reflector in row k at `from` to the last `count` rows at `rows`. */
  const reflect = (k: number, rows: number, count: number): void => {
    // Aligned, for SIMD: the reflector has zeros before its first element.
    const start = k - (k % 4);
    const first = rows + (size - count) * paddedSize + start;
    matrices.reflect(from + k * paddedSize + start, first, paddedSize, count, paddedSize - start);
  };
  for (let k = 0; k < size; k++) {
    makeReflector(heap, from + k * paddedSize, k, size);
    if (k + 1 < size) reflect(k, from, size - k - 1);
  }
  heap.fill(0, to, to + paddedSize ** 2);
  for (let i = 0; i < size; i++) heap[to + i * paddedSize + i] = 1;
  for (let k = size - 1; k >= 0; k--) reflect(k, to, size - k);
  heap.fill(0, to + size * paddedSize, to + paddedSize ** 2);
}

/**
 * Puts u with ‖u‖² = 2 into a row from element k on, and zeros before it; I − uuᵀ takes what was there to a multiple
 * of e₁.
 */
function makeReflector(heap: Heap, row: number, k: number, n: number): void {
  let square = 0;
  for (let j = k; j < n; j++) square += heap[row + j] ** 2;
  const length = Math.sqrt(square);
  const first = heap[row + k];
  heap.fill(0, row, row + k);
  if (length === 0) return;
  const head = first + (first < 0 ? -length : length);
  const scale = 1 / Math.sqrt(length * Math.abs(head));
  heap[row + k] = head * scale;
  for (let j = k + 1; j < n; j++) heap[row + j] *= scale;
}
