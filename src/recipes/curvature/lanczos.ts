import { dot } from '../../core/vector.ts';
import { normalise, type Hessian } from '../../core/hessian.ts';
import { symmetricEigen } from './symmetric.ts';
import type { Asks } from '../../core/question.ts';

/** A Krylov space of the Hessian: H Q ≈ Q T, T tridiagonal. */
export interface Krylov {
  /** Orthonormal vectors q₁ … q_k, `[n]` each. */
  readonly basis: Float64Array[];
  /** Diagonal of T, `[k]`. */
  readonly alpha: number[];
  /** Below and above it; the last is the norm of what is left over, `[k]`. */
  readonly beta: number[];
}

/** Ritz values in ascending order, with what is known of each. */
export interface Ritz {
  readonly values: Float64Array;
  /** ‖H y − θ y‖ of each Ritz pair, as Lanczos knows it without another product. */
  readonly residuals: Float64Array;
  /** Row k: the coefficients of the k-th Ritz vector in the basis. */
  readonly coefficients: Float64Array;
}

/** An empty Krylov space that starts with `start`, `[n]`, normalised and kept. */
export function krylovFrom(start: Float64Array): Krylov {
  normalise(start);
  return { basis: [start], alpha: [], beta: [] };
}

/**
 * One Lanczos step: one product, one more row of T.
 *
 * Every new vector is orthogonalised against all others, twice: without it Lanczos finds the same eigenvalue again
 * and again, in float32 after a few steps. Where the space is invariant it goes on with `fresh`, so that multiple
 * eigenvalues are found too.
 *
 * @param fresh - draws a random vector's element
 * @returns false when the space is all there is
 * @see Golub and Van Loan, Matrix Computations, 4th edition, section 10.3
 */
export function* lanczosStep(hessian: Hessian, krylov: Krylov, fresh: () => number): Asks<boolean> {
  const { basis, alpha, beta } = krylov;
  const k = alpha.length;
  const q = basis[k];
  const w = new Float64Array(hessian.n);
  yield* hessian.times(q, w);
  alpha.push(dot(q, w));
  orthogonalise(w, basis);
  let left = normalise(w);
  const scale = Math.max(...alpha.map(Math.abs), ...beta, Number.MIN_VALUE);
  if (k + 1 === hessian.n) {
    beta.push(0);
    return false;
  }
  if (!(left > 1e-13 * scale)) {
    left = 0;
    for (let i = 0; i < w.length; i++) w[i] = fresh();
    orthogonalise(w, basis);
    normalise(w);
  }
  beta.push(left);
  basis.push(w);
  return true;
}

/** `w ← w − Q Qᵀ w`, twice. */
export function orthogonalise(w: Float64Array, basis: readonly Float64Array[]): void {
  for (let pass = 0; pass < 2; pass++) {
    for (const q of basis) {
      const along = dot(q, w);
      for (let i = 0; i < w.length; i++) w[i] -= along * q[i];
    }
  }
}

/** Eigenvalues of T, and the coefficients of its eigenvectors. */
export function ritzOf({ alpha, beta }: Krylov): Ritz {
  const k = alpha.length;
  const matrix = new Float64Array(k * k);
  for (let i = 0; i < k; i++) {
    matrix[i * k + i] = alpha[i];
    if (i + 1 < k) matrix[i * k + i + 1] = matrix[(i + 1) * k + i] = beta[i];
  }
  const { values, vectors } = symmetricEigen(matrix, k);
  const residuals = values.map((_, row) => Math.abs(beta[k - 1] * vectors[row * k + k - 1]));
  return { values, residuals, coefficients: vectors };
}

/** The unit Ritz vector of row `row`, `[n]`. */
export function ritzVector({ basis, alpha }: Krylov, { coefficients }: Ritz, row: number): Float64Array {
  const k = alpha.length;
  const vector = new Float64Array(basis[0].length);
  for (let j = 0; j < k; j++) {
    const weight = coefficients[row * k + j];
    for (let i = 0; i < vector.length; i++) vector[i] += weight * basis[j][i];
  }
  normalise(vector);
  return vector;
}
