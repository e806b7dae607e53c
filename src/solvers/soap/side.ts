/**
 * Curvature of one side of a matrix of gradients: Shampoo's factor and its eigenbasis.
 *
 * @module
 */
import { newHeap, padded } from '../../core/kernels/matricesFor.ts';
import { symmetricEigen } from '../../core/symmetricEigen.ts';
import type { Heap, Matrix } from '../../core/kernels/matrices.ts';
import type { Precision } from '../../core/problem.ts';
import type { BasisPlace, Workspace } from './workspace.ts';

/** One side of a block. */
export interface Side {
  readonly size: number;
  /** The same with the zeros that fill rows and columns up. */
  readonly paddedSize: number;
  /**
   * Running mean of GGᵀ (of GᵀG on the right), `[paddedSize, paddedSize]`. It is symmetric; in each row i only columns up
   * to i count.
   */
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
export function updateFactor(side: Side, a: Matrix, beta2: number, work: Workspace): void {
  const { matrices, factor, square } = work;
  const { paddedSize } = side;
  const size = { rows: paddedSize, cols: paddedSize };
  matrices.lowerProduct(a, { at: square, ...size });
  matrices.heap.set(side.factor, factor);
  matrices.blendLower({ at: factor, ...size }, { at: square, ...size }, beta2);
  side.factor.set(matrices.heap.subarray(factor, factor + paddedSize ** 2));
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
    for (let j = 0; j <= i; j++) {
      scaled[i * size + j] = factor[i * paddedSize + j] / trace;
      scaled[j * size + i] = scaled[i * size + j];
    }
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
 * @param place - where the basis lies; overwritten
 * @see Vyas et al. (2024), SOAP, arXiv:2409.11321, Algorithm 4
 */
export function refreshBasis(side: Side, place: BasisPlace, { matrices, square, factor }: Workspace): void {
  const { size, paddedSize } = side;
  const precision = precisionOf(side);
  const trace = traceOf(side);
  if (!(trace > LEAST_TRACE[precision])) return;
  const { heap } = matrices;
  const matrix = (at: number): Matrix => ({ at, rows: paddedSize, cols: paddedSize });
  heap.set(side.factor, factor);
  const scale = size / trace;
  for (let i = 0; i < size; i++) {
    const row = factor + i * paddedSize;
    for (let j = 0; j < i; j++) heap[factor + j * paddedSize + i] = heap[row + j] *= scale;
    heap[row + i] = scale * heap[row + i] + SHIFT[precision];
  }
  matrices.product(matrix(place.columns), matrix(factor), matrix(square));
  matrices.orthonormalize(square, place.rows, size, paddedSize);
  side.basis.set(heap.subarray(place.rows, place.rows + paddedSize ** 2));
}

function traceOf({ size, paddedSize, factor }: Side): number {
  let trace = 0;
  for (let i = 0; i < size; i++) trace += factor[i * paddedSize + i];
  return trace;
}
