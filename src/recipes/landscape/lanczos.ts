/**
 * The Lanczos process from one or several starts, with full re-orthogonalization.
 *
 * From two starts (band Lanczos), it finds double eigenvalues, and eigenvalues that nearly coincide. From a single start,
 * one of two close eigenvalues remains hidden if the start is nearly orthogonal to its eigenvector.
 *
 * @module
 * @see Ruhe (1979), doi:10.1090/S0025-5718-1979-0521282-9; Golub and Van Loan, Matrix Computations, 4th edition,
 *   sections 10.3 and 10.3.6
 */
import { addScaled, dot } from '../../core/vector.ts';
import { normalize, type Hessian } from '../../core/hessian.ts';
import { symmetricEigen } from '../../core/symmetricEigen.ts';
import type { Asks } from '../../core/question.ts';

/** A Krylov space of the Hessian: H Q = Q T + a remainder outside the space. */
export interface Krylov {
  /** Orthonormal vectors, `[n]` each; the last ones, one for each start, are not yet multiplied. */
  readonly basis: Float64Array[];
  /** Row j: qᵢᵀ H qⱼ for all i that were in the basis after its product. */
  readonly rows: Float64Array[];
}

/** Ritz values in ascending order, with their residuals and vectors. */
export interface Ritz {
  readonly values: Float64Array;
  /** ‖H y − θ y‖ of each Ritz pair, which Lanczos gives without another product. */
  readonly residuals: Float64Array;
  /** Row k holds the coefficients of the k-th Ritz vector in the basis. */
  readonly coefficients: Float64Array;
}

/** Returns a Krylov space of dimension 0 with `starts` random start vectors. */
export function krylovOf(n: number, starts: number, draw: () => number): Krylov {
  const krylov: Krylov = { basis: [], rows: [] };
  while (krylov.basis.length < Math.min(starts, n)) addRandom(krylov, n, draw);
  return krylov;
}

function addRandom({ basis }: Krylov, n: number, draw: () => number): void {
  const vector = Float64Array.from({ length: n }, draw);
  orthogonalize(vector, basis);
  normalize(vector);
  basis.push(vector);
}

/**
 * Takes one step: one product, one more row of T, one more basis vector.
 *
 * Every new vector is orthogonalized against all others, twice: otherwise rounding makes Lanczos find the same eigenvalue
 * repeatedly, in float32 after a few steps. If the space is invariant, it continues with a random vector.
 *
 * @returns false if the space is all of ℝⁿ
 */
export function* lanczosStep(hessian: Hessian, krylov: Krylov, draw: () => number): Asks<boolean> {
  const { basis, rows } = krylov;
  const { n } = hessian;
  const w = new Float64Array(n);
  yield* hessian.times(basis[rows.length], w);
  const row = new Float64Array(Math.min(n, basis.length + 1));
  orthogonalize(w, basis, row);
  rows.push(row);
  if (basis.length < n) {
    const left = normalize(w);
    const scale = row.reduce((most, value) => Math.max(most, Math.abs(value)), Number.MIN_VALUE);
    if (left > 1e-13 * scale) {
      row[basis.length] = left;
      basis.push(w);
    } else {
      addRandom(krylov, n, draw);
    }
  }
  return rows.length < n;
}

/**
 * `w ← w − Q Qᵀ w`, twice.
 *
 * @param along - if given, Qᵀw is added to it
 */
export function orthogonalize(w: Float64Array, basis: readonly Float64Array[], along?: Float64Array): void {
  for (let pass = 0; pass < 2; pass++) {
    for (const [k, q] of basis.entries()) {
      const part = dot(q, w);
      addScaled(w, -part, q, w);
      if (along !== undefined) along[k] += part;
    }
  }
}

/** Computes the eigenvalues of T, the coefficients of its eigenvectors, and residuals; about 10 k³ operations. */
export function ritzOf({ basis, rows }: Krylov): Ritz {
  const k = rows.length;
  const matrix = new Float64Array(k * k);
  for (let j = 0; j < k; j++) for (let i = 0; i <= j; i++) matrix[i * k + j] = matrix[j * k + i] = rows[j][i];
  const { values, vectors } = symmetricEigen(matrix, k);
  const residuals = new Float64Array(k);
  for (let row = 0; row < k; row++) {
    for (let out = k; out < basis.length; out++) {
      let part = 0;
      for (let j = 0; j < k; j++) if (out < rows[j].length) part += rows[j][out] * vectors[row * k + j];
      residuals[row] += part * part;
    }
  }
  return { values, residuals: residuals.map(Math.sqrt), coefficients: vectors };
}

/** True if T should be examined after `k` steps: always while it is small, rarely once its eigenvalues are expensive. */
export const isCheckpoint = (k: number): boolean => k % Math.ceil(k / 12) === 0;

/** Returns the unit Ritz vector of row `row`, `[n]`. */
export function ritzVector({ basis }: Krylov, { values, coefficients }: Ritz, row: number): Float64Array {
  const k = values.length;
  const vector = new Float64Array(basis[0].length);
  for (let j = 0; j < k; j++) {
    addScaled(vector, coefficients[row * k + j], basis[j], vector);
  }
  normalize(vector);
  return vector;
}
