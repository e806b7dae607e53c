import { askResiduals } from '../../core/jacobian.ts';
import { addScaled, dot, roundToFloat32 } from '../../core/vector.ts';
import { project, type Box } from '../../core/bounds.ts';
import { factorDamped, scaledSquare, solveDamped, timesJacobian } from './dampedSystem.ts';
import type { Asks } from '../../core/question.ts';
import type { LevenbergMarquardtState } from './state.ts';

/** Fraction of δ₁ at which r is evaluated for its second derivative. */
const PROBE = 0.1;

/** `trial ← x + alpha·direction`, projected into the box and rounded as the problem sees it. */
export function moveBy(
  { x, trial, rounded }: LevenbergMarquardtState,
  alpha: number,
  direction: Float64Array,
  box: Box | null,
): void {
  addScaled(x, alpha, direction, trial);
  if (rounded) roundToFloat32(trial);
  if (box !== null) project(box, trial);
}

/**
 * `step ← δ₁` and `slope ← Jδ₁`, for the unknowns that are free.
 *
 * @returns the decrease ‖r‖² − ‖r + Jδ₁‖² of the linear model; NaN where the system is not positive definite
 */
export function firstOrderStep(state: LevenbergMarquardtState): number {
  const { step, slope, residuals, jacobian, scale, damping } = state;
  if (!factorDamped(state, damping)) return NaN;
  solveDamped(state, residuals, step);
  timesJacobian(jacobian, step, slope);
  // −2rᵀJδ₁ is 2‖Jδ₁‖² + 2λ‖Dδ₁‖², which does not cancel.
  return dot(slope, slope) + 2 * damping * scaledSquare(scale, step);
}

/**
 * Cuts δ₁ back to the box, and `slope` with it.
 *
 * @param predicted - decrease for the whole step
 * @returns decrease of the linear model for the step that is left, which need not be positive
 */
export function cutToBox(state: LevenbergMarquardtState, box: Box, predicted: number): number {
  const { step, slope, residuals, jacobian, x, trial } = state;
  addScaled(x, 1, step, trial);
  project(box, trial);
  let isCut = false;
  for (let j = 0; j < x.length; j++) {
    if (trial[j] === x[j] + step[j]) continue;
    step[j] = trial[j] - x[j];
    isCut = true;
  }
  if (!isCut) return predicted;
  timesJacobian(jacobian, step, slope);
  return -2 * dot(slope, residuals) - dot(slope, slope);
}

/**
 * `step ← δ₁ + ½δ₂`, by one evaluation at x + hδ₁.
 *
 * @param maxBend - largest 2‖Dδ₂‖/‖Dδ₁‖ of a step that is tried
 * @returns false if the step bends too much, or r is not finite there
 * @see Transtrum & Sethna (2012), arXiv:1201.5885, eq. (16) to (19) and section 4
 */
export function* accelerate(state: LevenbergMarquardtState, box: Box | null, maxBend: number): Asks<boolean> {
  const { step, second, slope, curvature, residuals, scale } = state;
  moveBy(state, PROBE, step, box);
  const f = yield askResiduals(state.trial, curvature, null);
  if (!Number.isFinite(f)) return false;
  for (let i = 0; i < curvature.length; i++) {
    curvature[i] = (2 / PROBE) * ((curvature[i] - residuals[i]) / PROBE - slope[i]);
  }
  solveDamped(state, curvature, second);
  if (!(4 * scaledSquare(scale, second) <= maxBend ** 2 * scaledSquare(scale, step))) return false;
  addScaled(step, 0.5, second, step);
  return true;
}
