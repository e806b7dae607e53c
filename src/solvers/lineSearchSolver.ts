import { EPSILON } from '../core/epsilon.ts';
import { absoluteDot, dot, normInf } from '../core/vector.ts';
import { acceptTrial, lineState, searchAlong, type LineState } from './searchAlong.ts';
import { growNoise, noNoise, observeStep, slackOf, type Noise } from './noise.ts';
import { unitStep, type InitialStep, type LastStep } from './initialStep.ts';
import type { Move } from '../core/kernels/kernels.ts';
import type { Asks } from '../core/question.ts';
import type { Setting, Solver, StepOutcome } from '../core/solver.ts';
import type { AskPhi, LineSearch, LineSearchResult, Phi } from './linesearch/lineSearch.ts';

/** A step from x to a trial point, which an estimate learns from. */
export interface LearnedStep extends Move {
  /** f at x. */
  readonly f: number;
  /** f at the trial point. */
  readonly trialF: number;
  /** Direction of the step, `[n]`, and its length along it. */
  readonly direction: Float64Array;
  readonly alpha: number;
  /** Vector that H was applied to for the direction, `[n]`. @defaultValue `gradient` */
  readonly appliedTo?: Float64Array;
}

/**
 * The estimate H of the inverse Hessian and the direction it gives: the part in which line-search methods
 * differ.
 *
 * @typeParam Memory - the estimate, plain data
 */
export interface Descent<Memory> {
  /** Returns an empty memory. */
  init(setting: Setting): Memory;
  /** Checks that the memory can be allocated, for solvers that do so later. @throws RangeError if not */
  readonly check?: (setting: Setting) => void;
  /**
   * Allocates a vector of zeros, `[n]`, in the memory where operations with the estimate are fastest.
   *
   * @defaultValue anywhere
   */
  readonly vector?: (memory: Memory) => Float64Array;
  /**
   * `out ← −H∇f`, at x.
   *
   * @param ahead - the trial point at step 1, which may be computed along the way: then its `alpha` becomes 1
   * @returns the slope gradientᵀout, if it is computed along the way
   */
  apply(
    memory: Memory,
    gradient: Float64Array,
    out: Float64Array,
    x: Float64Array,
    ahead?: Ahead,
  ): number | void;
  /**
   * Learns curvature from a step that is about to be accepted.
   *
   * @param left - the same step, if `x` and `gradient` are no longer needed: they may be overwritten and exchanged for
   *   other arrays
   * @returns norms of the step, if they are computed along the way
   */
  learn(memory: Memory, step: LearnedStep, left?: LineState): StepNorms | void;
  /** Forgets all curvature; the next direction is −∇f. */
  reset(memory: Memory): void;
  /** True if no curvature is known, so that the direction is −∇f. */
  isFresh(memory: Memory): boolean;
  /** Returns the largest α allowed along the direction of a state. @defaultValue no limit */
  readonly longestStep?: (state: LineState) => number;
  /**
   * Moves a trial point into the feasible set. Needed only against rounding, since steps do not exceed {@link
   * Descent.longestStep}.
   */
  readonly project?: (trial: Float64Array, state: LineState, alpha: number) => void;
}

/** A trial point x + αp that has not been computed, or has if `alpha` is a number. */
export type Ahead = Pick<LineState, 'x' | 'trial' | 'alpha'>;

/** Norms of a step. */
export interface StepNorms {
  /** ‖trial − x‖∞. */
  readonly sInf: number;
  /** ‖trialGradient‖∞. */
  readonly gInf: number;
}

/** State of every line-search method. */
export interface LineSearchState<Memory> extends LineState {
  readonly noise: Noise;
  readonly memory: Memory;
  readonly last: LastStep;
  /** Number of consecutive mini-batches that ended without a step. */
  failures: number;
}

/** Parts of a line-search method, for {@link lineSearchSolver}. */
export interface LineSearchMethod<Memory> {
  readonly name: string;
  /** Returns the description in reports, for n unknowns. */
  readonly describe: (n: number) => string;
  readonly descent: Descent<Memory>;
  readonly lineSearch: LineSearch;
  /** First step that the line search tries. @defaultValue `unitStep()` */
  readonly initialStep?: InitialStep;
}

/**
 * A decrease below this fraction of f, or of the contribution of x to f to first order, may be rounding. So
 * may a decrease below this fraction of the largest f: a small f can be the difference of terms that are
 * still large, as in a cross-entropy.
 */
const NOISE = { float64: 2 ** -40, float32: 2 ** -20 };

/** Number of consecutive mini-batches without a step after which the memory is reset. */
const MAX_BATCH_FAILURES = 3;

/**
 * Creates a solver from a {@link Descent} and a line search.
 *
 * If a search fails, it is repeated with ten times the noise allowance. If that does not help, the memory is
 * reset, so that the direction is −∇f; only if this search fails, too, does the step fail. A step that lowers
 * f without meeting the search's conditions is accepted. On mini-batches, a failed search fails the step
 * immediately, and the driver goes on to the next batch.
 */
export function lineSearchSolver<Memory>(solver: LineSearchMethod<Memory>): Solver {
  const { name, describe, descent, lineSearch, initialStep = unitStep() } = solver;

  function* step(state: LineSearchState<Memory>, overwrites = false): Asks<StepOutcome> {
    const { memory } = state;
    state.noise.highest = Math.max(state.noise.highest, Math.abs(state.f));
    // Predicted decrease of the last step, or of the direction if it has curvature; NaN at the start.
    let predicted = -state.last.alpha * state.last.slope;
    for (;;) {
      const slope = pointDownhill(descent, state);
      const ready = state.alpha;
      if (!(slope < 0)) return { kind: 'failed', termination: 'lineSearchFailed' };
      if (!descent.isFresh(memory)) predicted = -slope;
      const { alpha } = yield* searchAlong(state, search(state, slope), descent.project, ready);
      if (alpha > 0) {
        const value = state.f;
        observeStep(state, state.trialF);
        const norms = descent.learn(memory, state, overwrites && state.trialF < value ? state : undefined);
        acceptTrial(state);
        state.failures = 0;
        state.last.alpha = alpha;
        state.last.slope = slope;
        state.last.value = value;
        const moved = norms?.sInf ?? alpha * normInf(state.direction);
        return { kind: 'accepted', alpha, moved, gradientNorm: norms?.gInf };
      }
      if (state.stochastic) {
        if (++state.failures >= MAX_BATCH_FAILURES) descent.reset(memory);
        return { kind: 'failed', termination: 'lineSearchFailed' };
      }
      if (growNoise(state)) continue;
      if (!descent.isFresh(memory)) {
        descent.reset(memory);
      } else {
        const noise = state.rounded ? NOISE.float32 : NOISE.float64;
        const atFloor =
          predicted <= noise * Math.max(state.noise.highest, absoluteDot(state.x, state.gradient));
        return { kind: 'failed', termination: atFloor ? 'precisionFloor' : 'lineSearchFailed' };
      }
    }
  }

  type Search = Generator<AskPhi, LineSearchResult, Phi>;

  function search(state: LineSearchState<Memory>, slope: number): Search {
    const first = initialStep(state, descent.isFresh(state.memory), slope, state.last);
    // One generator less: it takes as long as a small f.
    return typeof first === 'number' ? searchFrom(first, state, slope) : searchAfter(first, state, slope);
  }

  function* searchAfter(
    first: Generator<AskPhi, number, Phi>,
    state: LineSearchState<Memory>,
    slope: number,
  ): Search {
    return yield* searchFrom(yield* first, state, slope);
  }

  function searchFrom(proposed: number, state: LineSearchState<Memory>, slope: number): Search {
    // Without curvature, or after a failure, the proposed step may be lost in the rounding of x.
    const isBlind = descent.isFresh(state.memory) || state.noise.growths > 0;
    const alpha0 = isBlind ? Math.max(proposed, shortestStep(state)) : proposed;
    const longest = descent.longestStep?.(state) ?? Infinity;
    const phi0 = { value: state.f, slope };
    return lineSearch.search(phi0, Math.min(alpha0, longest), slackOf(state), longest);
  }

  const made: Solver<LineSearchState<Memory>> = {
    name,
    descends: lineSearch.descends,
    leavesPoint: true,
    anyScale: true,
    describe,
    ...(descent.check && { check: descent.check }),
    init: (setting) => {
      const memory = descent.init(setting);
      return {
        ...lineState(setting, () => descent.vector?.(memory) ?? new Float64Array(setting.n)),
        noise: noNoise(),
        memory,
        last: { alpha: NaN, slope: NaN, value: NaN },
        failures: 0,
      };
    },
    step,
    direction(state, out) {
      descent.apply(state.memory, state.gradient, out, state.x);
    },
  };
  return made;
}

/** Returns the shortest step that moves any element of x by a unit in its last place. */
function shortestStep({ x, direction, rounded }: LineState): number {
  const unit = rounded ? EPSILON.float32 : EPSILON.float64;
  let shortest = Infinity;
  for (let i = 0; i < x.length; i++) {
    if (direction[i] !== 0) shortest = Math.min(shortest, Math.abs(x[i] / direction[i]));
  }
  return Number.isFinite(shortest) ? unit * shortest : 0;
}

/**
 * Sets `state.direction` and returns its slope; resets a memory whose direction does not point downhill. Sets
 * `state.alpha` to the step of the trial point if that has been computed along the way, otherwise to NaN.
 */
function pointDownhill<Memory>(descent: Descent<Memory>, state: LineSearchState<Memory>): number {
  const { memory, gradient, direction, x } = state;
  // After a step of 1, the next search will probably begin with 1, too.
  const ahead = state.last.alpha === 1 ? state : undefined;
  const point = () => {
    state.alpha = NaN;
    return descent.apply(memory, gradient, direction, x, ahead) ?? dot(gradient, direction);
  };
  const slope = point();
  if (slope < 0 || descent.isFresh(memory)) return slope;
  descent.reset(memory);
  return point();
}
