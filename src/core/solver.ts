import type { Layout } from './layout.ts';
import type { Precision } from './problem.ts';
import type { Asks } from './question.ts';
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
 * State of a solver between iterations: the iterate, and plain data that only the solver itself reads (numbers,
 * booleans, strings, null, typed arrays of floats, and arrays and objects of these), so that it can be saved and
 * continued later.
 */
export interface SolverState extends Iterate {}

/** Facts of a problem that a solver is told before it allocates its state. */
export interface Setting {
  /** Number of unknowns. */
  readonly n: number;
  readonly precision: Precision;
  /** True if f changes from step to step, with the mini-batch. @defaultValue `false` */
  readonly stochastic?: boolean;
  /** True if the problem evaluates the samples that a batch shares with the one before. @defaultValue `false` */
  readonly overlap?: boolean;
  /** Number of residuals, if the problem has them. @defaultValue `0` */
  readonly residualCount?: number;
  /** True if the problem has products with its Hessian. @defaultValue `false` */
  readonly hessianVector?: boolean;
  /** True if the problem answers for products with its Jacobian. @defaultValue `false` */
  readonly jacobianProducts?: boolean;
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
   * True if f falls from step to step, to within its own noise. Then a standstill means the end; otherwise (Adam) it
   * means nothing.
   */
  readonly descends: boolean;
  /**
   * True if a step does not write into the array of the point where it began until the next step. The best point then
   * need not be copied each time there is a better one.
   *
   * @defaultValue `false`
   */
  readonly leavesPoint?: boolean;
  /**
   * True if the solver makes the same steps on a multiple of f, so that a solve can keep values beyond 1e±90 within the
   * range of float64. It then asks for no residuals.
   *
   * @defaultValue `false`
   */
  readonly anyScale?: boolean;
  /** Returns the name in reports, `'L-BFGS (memory 20, Moré–Thuente)'`; `state` is given at the end of a solve. */
  describe(n: number, state?: State): string;
  /** Allocates the state; the driver fills `x`, `f` and `gradient` before the first step. */
  init(setting: Setting): State;
  /**
   * Allocates a state like one of an earlier run, which is then copied into it: where `init` gives another kind.
   *
   * @throws RangeError if the earlier one cannot be this solver's
   */
  initLike?(setting: Setting, earlier: Iterate): State;
  /**
   * Moves a point, `[n]`, into the set that the solver keeps to, such as its bounds.
   *
   * @throws RangeError if it cannot
   */
  admit?(x: Float64Array, setting: Setting): void;
  /**
   * Returns what is minimized and tested, where that is not f and ∇f: f with its penalty, and the norm of a projected
   * gradient.
   */
  measure?(state: State): Measured;
  /**
   * Makes one iteration: moves `state.x` and sets `state.f` and `state.gradient` to their values there. On mini-batches
   * these may stay those of the step's start, since the next batch is evaluated at the new point anyway.
   */
  step(state: State): Asks<StepOutcome>;
  /**
   * Writes the point to return into `out`, `[n]`, where that is not the iterate: an average of points. At the end of a
   * solve f is evaluated there once more.
   *
   * @returns false if it is the iterate
   */
  answer?(state: State, out: Float64Array): boolean;
  /**
   * `out ← −H∇f`, the direction of the next step, `[n]`; for callers that choose the step themselves. Absent if the
   * solver has no such direction.
   */
  direction?(state: State, out: Float64Array): void;
}

/** Values that a solver is judged by. */
export interface Measured {
  readonly f: number;
  /** ‖·‖∞ of what is 0 at a solution. */
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
      /** ‖∇f‖∞ at the new point, if that came without a pass of its own. */
      readonly gradientNorm?: number | undefined;
    }
  | { readonly kind: 'failed'; readonly termination: Termination };
