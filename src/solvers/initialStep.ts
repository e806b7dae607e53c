import { normInf } from '../core/vector.ts';
import type { LineState } from './searchAlong.ts';

/** The last accepted step of a solver; all NaN before the first. */
export interface LastStep {
  alpha: number;
  /** φ′(0) along its direction. */
  slope: number;
}

/**
 * Chooses the first step a line search tries.
 *
 * @param fresh - the direction is the plain negative gradient: nothing is known of f's scale
 * @param slope - φ′(0) along the direction
 */
export type InitialStep = (state: LineState, fresh: boolean, slope: number, last: LastStep) => number;

/** min(1, 1/‖∇f‖∞) along a plain gradient, else 1: the step of quasi-Newton directions, which carry their own scale. */
export const unitStep: InitialStep = (state, fresh) => (fresh ? Math.min(1, 1 / normInf(state.gradient)) : 1);

/**
 * The step that would lower f to first order as much as the last one did, for directions without a scale.
 *
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., eq. (3.60) and the text before it
 */
export const previousStep: InitialStep = (state, _fresh, slope, last) => {
  const alpha = (last.alpha * last.slope) / slope;
  return Number.isFinite(alpha) && alpha > 0
    ? Math.min(alpha, 10 * last.alpha)
    : unitStep(state, true, slope, last);
};
