import type { Asks } from '../core/question.ts';
import type { Setting, Solver, StepOutcome } from '../core/solver.ts';
import type { LbfgsMemory } from './limitedMemory.ts';
import type { Descent, LineSearchState } from './lineSearchSolver.ts';

/** The solver's state, with the step whose pair is still to be learned. */
interface OverlapState extends LineSearchState<LbfgsMemory> {
  /** α of the last step if its pair is still to be learned, otherwise 0. */
  unlearned: number;
  /** ∇f on the shared samples at both ends of that step, `[n]` each. */
  readonly before: Float64Array;
  readonly after: Float64Array;
}

/**
 * Wraps a solver whose steps learn nothing, so that it learns each step's pair when the next batch is drawn,
 * on the samples that the two batches share.
 *
 * The driver must draw a batch before each step, as `minimize` does. A failed step teaches nothing.
 *
 * @param descent - learns the pairs
 * @see Berahas, Nocedal & Takáč (2016), A multi-batch L-BFGS method for machine learning, NIPS 29,
 *   arXiv:1605.06049
 */
export function overlapPairs(
  solver: Omit<Solver<LineSearchState<LbfgsMemory>>, 'initLike'>,
  descent: Descent<LbfgsMemory>,
): Solver<OverlapState> {
  function* step(state: OverlapState): Asks<StepOutcome> {
    const alpha = state.unlearned;
    state.unlearned = 0;
    if (alpha > 0) yield* learnLastStep(state, alpha);
    const outcome = yield* solver.step(state);
    if (outcome.kind === 'accepted') state.unlearned = outcome.alpha;
    return outcome;
  }

  /** Learns the last step. Since it was accepted, `trial` and `trialGradient` now belong to its start. */
  function* learnLastStep(state: OverlapState, alpha: number): Asks<void> {
    const { memory, x, trial: start, trialGradient: appliedTo, before, after } = state;
    const f = yield { kind: 'overlap', x: start, gradient: before };
    const trialF = yield { kind: 'overlap', x, gradient: after };
    descent.learn(memory, {
      x: start,
      f,
      gradient: before,
      trial: x,
      trialF,
      trialGradient: after,
      direction: state.direction,
      alpha,
      appliedTo,
    });
  }

  function check({ stochastic = false, overlap = false }: Setting): void {
    if (stochastic && overlap) return;
    const missing = stochastic ? 'overlap' : overlap ? 'nextBatch' : 'nextBatch and no overlap';
    throw new RangeError(
      `${solver.name}: pairs 'overlap' needs a problem with nextBatch(), and overlap(x, gradient) for the ` +
        `samples that a batch shares with the one before; this one has no ${missing}.`,
    );
  }

  return {
    ...solver,
    check,
    describe: (n) => `${solver.describe(n)}, pairs on overlaps`,
    init(setting) {
      const { n } = setting;
      check(setting);
      return {
        ...solver.init(setting),
        unlearned: 0,
        before: new Float64Array(n),
        after: new Float64Array(n),
      };
    },
    step,
  };
}
