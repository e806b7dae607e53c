import { scaledSquare } from './dampedSystem.ts';
import { lengthOf } from './trustRegion.ts';
import type { LinearSolver } from './linearSolver.ts';
import type { Asks } from '../../core/question.ts';
import type { LevenbergMarquardtState } from './state.ts';

/** First damping where the unknowns are of one kind. */
export const FIRST_DAMPING = 1e-3;
/** Least first damping where they are not: nearly a Gauss–Newton step. */
const LEAST_FIRST_DAMPING = 1e-12;

/** Returns the least damping whose step is not longer than x, in units of D: one that does not leave its scale. */
export function* dampingOfShortStep(state: LevenbergMarquardtState, solver: LinearSolver): Asks<number> {
  const size = scaledSquare(state.scale, state.x);
  if (size === 0) return FIRST_DAMPING;
  for (state.damping = LEAST_FIRST_DAMPING; state.damping < 1; state.damping *= 10) {
    yield* solver.solve(state);
    if (scaledSquare(state.scale, state.step) <= size) break;
  }
  return state.damping;
}

/**
 * Sets the first radius: the length of x in units of D, or that of the step at the first damping where x is 0 or the
 * damping is given.
 */
export function* startRadius(
  state: LevenbergMarquardtState,
  solver: LinearSolver,
  isGiven: boolean,
  leastDamping: number,
): Asks<void> {
  state.least = leastDamping;
  state.firstRadius = Math.sqrt(scaledSquare(state.scale, state.x));
  if (isGiven || state.firstRadius === 0) {
    yield* solver.solve(state);
    state.firstRadius = lengthOf(state);
  }
  state.radius = state.firstRadius;
  state.byRadius = true;
}
