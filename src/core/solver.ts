import type { Layout } from './layout.ts';
import type { Precision } from './problem.ts';
import type { Asks } from './question.ts';
import type { Termination } from './termination.ts';

/** The iterate every solver carries. */
export interface Iterate {
  /** Current point, `[n]`. */
  x: Float64Array;
  /** ∇f(x), `[n]`. */
  gradient: Float64Array;
  /** f(x). */
  f: number;
}

/** What a solver is told of the problem before it allocates its state. */
export interface Setting {
  /** Number of unknowns. */
  readonly n: number;
  readonly precision: Precision;
  /** Whether f changes from step to step, with the mini-batch. @defaultValue `false` */
  readonly stochastic?: boolean;
  /** Whether the problem answers for what a batch shares with the one before. @defaultValue `false` */
  readonly overlap?: boolean;
  /** Number of residuals, where the problem answers for them. @defaultValue `0` */
  readonly residualCount?: number;
  /** Whether the problem answers for products with its Hessian. @defaultValue `false` */
  readonly hessianVector?: boolean;
  /** Names and shapes of the tensors that make up x, where the problem has a parameter set. */
  readonly layout?: Layout;
}

/**
 * An iterative minimiser: a value without problem data, used for as many problems as one likes.
 *
 * A state is plain data (numbers, booleans, strings, null, typed arrays of floats, and arrays and objects of
 * these), so that whoever drives a solver can save it and go on later.
 *
 * @typeParam State - the solver's memory between iterations
 */
export interface Solver<State extends Iterate = Iterate> {
  /** Its factory's name, `'lbfgs'`. */
  readonly name: string;
  /**
   * Whether f falls from step to step, to within its own noise. Then a standstill means the end;
   * otherwise (Adam) it means nothing.
   */
  readonly descends: boolean;
  /**
   * Whether a step leaves the array of the point where it began as it is, until the next step. The best point
   * then need not be copied each time there is a better one.
   *
   * @defaultValue `false`
   */
  readonly leavesPoint?: boolean;
  /**
   * True if the solver works the same on a multiple of f, so that a solve may keep values beyond 1e±90 within the
   * range of float64. It then asks for no residuals.
   *
   * @defaultValue `false`
   */
  readonly anyScale?: boolean;
  /** Name in reports for n unknowns, and at the end of a solve its state: `'L-BFGS (memory 20, Moré–Thuente)'`. */
  describe(n: number, state?: State): string;
  /** Allocates the state; the driver fills `x`, `f` and `gradient` before the first step. */
  init(setting: Setting): State;
  /**
   * Moves a point, `[n]`, to where the solver may go, such as into its bounds.
   *
   * @throws RangeError where it cannot
   */
  admit?(x: Float64Array, setting: Setting): void;
  /**
   * What is minimised and tested, where that is not f and ∇f: f with its penalty, and the norm of a projected
   * gradient.
   */
  measure?(state: State): Measured;
  /**
   * One iteration: moves `state.x` and leaves `state.f` and `state.gradient` as they are there; on mini-batches,
   * where the next batch is evaluated there anyway, they may be those of where the step began.
   */
  step(state: State): Asks<StepOutcome>;
  /**
   * `out ← −H∇f`, the direction of the next step, `[n]`; for callers that choose the step themselves.
   * Absent where a solver has no such direction.
   */
  direction?(state: State, out: Float64Array): void;
}

/** The values a solver is judged by. */
export interface Measured {
  readonly f: number;
  /** ‖·‖∞ of what is 0 at a solution. */
  readonly gradientNorm: number;
}

/** How a step ended. After a failed one the iterate is as it was before. */
export type StepOutcome =
  | {
      readonly kind: 'accepted';
      /** Step length along the direction. */
      readonly alpha: number;
      /** ‖xₖ₊₁ − xₖ‖∞. */
      readonly moved: number;
      /** ‖∇f‖∞ at the new point, where that came without a pass of its own. */
      readonly gradientNorm?: number | undefined;
    }
  | { readonly kind: 'failed'; readonly termination: Termination };
