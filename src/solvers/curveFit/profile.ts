import { leastSquares } from '../../core/leastSquares.ts';
import { dot } from '../../core/vector.ts';
import { precisionOf } from './linearized.ts';
import { solveFit, type FitSolution } from './solveFit.ts';
import type { Residuals } from '../../core/problem.ts';
import type { FitProblem } from './linearized.ts';

/** Ends of a confidence interval; infinite if χ² does not rise enough on that side, or the fits to find it fail. */
export interface Interval {
  readonly lower: number;
  readonly upper: number;
}

/** Parts of a fit that profiles need. */
export interface Profiled {
  readonly fit: FitProblem;
  /** Solution, `[n]`, and f there */
  readonly theta: Float64Array;
  readonly f: number;
  /** s²: f rises by s²t² to the end of an interval */
  readonly variance: number;
  readonly quantile: number;
}

/** Refits on one side. */
const MAX_REFITS = 40;
/** Number of outward steps, each twice as long as the previous one, before an end counts as infinite. */
const MAX_OUTWARD = 12;
/** Number of times that the way to a value is halved if the fit of the other unknowns fails there. */
const MAX_HALVINGS = 6;
/** Accuracy of an end, measured in t. */
const TOLERANCE = 1e-5;

/**
 * Finds the profile-likelihood interval of one unknown: where f, minimized over all others, has risen by s²t².
 *
 * @param k - index of the unknown
 * @param standardError - first guess of its half-width in units of t
 * @see Venzon & Moolgavkar (1988), A method for computing profile-likelihood-based confidence intervals, Applied
 *   Statistics 37, doi:10.2307/2347496
 */
export function profileOf(profiled: Profiled, k: number, standardError: number): Interval {
  const { fit, theta, quantile } = profiled;
  const side = (sign: 1 | -1): number => {
    const bound = sign > 0 ? fit.upper[k] : fit.lower[k];
    const cap = (value: number): number => (sign > 0 ? Math.min(value, bound) : Math.max(value, bound));
    const rise = signedRoot(profiled, k);
    let inner = { at: theta[k], t: 0 };
    let width =
      quantile *
      (Number.isFinite(standardError) && standardError > 0 ? standardError : Math.abs(theta[k]) || 1);
    let outer = inner;
    for (let i = 0; ; i++) {
      const at = cap(theta[k] + sign * width);
      outer = { at, t: rise(at) };
      if (outer.t >= quantile) break;
      if (at === bound) return bound;
      if (i === MAX_OUTWARD || Number.isNaN(outer.t)) return sign * Infinity;
      inner = outer;
      width *= 2;
    }
    // False position on t, which is nearly linear; bisection if that is slow.
    for (let i = 0; i < MAX_REFITS; i++) {
      const share = i % 3 === 2 ? 0.5 : (quantile - inner.t) / (outer.t - inner.t);
      const at = inner.at + share * (outer.at - inner.at);
      const middle = { at, t: rise(at) };
      if (Number.isNaN(middle.t)) return outer.at;
      if (Math.abs(middle.t - quantile) <= TOLERANCE * quantile) return at;
      if (middle.t < quantile) inner = middle;
      else outer = middle;
    }
    return (inner.at + outer.at) / 2;
  };
  return { lower: side(-1), upper: side(1) };
}

/**
 * Returns √((f − f_min)/s²) with unknown k fixed at a value and the others fitted again, starting from the last fit; NaN
 * if the fit does not converge.
 */
function signedRoot({ fit, theta, f, variance }: Profiled, k: number): (value: number) => number {
  const { problem } = fit;
  const precision = precisionOf(fit);
  const others = Array.from(theta, (_, j) => j).filter((j) => j !== k);
  const pick = (values: Float64Array): Float64Array => Float64Array.from(others, (j) => values[j]);
  const rootOf = (lowest: number): number => Math.sqrt(Math.max(0, lowest - f) / variance);
  let warm = pick(theta);
  let last = theta[k];
  const m = problem.residualCount ?? 0;
  const whole = new Float64Array(theta.length);
  const jacobian = new Float64Array(fit.hasJacobian ? m * theta.length : 0);
  const residualsAt =
    (value: number): Residuals =>
    (x, r, reduced) => {
      others.forEach((j, l) => (whole[j] = x[l]));
      whole[k] = value;
      const isWanted = reduced !== null && fit.hasJacobian;
      problem.residuals(whole, r, isWanted ? jacobian : null);
      if (isWanted) withoutColumn(jacobian, k, theta.length, reduced);
    };
  const r = new Float64Array(m);
  const valueAt = (residuals: Residuals): number => {
    residuals(warm, r, null);
    return dot(r, r);
  };
  /** Returns the minimum of f over the other unknowns; far from the last value, it is reached in smaller steps. */
  const lowestAt = (value: number, halvings: number): number => {
    const residuals = residualsAt(value);
    if (others.length === 0) return valueAt(residuals);
    if (Number.isFinite(valueAt(residuals))) {
      const reduced = leastSquares({ p0: warm, residualCount: m, residuals, precision });
      const found = solveIfFinite({
        ...fit,
        problem: reduced,
        lower: pick(fit.lower),
        upper: pick(fit.upper),
      });
      if (found?.converged) {
        [warm, last] = [found.x, value];
        return found.f;
      }
    }
    if (halvings === 0 || Number.isNaN(lowestAt((last + value) / 2, halvings - 1))) return NaN;
    return lowestAt(value, halvings - 1);
  };
  return (value) => rootOf(lowestAt(value, MAX_HALVINGS));
}

/** Solves a fit; returns null if its derivatives overflow at the start. */
function solveIfFinite(fit: FitProblem): FitSolution | null {
  try {
    return solveFit(fit);
  } catch (error) {
    if (error instanceof RangeError && error.message.includes('Jacobian is not finite')) return null;
    throw error;
  }
}

/** `out ←` a matrix `[m, n]` without its column k. */
function withoutColumn(matrix: Float64Array, k: number, n: number, out: Float64Array): void {
  for (let row = 0, at = 0; row < matrix.length; row += n) {
    for (let j = 0; j < n; j++) if (j !== k) out[at++] = matrix[row + j];
  }
}
