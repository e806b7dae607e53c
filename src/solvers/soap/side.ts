/**
 * Curvature of one side of a matrix of gradients: Shampoo's factor and its eigenbasis.
 *
 * @module
 */
import { gram, type Vectors } from '../../core/kernels/gram.ts';
import { symmetricEigen } from '../../core/symmetricEigen.ts';

/** One side of a block. */
export interface Side {
  readonly size: number;
  /** Running mean of GGᵀ (of GᵀG on the right), symmetric, `[size, size]`. */
  readonly factor: Float64Array;
  /** Its approximate eigenvectors, one a row, `[size, size]`. */
  readonly basis: Float64Array;
  /** True once a gradient that is not 0 has given the basis; until then it is the identity. */
  ready: boolean;
}

/** Factors with a trace below this count as 0: they have lost their digits to underflow. */
const LEAST_TRACE = 1e-280;

/**
 * Part of the mean eigenvalue added to the factor in a power step. Directions that no gradient has had yet keep their
 * basis vectors instead of turning with the rounding.
 */
const SHIFT = 2 ** -36;

/** Returns a side that has seen no gradient. */
export function newSide(size: number): Side {
  const basis = new Float64Array(size * size);
  for (let i = 0; i < size; i++) basis[i * size + i] = 1;
  return { size, factor: new Float64Array(size * size), basis, ready: false };
}

/**
 * `factor ← β₂ factor + (1 − β₂) P`, P the products of all pairs of vectors.
 *
 * @param scratch - at least `[size, size]`, overwritten
 */
export function updateFactor(
  { size, factor }: Side,
  vectors: Vectors,
  beta2: number,
  scratch: Float64Array,
): void {
  gram(vectors, scratch);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      const value = beta2 * factor[i * size + j] + (1 - beta2) * scratch[i * size + j];
      factor[i * size + j] = value;
      factor[j * size + i] = value;
    }
  }
}

/** Sets the basis of a side that has none to the eigenvectors of its factor, the largest eigenvalue first. */
export function startBasis(side: Side): void {
  const { size, factor, basis } = side;
  const trace = traceOf(side);
  if (!(trace > LEAST_TRACE)) return;
  const { vectors } = symmetricEigen(
    factor.map((value) => value / trace),
    size,
  );
  for (let i = 0; i < size; i++) {
    const row = size - 1 - i;
    for (let j = 0; j < size; j++) basis[i * size + j] = vectors[row * size + j];
  }
  side.ready = true;
}

/**
 * Brings the basis nearer to the eigenvectors: one power step and a QR decomposition.
 *
 * @param scratch - at least `[size, size]`, overwritten
 * @see Vyas et al. (2024), SOAP, arXiv:2409.11321, Algorithm 4
 */
export function refreshBasis(side: Side, scratch: Float64Array): void {
  const { size, factor, basis } = side;
  const mean = traceOf(side) / size;
  if (!(mean * size > LEAST_TRACE)) return;
  for (let i = 0; i < size; i++) {
    const row = i * size;
    for (let j = 0; j < size; j++) scratch[row + j] = SHIFT * basis[row + j];
    for (let p = 0; p < size; p++) {
      const weight = basis[row + p] / mean;
      for (let j = 0; j < size; j++) scratch[row + j] += weight * factor[p * size + j];
    }
  }
  orthonormalize(scratch, size, basis);
}

function traceOf({ size, factor }: Side): number {
  let trace = 0;
  for (let i = 0; i < size; i++) trace += factor[i * size + i];
  return trace;
}

/**
 * `out ← ` the orthonormal rows that span, one after the other, what the rows of `rows` do: Qᵀ of `rowsᵀ = QR`.
 * Householder's reflections keep them orthonormal however close to one another the rows are.
 *
 * @param rows - `[n, n]`, overwritten
 * @see Golub & Van Loan (2013), Matrix Computations, 4th ed., section 5.2
 */
function orthonormalize(rows: Float64Array, n: number, out: Float64Array): void {
  for (let k = 0; k < n; k++) {
    makeReflector(rows, k, n);
    for (let i = k + 1; i < n; i++) reflect(rows, k, rows, i, n);
  }
  out.fill(0);
  for (let i = 0; i < n; i++) out[i * n + i] = 1;
  for (let k = n - 1; k >= 0; k--) {
    for (let i = k; i < n; i++) reflect(rows, k, out, i, n);
  }
}

/** Puts u with ‖u‖² = 2 into row k from element k on; I − uuᵀ takes what was there to a multiple of e₁. */
function makeReflector(rows: Float64Array, k: number, n: number): void {
  let square = 0;
  for (let j = k; j < n; j++) square += rows[k * n + j] ** 2;
  const length = Math.sqrt(square);
  if (length === 0) return;
  const first = rows[k * n + k];
  const head = first + (first < 0 ? -length : length);
  const scale = 1 / Math.sqrt(length * Math.abs(head));
  rows[k * n + k] = head * scale;
  for (let j = k + 1; j < n; j++) rows[k * n + j] *= scale;
}

/** Applies the reflector in row k of `reflectors` to row i of `rows`, from element k on. */
function reflect(reflectors: Float64Array, k: number, rows: Float64Array, i: number, n: number): void {
  let along = 0;
  for (let j = k; j < n; j++) along += reflectors[k * n + j] * rows[i * n + j];
  for (let j = k; j < n; j++) rows[i * n + j] -= along * reflectors[k * n + j];
}
