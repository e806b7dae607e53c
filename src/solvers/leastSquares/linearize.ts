import { subtract } from '../../core/vector.ts';
import { hold } from './dampedSystem.ts';
import { dense } from './dense.ts';
import { dual } from './dual.ts';
import { iterative } from './iterative.ts';
import { raiseScale } from './linearModel.ts';
import { swap, type LevenbergMarquardtState } from './state.ts';
import type { Box } from '../../core/bounds.ts';
import type { Asks } from '../../core/question.ts';
import type { LinearSolver } from './linearSolver.ts';

/** Returns the linear solver for the steps of a state. */
export const solverOf = ({ isIterative, isDual }: LevenbergMarquardtState): LinearSolver =>
  isDual ? dual : isIterative ? iterative : dense;

/** Evaluates the linear model at x, and updates D; false if it is not finite. */
export function* linearize(state: LevenbergMarquardtState, box: Box | null, known: boolean): Asks<boolean> {
  const solver = solverOf(state);
  if (!(yield* solver.linearize(state, box, known))) return false;
  if (state.byColumns) raiseScale(state, yield* solver.columnNorms(state));
  return true;
}

/** Makes the trial point the iterate; false, and all as before, if the Jacobian is not finite there. */
export function* accept(state: LevenbergMarquardtState, box: Box | null, trialF: number): Asks<boolean> {
  state.before = state.f;
  swap(state);
  state.f = trialF;
  if (yield* linearize(state, box, true)) {
    subtract(state.x, state.trial, state.step);
    return true;
  }
  swap(state);
  state.f = state.before;
  yield* linearize(state, box, true);
  return false;
}

/**
 * Replaces forward by central differences; returns false, and leaves J as it was, if J is not made of forward differences, or if
 * central ones are not finite.
 *
 * @param before - damping, its growth and radius before steps of forward differences were rejected
 */
export function* refine(
  state: LevenbergMarquardtState,
  box: Box | null,
  before: Pick<LevenbergMarquardtState, 'damping' | 'growth' | 'radius'>,
): Asks<boolean> {
  if (state.source !== 'differences' || state.scheme === '3-point') return false;
  state.scheme = '3-point';
  if (yield* linearize(state, box, true)) {
    hold(state, box, state);
    solverOf(state).prepare(state);
    Object.assign(state, before);
    return true;
  }
  // Beside a place without values, there is room for one point only.
  state.scheme = '2-point';
  yield* linearize(state, box, true);
  return false;
}
