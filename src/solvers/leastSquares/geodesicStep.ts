import { askResiduals } from '../../core/jacobian.ts';
import { EPSILON } from '../../core/epsilon.ts';
import { addScaled, dot, normInf, roundToFloat32 } from '../../core/vector.ts';
import { project, projectStep, type Box } from '../../core/bounds.ts';
import { scaledSquare } from './dampedSystem.ts';
import type { LinearSolver } from './linearSolver.ts';
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
  if (box !== null) projectStep(box, trial, { x, direction, alpha });
}

/**
 * Cuts δ₁ back to the box, and `slope` with it.
 *
 * @param predicted - decrease for the whole step
 * @returns decrease of the linear model for the step that is left, which need not be positive
 */
export function* cutToBox(
  state: LevenbergMarquardtState,
  solver: LinearSolver,
  box: Box,
  predicted: number,
): Asks<number> {
  const { step, slope, residuals, x, trial } = state;
  addScaled(x, 1, step, trial);
  project(box, trial);
  let isCut = false;
  for (let j = 0; j < x.length; j++) {
    if (trial[j] === x[j] + step[j]) continue;
    step[j] = trial[j] - x[j];
    isCut = true;
  }
  if (!isCut) return predicted;
  yield* solver.multiply(state);
  return -2 * dot(slope, residuals) - dot(slope, slope);
}

/**
 * `step ← δ₁ + ½δ₂`, by one evaluation at x + hδ₁.
 *
 * @param maxBend - largest 2‖Dδ₂‖/‖Dδ₁‖ of a step that is tried
 * @returns 2‖Dδ₂‖/‖Dδ₁‖; Infinity if r is not finite there. Beyond `maxBend`, the step remains δ₁.
 * @see Transtrum & Sethna (2012), arXiv:1201.5885, eq. (16) to (19) and section 4
 */
export function* accelerate(
  state: LevenbergMarquardtState,
  solver: LinearSolver,
  box: Box | null,
  maxBend: number,
): Asks<number> {
  const { step, second, slope, curvature, residuals, scale } = state;
  moveBy(state, PROBE, step, box);
  const f = yield askResiduals(state.trial, curvature, null);
  if (!Number.isFinite(f)) return Infinity;
  for (let i = 0; i < curvature.length; i++) {
    curvature[i] = (2 / PROBE) * ((curvature[i] - residuals[i]) / PROBE - slope[i]);
  }
  // Rounding of r, which would keep unknowns off their bounds.
  const noise = (8 / PROBE ** 2) * EPSILON[state.rounded ? 'float32' : 'float64'] * normInf(residuals);
  if (normInf(curvature) <= noise) return 0;
  yield* solver.solveAgain(state);
  const bend = 2 * Math.sqrt(scaledSquare(scale, second) / scaledSquare(scale, step));
  if (bend <= maxBend) addScaled(step, 0.5, second, step);
  return bend;
}
