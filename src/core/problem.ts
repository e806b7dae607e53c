import type { ParamSet } from './paramSet.ts';

/**
 * Returns f(x), and writes ∇f(x) into `gradient` unless it is null.
 *
 * Both buffers, `[n]`, belong to the caller: an objective reads `x`, never writes it, and keeps neither. They may
 * be views of a larger block of memory; send a copy, `x.slice()`, to workers.
 */
export type Objective = (x: Float64Array, gradient: Float64Array | null) => number;

/** As {@link Objective}, but returns a promise. It may use the buffers until the promise resolves. */
export type AsyncObjective = (x: Float64Array, gradient: Float64Array | null) => Promise<number>;

/**
 * Writes r(x) into `residuals`, `[m]`, and its whole Jacobian into `jacobian`, `[m, n]` row by row, unless that is
 * null. `fg` of the same problem must be f(x) = Σ rᵢ².
 */
export type Residuals = (x: Float64Array, residuals: Float64Array, jacobian: Float64Array | null) => void;

/** Data of a problem, synchronous or asynchronous. */
export interface ProblemFacts {
  /** Start, `[n]`; read, never written. */
  readonly p0: Float64Array;
  /** Parameters that hold the best point after a solve. */
  readonly params?: ParamSet | undefined;
  /**
   * Arithmetic of `fg`. A float32 problem sees `Math.fround(x)`, and line searches allow for the noise of its values.
   *
   * @defaultValue `'float64'`
   */
  readonly precision?: Precision | undefined;
  /** Number m of residuals, if the problem has them. */
  readonly residualCount?: number | undefined;
  /** State in addition to x, such as running statistics. */
  readonly statistics?: Statistics | undefined;
  /**
   * Returns how far rounding may put elements of the gradient off at x, where the value is f: where `fg` takes
   * differences. A gradient that is below its tolerance, but above this, is not called a success.
   *
   * @defaultValue 0
   */
  readonly gradientError?: ((x: Float64Array, f: number) => number) | undefined;
  /**
   * Milliseconds after which asynchronous functions such as `minimizeAsync` give the event loop a turn, for timers,
   * signals and painting; Infinity if the problem's methods do so themselves.
   *
   * @defaultValue `16`
   */
  readonly yieldEvery?: number | undefined;
}

/** Numbers that a problem keeps in addition to x, such as the running statistics of batch normalization. */
export interface Statistics {
  /** Returns a copy of them, updated for the point x, `[n]`, the last or best one evaluated. */
  read(x: Float64Array): Float64Array;
  /** Restores them. */
  write(values: Float64Array): void;
}

/** Arithmetic of a loss: float32 has 7 decimal digits, float64 has 16. */
export type Precision = 'float32' | 'float64';

/** A function to minimize. Any `{ p0, fg }` is one. */
export interface Problem extends ProblemFacts {
  readonly fg: Objective;
  /** Draws the next mini-batch; `fg` is the same function until the next call. */
  readonly nextBatch?: (() => void) | undefined;
  /**
   * As `fg`, on only the samples that the current batch shares with the previous one; a mean if `fg` is a mean. If they
   * share none, f and ∇f are 0.
   *
   * Its values naturally differ from those of `fg`, so no check can detect an `overlap` that belongs to
   * another function: with `{ ...problem, fg }`, give the new problem its own `overlap`.
   */
  readonly overlap?: ((x: Float64Array, gradient: Float64Array | null) => number) | undefined;
  /** Writes the exact ∇²f(x)·v into `product`; the buffers, `[n]` each, belong to the caller. */
  readonly hessianVector?: ((x: Float64Array, v: Float64Array, product: Float64Array) => void) | undefined;
  /** Writes J(x)·v into `product`, `[m]`, if f is a sum of squares and J the Jacobian of its residuals. */
  readonly jacobianVector?: ((x: Float64Array, v: Float64Array, product: Float64Array) => void) | undefined;
  /** Writes J(x)ᵀu into `product`, `[n]`, for u of length m. */
  readonly vectorJacobian?: ((x: Float64Array, u: Float64Array, product: Float64Array) => void) | undefined;
  /**
   * Writes J(x)J(x)ᵀ, `[m, m]` and symmetric, at a lower cost than J takes; with `jacobianVector` and `vectorJacobian`, for
   * problems of fewer residuals than unknowns.
   */
  readonly jacobianGram?: ((x: Float64Array, product: Float64Array) => void) | undefined;
  /** Residuals of a sum of squares, with `residualCount`; see {@link Residuals}. */
  readonly residuals?:
    | ((x: Float64Array, residuals: Float64Array, jacobian: Float64Array | null) => void)
    | undefined;
  /** Writes f at k points, `[k, n]`, into `values`, `[k]`, for less than the cost of k evaluations. */
  readonly valuesAt?: ((points: Float64Array, values: Float64Array) => void) | undefined;
}

/** A function to minimize whose methods may return promises. */
export interface AsyncProblem extends ProblemFacts {
  readonly fg: AsyncObjective;
  /** As {@link Problem.nextBatch}. */
  readonly nextBatch?: (() => void | Promise<void>) | undefined;
  /** As {@link Problem.overlap}. */
  readonly overlap?:
    | ((x: Float64Array, gradient: Float64Array | null) => number | Promise<number>)
    | undefined;
  /** As {@link Problem.hessianVector}. */
  readonly hessianVector?:
    | ((x: Float64Array, v: Float64Array, product: Float64Array) => void | Promise<void>)
    | undefined;
  /** As {@link Problem.jacobianVector}. */
  readonly jacobianVector?:
    | ((x: Float64Array, v: Float64Array, product: Float64Array) => void | Promise<void>)
    | undefined;
  /** As {@link Problem.vectorJacobian}. */
  readonly vectorJacobian?:
    | ((x: Float64Array, u: Float64Array, product: Float64Array) => void | Promise<void>)
    | undefined;
  /** As {@link Problem.jacobianGram}. */
  readonly jacobianGram?: ((x: Float64Array, product: Float64Array) => void | Promise<void>) | undefined;
  /** As {@link Problem.residuals}. */
  readonly residuals?:
    | ((x: Float64Array, residuals: Float64Array, jacobian: Float64Array | null) => void | Promise<void>)
    | undefined;
  /** As {@link Problem.valuesAt}. */
  readonly valuesAt?: ((points: Float64Array, values: Float64Array) => void | Promise<void>) | undefined;
}
