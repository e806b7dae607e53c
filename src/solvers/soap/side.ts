/**
 * Curvature of one side of a matrix of gradients: Shampoo's factor and its eigenbasis.
 *
 * @module
 */
import { paddedSide } from '../../core/kernels/newMatrices.ts';
import { symmetricEigen } from '../../core/symmetricEigen.ts';
import type { Heap, Matrix } from '../../core/kernels/matrices.ts';
import type { Precision } from '../../core/problem.ts';
import type { Workspace } from './workspace.ts';

/** One side of a block; its matrices are `[paddedSize, paddedSize]`, at places in the memory of the state. */
export interface Side {
  readonly size: number;
  /** The same with the zeros that fill rows and columns up. */
  readonly paddedSize: number;
  /** Running mean of GGᵀ (of GᵀG on the right). It is symmetric; in each row i only columns up to i count. */
  readonly factor: number;
  /** Its approximate eigenvectors, one a row. */
  readonly basis: number;
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

const precisionOf = (heap: Heap): Precision => (heap instanceof Float32Array ? 'float32' : 'float64');

/**
 * Returns a side that has seen no gradient.
 *
 * @param take - gives a place for so many numbers
 */
export function newSide(size: number, precision: Precision, take: (numbers: number) => number): Side {
  const paddedSize = paddedSide(size, precision);
  return { size, paddedSize, factor: take(paddedSize ** 2), basis: take(paddedSize ** 2), ready: false };
}

/** Makes the basis the identity, in a memory of zeros. */
export function clearBasis({ size, paddedSize, basis }: Side, memory: Heap): void {
  for (let i = 0; i < size; i++) memory[basis + i * paddedSize + i] = 1;
}

/**
 * `factor ← β₂ factor + (1 − β₂) AᵀA`.
 *
 * @param a - `[any, paddedSize]`
 */
export function updateFactor(side: Side, a: Matrix, beta2: number, { matrices }: Workspace): void {
  const { factor, paddedSize } = side;
  matrices.blendProduct(a, { at: factor, rows: paddedSize, cols: paddedSize }, beta2);
}

/** True if the factor of a side that has no basis yet can give it one. */
export const canStart = (side: Side, heap: Heap): boolean =>
  !side.ready && traceOf(side, heap) > LEAST_TRACE[precisionOf(heap)];

/**
 * Sets the basis to the eigenvectors of a factor that has seen one gradient, the largest eigenvalue first.
 *
 * @param gradient - A `[any, paddedSize]`, of which the factor is a multiple of AᵀA
 * @param rows - number of its rows that are not filled up with zeros
 */
export function startBasis(side: Side, gradient: Matrix, rows: number, work: Workspace): void {
  if (2 * rows <= side.size) startThin(side, gradient, rows, work);
  else startExact(side, work.matrices.heap);
  side.ready = true;
}

function startExact(side: Side, heap: Heap): void {
  const { size, paddedSize, factor, basis } = side;
  const trace = traceOf(side, heap);
  const scaled = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      scaled[i * size + j] = heap[factor + i * paddedSize + j] / trace;
      scaled[j * size + i] = scaled[i * size + j];
    }
  }
  const { vectors } = symmetricEigen(scaled, size);
  for (let i = 0; i < size; i++) {
    const row = size - 1 - i;
    heap.set(vectors.subarray(row * size, (row + 1) * size), basis + i * paddedSize);
  }
}

/**
 * The same for few rows: AᵀA has the eigenvectors Aᵀu, u those of AAᵀ, and, with eigenvalue 0, all that are orthogonal to
 * these.
 */
function startThin({ size, paddedSize, basis }: Side, { at }: Matrix, rows: number, work: Workspace): void {
  const { matrices, square } = work;
  const { heap } = matrices;
  const gram = new Float64Array(rows * rows);
  let trace = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let p = 0; p < size; p++) sum += heap[at + i * paddedSize + p] * heap[at + j * paddedSize + p];
      gram[i * rows + j] = gram[j * rows + i] = sum;
    }
    trace += gram[i * rows + i];
  }
  const { vectors } = symmetricEigen(
    gram.map((value) => value / trace),
    rows,
  );
  const scale = 1 / Math.sqrt(trace);
  heap.fill(0, square, square + paddedSize ** 2);
  for (let i = 0; i < size; i++) {
    const to = square + i * paddedSize;
    if (i >= rows) heap[to + i] = 1;
    else {
      const u = (rows - 1 - i) * rows;
      for (let p = 0; p < size; p++) {
        let sum = 0;
        for (let k = 0; k < rows; k++) sum += vectors[u + k] * heap[at + k * paddedSize + p];
        heap[to + p] = scale * sum;
      }
    }
  }
  matrices.orthonormalize(square, work.fresh, size, paddedSize);
  heap.copyWithin(basis, work.fresh, work.fresh + paddedSize ** 2);
}

/**
 * Brings the basis nearer to the eigenvectors: one power step and a QR decomposition.
 *
 * @param columns - place of the basis, its vectors as columns
 * @see Vyas et al. (2024), SOAP, arXiv:2409.11321, Algorithm 4
 */
export function refreshBasis(side: Side, columns: number, work: Workspace): void {
  const { size, paddedSize, factor, basis } = side;
  const { matrices, square, fresh, factor: scaled } = work;
  const { heap } = matrices;
  const precision = precisionOf(heap);
  const trace = traceOf(side, heap);
  if (!(trace > LEAST_TRACE[precision])) return;
  const matrix = (at: number): Matrix => ({ at, rows: paddedSize, cols: paddedSize });
  const scale = size / trace;
  heap.fill(0, scaled, scaled + paddedSize ** 2);
  for (let i = 0; i < size; i++) {
    const row = scaled + i * paddedSize;
    const from = factor + i * paddedSize;
    for (let j = 0; j < i; j++) heap[scaled + j * paddedSize + i] = heap[row + j] = scale * heap[from + j];
    heap[row + i] = scale * heap[from + i] + SHIFT[precision];
  }
  matrices.product(matrix(columns), matrix(scaled), matrix(square));
  matrices.orthonormalize(square, fresh, size, paddedSize);
  heap.copyWithin(basis, fresh, fresh + paddedSize ** 2);
}

function traceOf({ size, paddedSize, factor }: Side, heap: Heap): number {
  let trace = 0;
  for (let i = 0; i < size; i++) trace += heap[factor + i * paddedSize + i];
  return trace;
}
