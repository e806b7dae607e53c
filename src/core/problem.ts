import type { ParamSet } from './paramSet.ts';

/**
 * Returns f(x), and writes ∇f(x) into `gradient` unless it is null.
 *
 * Both buffers, `[n]`, belong to the caller: an objective reads `x`, never writes it, and keeps neither. They may
 * be views of a larger block of memory: what is sent to a worker should be a copy, `x.slice()`.
 */
export type Objective = (x: Float64Array, gradient: Float64Array | null) => number;

/** As {@link Objective}, answering later. The buffers are its own until it answers. */
export type AsyncObjective = (x: Float64Array, gradient: Float64Array | null) => Promise<number>;

/**
 * Writes r(x) into `residuals`, `[m]`, and unless null the whole of its Jacobian into `jacobian`, `[m, n]` row
 * by row. `fg` of the same problem must then be f(x) = Σ rᵢ².
 */
export type Residuals = (x: Float64Array, residuals: Float64Array, jacobian: Float64Array | null) => void;

/** What solvers and recipes may know of a problem, whether it answers now or later. */
export interface ProblemFacts {
  /** Where to start, `[n]`; read, never written. */
  readonly p0: Float64Array;
  /** Where the solution is to be left: after a solve it holds the best point found. */
  readonly params?: ParamSet;
  /**
   * The arithmetic of `fg`. A float32 problem sees `Math.fround(x)`, and its values carry noise that
   * line searches must allow for.
   *
   * @defaultValue `'float64'`
   */
  readonly precision?: Precision;
  /** Number m of residuals, where the problem has them. */
  readonly residualCount?: number;
}

/** The arithmetic of a loss: float32 has 7 decimal digits, float64 has 16. */
export type Precision = 'float32' | 'float64';

/** A function to minimise, answering at once. Any `{ p0, fg }` is one. */
export interface Problem extends ProblemFacts {
  readonly fg: Objective;
  /** Draws the next mini-batch; until it is called again, `fg` is one and the same function. */
  nextBatch?(): void;
  /**
   * As `fg`, on the samples alone that the present batch shares with the one before it; a mean where `fg` is a
   * mean. Where they share none, f and ∇f are 0.
   */
  overlap?(x: Float64Array, gradient: Float64Array | null): number;
  /** Writes ∇²f(x)·v into `product`, exactly; all three `[n]` and the caller's. */
  hessianVector?(x: Float64Array, v: Float64Array, product: Float64Array): void;
  /** Where f is a sum of squares; with `residualCount`. See {@link Residuals}. */
  residuals?(x: Float64Array, residuals: Float64Array, jacobian: Float64Array | null): void;
  /** Writes f of each of k points, `[k, n]`, into `values`, `[k]`: where that costs less than k evaluations. */
  valuesAt?(points: Float64Array, values: Float64Array): void;
}

/** A function to minimise, answering later. */
export interface AsyncProblem extends ProblemFacts {
  readonly fg: AsyncObjective;
  /** As {@link Problem.nextBatch}. */
  nextBatch?(): void | Promise<void>;
  /** As {@link Problem.overlap}. */
  overlap?(x: Float64Array, gradient: Float64Array | null): number | Promise<number>;
  /** As {@link Problem.hessianVector}. */
  hessianVector?(x: Float64Array, v: Float64Array, product: Float64Array): void | Promise<void>;
  /** As {@link Problem.residuals}. */
  residuals?(x: Float64Array, residuals: Float64Array, jacobian: Float64Array | null): void | Promise<void>;
  /** As {@link Problem.valuesAt}. */
  valuesAt?(points: Float64Array, values: Float64Array): void | Promise<void>;
}
