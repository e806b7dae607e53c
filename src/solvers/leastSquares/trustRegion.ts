import { dot } from '../../core/vector.ts';
import { scaledSquare } from './dampedSystem.ts';
import type { LinearSolver } from './linearSolver.ts';
import type { Asks } from '../../core/question.ts';
import type { LevenbergMarquardtState } from './state.ts';

/** A step counts as within the radius up to this factor, and on its edge down to `1 / EDGE`. */
const EDGE = 1.1;
/** Factor between trial dampings while no narrow bracket is known. */
const STRIDE = 10;
/** Within a bracket narrower than this, 1/‖Dδ‖ is interpolated. */
const WIDE = 100;
/** Factor by which the least damping rises where rounding leaves the matrix not positive definite. */
const RAISE = 100;
const MAX_SOLVES = 30;
/** Fraction of a predicted decrease below which the damping does not matter. */
const NEGLIGIBLE = 1e-6;

/** Limits of the factor of the radius after a rejected step. */
const MOST_CUT = 0.1;
const LEAST_CUT = 0.5;
/** Factor of the radius over a step that did as predicted. */
const GROWTH = 2;
/** A step does as predicted from this part of the predicted decrease on, and fails to below the other. */
const AGREES = 0.75;
const DISAGREES = 0.25;
/** Factor of the radius for the second attempt at a straight step. */
const RETRY = 0.8;
/** Residuals are nearly linear if the decrease differs from that of the linear model by less than this fraction. */
const STRAIGHT = 0.25;
/** Limits of the factor of the radius after a step that bends too much. */
const MOST_UNBEND = 0.25;
const LEAST_UNBEND = 0.9;

/** ‖Dδ₁‖ */
export const lengthOf = ({ scale, step }: LevenbergMarquardtState): number =>
  Math.sqrt(scaledSquare(scale, step));

/**
 * Finds the step of the linear model within ‖Dδ‖ ≤ `radius`: that of the least damping if it is short enough, or else that
 * of the damping at which ‖Dδ‖ is the radius, to a tenth. 1/‖Dδ‖ is nearly a linear function of λ, which interpolation
 * makes use of.
 *
 * @returns the decrease of the linear model; NaN where there is no step
 * @see Moré (1978), section 5, doi:10.1007/BFb0067700
 */
export function* solveWithin(
  state: LevenbergMarquardtState,
  solver: LinearSolver,
  mostDamping: number,
): Asks<number> {
  const whole = yield* findWithin(state, solver, mostDamping);
  // What a step of length 0 promises is rounding.
  return whole > 0 && lengthOf(state) === 0 ? 0 : whole;
}

function* findWithin(
  state: LevenbergMarquardtState,
  solver: LinearSolver,
  mostDamping: number,
): Asks<number> {
  const { radius } = state;
  const guess = state.damping;
  let whole = NaN;
  for (state.damping = state.least; state.damping < mostDamping; state.damping *= RAISE) {
    whole = yield* solver.solve(state);
    if (!Number.isNaN(whole)) break;
  }
  // Where the columns have shrunk since D was chosen, the least damping still counts.
  while (lengthOf(state) <= radius && state.damping * lengthOf(state) ** 2 > NEGLIGIBLE * whole) {
    state.damping /= RAISE;
    whole = yield* solver.solve(state);
  }
  if (!Number.isNaN(whole)) state.least = state.damping;
  if (Number.isNaN(whole) || lengthOf(state) <= EDGE * radius) return whole;
  let low = { damping: state.damping, inverse: 1 / lengthOf(state) };
  let high: typeof low | null = null;
  let next = Math.max(guess, STRIDE * low.damping);
  for (let solves = 0; solves < MAX_SOLVES; solves++) {
    state.damping = next;
    whole = yield* solver.solve(state);
    const length = lengthOf(state);
    if (length <= EDGE * radius && EDGE * length >= radius) return whole;
    const here = { damping: next, inverse: 1 / length };
    if (length < radius) high = here;
    else low = here;
    if (high === null) next *= STRIDE;
    else if (high.damping > WIDE * low.damping) next = high.damping / STRIDE;
    else {
      const part = (1 / radius - low.inverse) / (high.inverse - low.inverse);
      next = low.damping + part * (high.damping - low.damping);
    }
  }
  // Where rounding makes lengths jump, none is near the radius; a longer step would not let it shrink.
  if (high !== null && state.damping !== high.damping) {
    state.damping = high.damping;
    whole = yield* solver.solve(state);
  }
  return whole;
}

/** A step that was tried; r and Jδ₁ are still those of x. */
interface Tried {
  /** ‖Dδ₁‖ */
  readonly length: number;
  /** Decrease of the linear model. */
  readonly predicted: number;
  /** f at the trial point, NaN or infinite where it is not defined. */
  readonly trialF: number;
  /** True if the step was not accelerated, and a second attempt would be. */
  readonly mayBend: boolean;
}

/**
 * True if an unknown changes its sign in a step whose decrease differs from the prediction: many models have a pole or a
 * false valley beyond 0, in which a fit would be caught.
 */
export function strays({ x, trial, f }: LevenbergMarquardtState, { predicted, trialF }: Tried): boolean {
  return Math.abs((f - trialF) / predicted - 1) > 1 - AGREES && x.some((value, j) => value * trial[j] < 0);
}

/**
 * Returns the radius for the next step: twice the length of this one where it did as predicted, a part of it where it did
 * not. A straight step that failed is tried again at nearly the same length, with acceleration.
 *
 * @param isTaken - false if the trial point does not become the iterate
 * @see Moré (1978), section 4, for the minimum of a parabola as the part
 */
export function nextRadius(state: LevenbergMarquardtState, tried: Tried, isTaken: boolean): number {
  const { length, predicted, trialF, mayBend } = tried;
  const decrease = state.f - trialF;
  if (!isTaken && decrease > 0) return LEAST_CUT * length;
  if (decrease > DISAGREES * predicted) {
    const isShorter = length * EDGE < state.radius;
    return decrease >= AGREES * predicted || isShorter ? GROWTH * length : state.radius;
  }
  if (isTaken) return mayBend ? length : LEAST_CUT * length;
  const slope = -2 * dot(state.slope, state.residuals);
  const part = (0.5 * slope) / (slope - decrease);
  const cut = Math.min(LEAST_CUT, part >= MOST_CUT ? part : MOST_CUT);
  return (mayBend && Number.isFinite(trialF) ? RETRY : cut) * length;
}

/**
 * Returns the radius after a step that bends too much for the expansion: bending is proportional to length.
 *
 * @param bend - 2‖Dδ₂‖/‖Dδ₁‖, or 0 for a step that bounds have cut until the linear model promises nothing
 */
export function unbentRadius(length: number, bend: number, maxBend: number): number {
  const part = bend > 0 ? (LEAST_UNBEND * maxBend) / bend : LEAST_CUT;
  return Math.min(LEAST_UNBEND, Math.max(MOST_UNBEND, part)) * length;
}

/** Leaves the radius where the residuals are not finite somewhere: along a wall, it lets steps shrink too much. */
export function followDamping(state: LevenbergMarquardtState): void {
  if (state.byRadius) state.damping = Math.max(state.damping, state.first);
  state.byRadius = false;
}

/** Chooses the damping of the next step from the gain ratio of one that was taken. */
export function relax(state: LevenbergMarquardtState, gain: number, leastDamping: number): void {
  const factor = gain > 0.75 ? 1 / 5 : gain < 0.25 ? 2 : 1 / 1.5;
  state.damping = Math.max(factor * state.damping, leastDamping);
  state.growth = 2;
  state.isStraight = Math.abs(gain - 1) < STRAIGHT;
}
