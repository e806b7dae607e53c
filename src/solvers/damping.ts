import type { Curvature } from './curvature.ts';
import type { NewestPair } from './pairRing.ts';
import type { Row } from '../core/kernels/rows.ts';
import type { Move } from '../core/kernels/kernels.ts';

/** Returns gᵀs of a step. */
export function slopeAlong({ x, trial }: Move, gradient: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += gradient[i] * (trial[i] - x[i]);
  return sum;
}

/** Damping raises sᵀy to this fraction of sᵀBs. */
export const DAMPED_CURVATURE = 0.2;

/**
 * `y ← θty + (1 − θ)Bs`, Bs = −αg, with the θ for which sᵀy = 0.2·sᵀBs.
 *
 * @param sums - sums over the pair as it was recorded
 * @param y - overwritten
 * @param t - Biggs's factor, by which y is first multiplied
 * @param gradient - g, the vector that H was applied to for the step's direction, `[n]`
 * @see Powell (1978), as Procedure 18.2 of Nocedal & Wright (2006), Numerical Optimization, 2nd ed.
 */
export function dampPair(
  { sy, ss }: Curvature,
  t: number,
  sBs: number,
  alpha: number,
  gradient: Float64Array,
  y: Row,
): NewestPair & Curvature {
  const theta = ((1 - DAMPED_CURVATURE) * sBs) / (sBs - t * sy);
  let yy = 0;
  for (let i = 0; i < y.length; i++) {
    y[i] = theta * t * y[i] - (1 - theta) * alpha * gradient[i];
    yy += y[i] * y[i];
  }
  return { sy: DAMPED_CURVATURE * sBs, yy, ss, sg: NaN, yg: NaN };
}
