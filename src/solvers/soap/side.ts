/**
 * Curvature of one side of a matrix of gradients: Shampoo's factor and its eigenbasis.
 *
 * @module
 */
import { paddedSide } from '../../core/kernels/newMatrices.ts';
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
  /** Length of the parts of the side that its basis mixes; 1 before the first refresh, when the basis is the identity. */
  part: number;
}

/** Factors with a trace below this count as 0: they have lost their digits to underflow. */
const LEAST_TRACE: Record<Precision, number> = { float64: 1e-280, float32: 1e-30 };

/**
 * Fraction of the mean eigenvalue added to the factor in a power step. Directions that no gradient has had yet keep their
 * basis vectors instead of turning with the rounding.
 */
const SHIFT: Record<Precision, number> = { float64: 2 ** -36, float32: 2 ** -16 };

const precisionOf = (heap: Heap): Precision => (heap instanceof Float32Array ? 'float32' : 'float64');

/**
 * Returns a side that has seen no gradient.
 *
 * @param take - returns memory for a number of elements
 */
export function newSide(size: number, precision: Precision, take: (numbers: number) => number): Side {
  const paddedSize = paddedSide(size, precision);
  return { size, paddedSize, factor: take(paddedSize ** 2), basis: take(paddedSize ** 2), part: 1 };
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

/**
 * Length of the parts of a side that are rotated after a number of gradients: the largest power of 2 up to an eighth of the square
 * of their number. Gradients of the first steps all point along few vectors of a long basis, in which a step goes no farther
 * than the rate; short parts are on the way sooner. Later ones tell the long bases, which pay in the end.
 */
export const partAfter = (gradients: number, size: number): number =>
  Math.min(size, 2 ** Math.floor(Math.log2(Math.max(1, gradients ** 2 / 8))));

/**
 * Brings the basis nearer to the eigenvectors of the diagonal blocks of the factor: one power step and a QR decomposition.
 *
 * @param columns - place of the basis, its vectors as columns
 * @param part - length of the blocks, at least that of the present basis
 * @returns false if the factor has no digits left, which changes nothing
 * @see Vyas et al. (2024), SOAP, arXiv:2409.11321, Algorithm 4
 */
export function refreshBasis(side: Side, columns: number, part: number, work: Workspace): boolean {
  const { size, paddedSize, basis } = side;
  const { matrices, square, fresh, factor: scaled } = work;
  const { heap } = matrices;
  const precision = precisionOf(heap);
  const trace = traceOf(side, heap);
  if (!(trace > LEAST_TRACE[precision])) return false;
  const matrix = (at: number): Matrix => ({ at, rows: paddedSize, cols: paddedSize });
  loadFactor(side, part, size / trace, SHIFT[precision], work);
  matrices.product(matrix(columns), matrix(scaled), matrix(square));
  matrices.orthonormalize(square, fresh, size, paddedSize);
  heap.copyWithin(basis, fresh, fresh + paddedSize ** 2);
  side.part = part;
  return true;
}

/**
 * Returns the mean squares of the gradient along the vectors of the basis, `[size]`: qᵀFq of each vector q. They are at least
 * the shift of a power step, since smaller ones are rounding.
 */
export function squaresAlong(side: Side, work: Workspace): Float64Array {
  const { size, paddedSize, basis } = side;
  const { matrices, factor, fresh, square } = work;
  const { heap } = matrices;
  const matrix = (at: number): Matrix => ({ at, rows: paddedSize, cols: paddedSize });
  const least = (SHIFT[precisionOf(heap)] * traceOf(side, heap)) / size;
  loadFactor(side, size, 1, 0, work);
  matrices.transpose(matrix(basis), matrix(fresh));
  matrices.product(matrix(fresh), matrix(factor), matrix(square));
  return Float64Array.from({ length: size }, (_, i) => {
    let sum = 0;
    for (let j = i * paddedSize; j < i * paddedSize + size; j++) sum += heap[square + j] * heap[basis + j];
    return Math.max(least, sum);
  });
}

/**
 * Writes both triangles of the factor to `work.factor`, times `scale` and with `shift` added to its diagonal.
 *
 * @param part - length of the blocks on the diagonal; elements between blocks become 0
 */
function loadFactor(
  { size, paddedSize, factor }: Side,
  part: number,
  scale: number,
  shift: number,
  { matrices: { heap }, factor: to }: Workspace,
): void {
  heap.fill(0, to, to + paddedSize ** 2);
  for (let i = 0; i < size; i++) {
    const row = to + i * paddedSize;
    const from = factor + i * paddedSize;
    for (let j = i - (i % part); j < i; j++)
      heap[to + j * paddedSize + i] = heap[row + j] = scale * heap[from + j];
    heap[row + i] = scale * heap[from + i] + shift;
  }
}

/** Returns the trace of a factor, the mean square of the norm of the gradient. */
export function traceOf({ size, paddedSize, factor }: Side, heap: Heap): number {
  let trace = 0;
  for (let i = 0; i < size; i++) trace += heap[factor + i * paddedSize + i];
  return trace;
}
