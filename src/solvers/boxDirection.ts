/**
 * Directions within bounds for few unknowns: the step that minimizes the quadratic model of L-BFGS in the box, whose
 * matrix is formed.
 *
 * @module
 */
import { factorColumns, solveFactored } from '../core/kernels/choleskyColumns.ts';
import { dot } from '../core/vector.ts';
import { endSlot, slotsOf } from './pairRing.ts';
import type { Box } from '../core/bounds.ts';
import type { LbfgsMemory } from './limitedMemory.ts';

/** Largest number of unknowns for which the matrix is formed: 2mn² multiplications a step. */
export const MODEL_LIMIT = 64;

/** Largest number of times that the elements whose step leaves the box are stopped at their bounds. */
const MAX_ROUNDS = 6;

/** Model of f at x: gᵀp + ½pᵀBp. */
export interface Model {
  /** B, `[n, n]`. */
  readonly matrix: Float64Array;
  /** g, `[n]`. */
  readonly gradient: Float64Array;
}

/**
 * Returns B, `[n, n]`, the inverse of the estimate of a limited memory with one pair or more.
 *
 * @param selfScaling - true if H₀ is scaled by the oldest pair
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., eq. (6.19)
 */
export function modelMatrix(memory: LbfgsMemory, n: number, selfScaling: boolean | undefined): Float64Array {
  const { rows, rho, gamma, biggs, tau } = memory;
  const matrix = new Float64Array(n * n);
  const bs = new Float64Array(n);
  const initial = 1 / gamma[endSlot(memory, selfScaling ? 'oldest' : 'newest')];
  for (let i = 0; i < n; i++) matrix[i * n + i] = initial;
  for (const slot of slotsOf(memory).toReversed()) {
    const [s, y] = [rows[2 * slot], rows[2 * slot + 1]];
    let sBs = 0;
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += matrix[i * n + j] * s[j];
      bs[i] = sum;
      sBs += sum * s[i];
    }
    // Lost in rounding: B keeps its curvature along s.
    if (!(sBs > 0)) continue;
    const [scale, added] = [tau[slot], biggs[slot] * rho[slot]];
    for (let i = 0; i < n; i++) {
      const [u, v] = [added * y[i], (scale * bs[i]) / sBs];
      for (let j = 0; j < n; j++) matrix[i * n + j] = scale * matrix[i * n + j] + u * y[j] - v * bs[j];
    }
  }
  return matrix;
}

/**
 * `out ←` a step within the box that minimizes the model over the elements that no bound stops. Elements whose step
 * leaves the box stop at their bounds, and the others are solved for again, with those steps given.
 *
 * @param held - indices of the elements that stay, in order
 * @returns false if rounding makes B indefinite or the step does not point downhill
 * @see Byrd, Lu, Nocedal & Zhu (1995), A limited memory algorithm for bound constrained optimization, SIAM J. Sci.
 *   Comput. 16, section 5, doi:10.1137/0916069, for the minimization in the subspace; the stopped elements are those
 *   of a projected Newton method instead of those at the Cauchy point
 */
export function stepInBox(
  { matrix, gradient }: Model,
  box: Box,
  x: Float64Array,
  held: readonly number[],
  out: Float64Array,
): boolean {
  const n = x.length;
  const stopped = new Set(held);
  out.fill(0);
  for (let round = 0; round < MAX_ROUNDS && stopped.size < n; round++) {
    const free = indicesBut(stopped, n);
    const step = solveFor(free, { matrix, gradient }, out, stopped);
    if (step === null) return false;
    let left = 0;
    for (const [k, i] of free.entries()) {
      const [lowest, highest] = [box.lower(i) - x[i], box.upper(i) - x[i]];
      out[i] = Math.min(highest, Math.max(lowest, step[k]));
      if (out[i] === step[k]) continue;
      stopped.add(i);
      left++;
    }
    if (left === 0) break;
  }
  return dot(gradient, out) < 0;
}

/** Returns the step of the `free` elements that minimizes the model, given that of the others; null if B is indefinite. */
function solveFor(
  free: readonly number[],
  { matrix, gradient }: Model,
  given: Float64Array,
  stopped: ReadonlySet<number>,
): Float64Array | null {
  const n = gradient.length;
  const m = free.length;
  const part = new Float64Array(m * m);
  const step = new Float64Array(m);
  for (const [k, i] of free.entries()) {
    step[k] = -gradient[i];
    for (const j of stopped) step[k] -= matrix[i * n + j] * given[j];
    for (let l = 0; l <= k; l++) part[k * m + l] = matrix[i * n + free[l]];
  }
  if (!factorColumns(part, m, m, 0, m)) return null;
  solveFactored(part, m, m, step);
  return step;
}

/** Returns the indices below n that are not in a set. */
function indicesBut(left: ReadonlySet<number>, n: number): number[] {
  const indices: number[] = [];
  for (let i = 0; i < n; i++) if (!left.has(i)) indices.push(i);
  return indices;
}
