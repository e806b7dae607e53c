import type { Layout } from './layout.ts';
import type { Precision } from './problem.ts';
import type { Asks, Bound, Bounds } from './question.ts';
import type { Termination } from './termination.ts';

/** Current point of a solver. */
export interface Iterate {
  /** Current point, `[n]`. */
  x: Float64Array;
  /** ∇f(x), `[n]`. */
  gradient: Float64Array;
  /** f(x). */
  f: number;
}

/**
 * State of a solver between iterations: the iterate, and plain data that only the solver itself reads
 * (numbers, booleans, strings, null, typed arrays of floats, and arrays and objects of these). It can be
 * saved and resumed.
 */
export interface SolverState extends Iterate {}

/** Facts about a problem that a solver is given before it allocates its state. */
export interface Setting {
  /** Number of unknowns. */
  readonly n: number;
  readonly precision: Precision;
  /** True if f changes from step to step with the mini-batch. @defaultValue `false` */
  readonly stochastic?: boolean;
  /**
   * True if the problem can evaluate the samples that a batch shares with the previous one.
   *
   * @defaultValue `false`
   */
  readonly overlap?: boolean;
  /** Number of residuals, if the problem has them; NaN if it has but does not tell it. @defaultValue `0` */
  readonly residualCount?: number;
  /** True if the problem has products with its Hessian. @defaultValue `false` */
  readonly hessianVector?: boolean;
  /** True if the problem has products with its Jacobian. @defaultValue `false` */
  readonly jacobianProducts?: boolean;
  /** True if the problem answers for the product of its Jacobian with itself. @defaultValue `false` */
  readonly jacobianGram?: boolean;
  /** Names and shapes of the tensors that make up x, if the problem has a parameter set. */
  readonly layout?: Layout;
}

/**
 * An iterative minimizer: a value without problem data, which can be used for any number of problems.
 *
 * @typeParam State - the solver's state between iterations, plain data
 */
export interface Solver<State extends Iterate = SolverState> {
  /** Name of its factory, `'lbfgs'`. */
  readonly name: string;
  /**
   * True if f falls at every step, to within its own noise. A standstill then means the end; otherwise (Adam)
   * it means nothing.
   */
  readonly descends: boolean;
  /**
   * True if the array of the point where a step began is not overwritten before the next step. The best point
   * then need not be copied at each improvement.
   *
   * @defaultValue `false`
   */
  readonly leavesPoint?: boolean;
  /**
   * True if the solver takes the same steps on a multiple of f, so that a solve can rescale values beyond
   * 1e±90 to keep them in the range of float64.
   *
   * @defaultValue `false`
   */
  readonly anyScale?: boolean;
  /**
   * Returns the description in reports, such as `'L-BFGS (memory 20, Moré–Thuente)'`; `state` is passed at
   * the end of a solve.
   */
  describe(n: number, state?: State): string;
  /** Allocates the state; the driver fills `x`, `f` and `gradient` before the first step. */
  init(setting: Setting): State;
  /**
   * Allocates a state with the structure of an earlier one, which is then copied into it. Needed if the
   * structure of `init`'s result can differ.
   *
   * @throws RangeError if the earlier state cannot belong to this solver
   */
  initLike?(setting: Setting, earlier: Iterate): State;
  /**
   * Moves a point, `[n]`, into the solver's feasible set, such as its bounds.
   *
   * @throws RangeError if it cannot
   */
  admit?(x: Float64Array, setting: Setting): void;
  /** Returns the bounds of x, if the solver has them: gradients by differences stay within. */
  bounds?(setting: Setting): Bounds;
  /**
   * Returns this solver with bounds of x, for the options `lower` and `upper` of a solve. Absent if it cannot keep them.
   *
   * @param where - function called, named in messages
   * @throws RangeError if the bounds are wrong, or if the solver has bounds of its own
   */
  withBounds?(where: string, lower: Bound, upper: Bound): Solver;
  /**
   * Returns the value and norm that are minimized and tested if they are not f and ‖∇f‖∞, such as f with a
   * penalty and the norm of a projected gradient.
   */
  measure?(state: State): Measured;
  /** True if `measure` adds a penalty to f, which no transform of f changes. @defaultValue `false` */
  readonly addsPenalty?: boolean;
  /**
   * Checks that the solver can run on a problem. For solvers that start it later, as `sequence` does; `init` checks the same.
   *
   * @throws TypeError or RangeError that names what the problem lacks
   */
  check?(setting: Setting): void;
  /**
   * Names what the solver asks for besides f and its gradient, such as `'products with the Hessian'`: a transform of f
   * cannot pass these questions on. Absent, or undefined, if it asks for no more.
   */
  asksBesides?(setting: Setting): string | undefined;
  /**
   * Performs one iteration: moves `state.x` and sets `state.f` and `state.gradient` to their values there. On
   * mini-batches, these may remain the values at the start of the step, since the next batch is evaluated at
   * the new point anyway.
   *
   * @param overwrites - true if a step that lowers f may overwrite the arrays of the point and gradient where it
   *   began, in spite of `leavesPoint`; default false
   */
  step(state: State, overwrites?: boolean): Asks<StepOutcome>;
  /**
   * Writes the point to return into `out`, `[n]`, if that is not the iterate but, say, an average. At the end
   * of a solve, f is evaluated there once more.
   *
   * @returns false if the iterate is to be returned
   */
  answer?(state: State, out: Float64Array): boolean;
  /**
   * `out ← −H∇f`, the direction of the next step, `[n]`, for callers that choose the step length themselves.
   * Absent if the solver has no such direction.
   */
  direction?(state: State, out: Float64Array): void;
}

/** The value and norm by which a point is judged. */
export interface Measured {
  readonly f: number;
  /** ‖∇f‖∞, or the norm of the quantity that vanishes at a solution instead. */
  readonly gradientNorm: number;
}

/** Outcome of a step. A failed one leaves the iterate unchanged. */
export type StepOutcome =
  | {
      readonly kind: 'accepted';
      /** Step length along the direction. */
      readonly alpha: number;
      /** ‖xₖ₊₁ − xₖ‖∞. */
      readonly moved: number;
      /** ‖∇f‖∞ at the new point, if it was computed along with something else. */
      readonly gradientNorm?: number | undefined;
    }
  | {
      readonly kind: 'failed';
      readonly termination: Termination;
      /** Cause, added to the sentence of the termination. */
      readonly cause?: string;
      /** True if the solver knows that f falls here: a standstill is not the precision of f. */
      readonly falls?: boolean;
    };
