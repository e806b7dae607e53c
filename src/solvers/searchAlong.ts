import { evaluate, type Asks, type Evaluate } from '../core/question.ts';
import { addScaled, dot, roundToFloat32 } from '../core/vector.ts';
import { notFound, type AskPhi, type LineSearchResult, type Phi } from './linesearch/lineSearch.ts';
import type { Iterate, Setting } from '../core/solver.ts';

/** Iterate, with the vectors of a search along a direction. */
export interface LineState extends Iterate {
  /** p, `[n]`. */
  direction: Float64Array;
  /** x + αp for the last α tried, `[n]`. */
  trial: Float64Array;
  /** ∇f there, `[n]`. */
  trialGradient: Float64Array;
  /** f there. */
  trialF: number;
  /** That α. */
  alpha: number;
  /** True if the problem sees x rounded to float32. */
  readonly rounded: boolean;
  /** True if f changes from step to step, with the mini-batch. */
  readonly stochastic: boolean;
}

/** Moves a trial point x + αp into the feasible set. */
type Project = (trial: Float64Array, state: LineState, alpha: number) => void;

/** Largest number of evaluations of a search on one mini-batch. */
const MAX_BATCH_EVALUATIONS = 6;

/**
 * Returns the state of a search.
 *
 * @param vector - allocates a vector of zeros, `[n]`
 */
export function lineState(
  { n, precision, stochastic = false }: Setting,
  vector: () => Float64Array = () => new Float64Array(n),
): LineState {
  return {
    x: vector(),
    gradient: vector(),
    f: NaN,
    direction: vector(),
    trial: vector(),
    trialGradient: vector(),
    trialF: NaN,
    alpha: NaN,
    rounded: precision === 'float32',
    stochastic,
  };
}

/**
 * Runs a scalar search along `state.direction`.
 *
 * On success, and on a failure that returns a step, `trial`, `alpha`, `trialF` and `trialGradient` belong to
 * the returned step.
 *
 * @param ready - α whose trial point x + αp is already in `trial`; default none
 */
export function* searchAlong(
  state: LineState,
  search: Generator<AskPhi, LineSearchResult, Phi>,
  project?: Project,
  ready = NaN,
): Asks<LineSearchResult> {
  let last: number = NaN;
  let hasGradient = false;
  let turn = search.next();
  for (let evaluations = 0; !turn.done; evaluations++) {
    if (state.stochastic && evaluations >= MAX_BATCH_EVALUATIONS) return notFound('maxEvaluations', 0);
    const { alpha, slope: wanted } = turn.value;
    if (alpha !== ready || evaluations > 0) addScaled(state.x, alpha, state.direction, state.trial);
    state.trialF = yield at(state, alpha, wanted, project);
    last = alpha;
    hasGradient = wanted;
    turn = search.next({
      value: state.trialF,
      slope: wanted ? dot(state.trialGradient, state.direction) : NaN,
    });
  }
  const result = turn.value;
  const { alpha } = result;
  if (alpha > 0 && !(alpha === last && hasGradient)) {
    addScaled(state.x, alpha, state.direction, state.trial);
    state.trialF = yield at(state, alpha, true, project);
    // If the loss is random, it may not be finite here when evaluated again.
    if (!Number.isFinite(state.trialF)) return notFound('nonFinite', 0);
  }
  return result;
}

/** Rounds the trial point x + αp as the problem sees it, and asks for its value. */
function at(state: LineState, alpha: number, withGradient: boolean, project?: Project): Evaluate {
  state.alpha = alpha;
  if (state.rounded) roundToFloat32(state.trial);
  project?.(state.trial, state, alpha);
  return evaluate(state.trial, withGradient ? state.trialGradient : null);
}

/** Makes the trial point the iterate, and the old iterate the next trial's buffer. */
export function acceptTrial(state: LineState): void {
  [state.x, state.trial] = [state.trial, state.x];
  [state.gradient, state.trialGradient] = [state.trialGradient, state.gradient];
  state.f = state.trialF;
}
