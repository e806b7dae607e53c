import {
  abortSignal,
  boolean,
  callable,
  checkOptions,
  integerFrom,
  nonNegative,
  objectWith,
  positive,
  type Rules,
  type Filled,
} from './options.ts';
import type { Bound } from './question.ts';
import type { RunState } from './runState.ts';
import type { TraceEntry } from './trace.ts';
import type { Validation } from './validation.ts';

/** Argument of a callback, which is called after each iteration and once before the first. */
export interface Progress extends TraceEntry {
  /**
   * Current point, `[n]`, a copy that may be kept. Above 8 unknowns it is copied when the callback reads it, and can no
   * longer be read once the callback, or its promise, is over.
   */
  readonly x: Float64Array;
  /** The validation loss of this iteration, where it was evaluated. */
  readonly validation?: number;
  /**
   * Copies the complete state of the run, for `options.resume` of another run or for a file (`saveState`).
   */
  state(this: void): RunState;
}

/** Options of a solve: limits, tolerances, traces and callbacks. */
export interface SolveOptions {
  /** Largest number of iterations. @defaultValue `1000` */
  readonly maxIterations?: number | undefined;
  /** Largest number of evaluations; never exceeded. @defaultValue `Infinity` */
  readonly maxEvaluations?: number | undefined;
  /**
   * Largest number of products with the Hessian or with the Jacobian of residuals, which cost about as much as an
   * evaluation each; never exceeded. They do not count as evaluations.
   *
   * @defaultValue `Infinity`
   */
  readonly maxProducts?: number | undefined;
  /** Time limit in seconds, checked after each evaluation and each product. @defaultValue `Infinity` */
  readonly maxTime?: number | undefined;
  /** Converged if ‖∇f‖∞ ≤ gtol + gRel·‖∇f(x₀)‖∞. @defaultValue `1e-8` */
  readonly gtol?: number | undefined;
  /** See {@link SolveOptions.gtol}. @defaultValue `0` */
  readonly gRel?: number | undefined;
  /**
   * Converged if |fₖ₊₁ − fₖ| ≤ ftol·max(|fₖ|, |fₖ₊₁|) twice in a row; 0 turns it off. On mini-batches, `adam`, `soap` and
   * `gradientDescent` do not measure the change.
   *
   * @defaultValue `0`
   */
  readonly ftol?: number | undefined;
  /** Converged if 0 < ‖xₖ₊₁ − xₖ‖∞ ≤ xtol·‖xₖ₊₁‖∞ twice in a row; 0 turns it off. @defaultValue `0` */
  readonly xtol?: number | undefined;
  /**
   * Minimize log f or √f instead of f > 0. The result, the trace and the callback still have f as the problem returned it.
   * Quasi-Newton methods get farther on the transformed loss if f falls by many powers of ten.
   *
   * @defaultValue `'none'`
   */
  readonly transform?: 'none' | 'log' | 'sqrt' | undefined;
  /**
   * Lower bound of x, one number or `[n]`; null means unbounded. For solvers that can keep bounds: `auto`, `lbfgs`,
   * `levenbergMarquardt`, `gradientDescent`, `adam`, and a `sequence` of these, in all of its stages.
   *
   * @defaultValue `-Infinity`
   */
  readonly lower?: Bound | undefined;
  /** Upper bound of x, like {@link SolveOptions.lower}. @defaultValue `Infinity` */
  readonly upper?: Bound | undefined;
  /** Keeps a {@link TraceEntry} for each iteration in `result.trace`. @defaultValue `true` */
  readonly storeTrace?: boolean | undefined;
  /** Prints the trace with `console.log` as it grows. @defaultValue `false` */
  readonly showTrace?: boolean | undefined;
  /** Number of iterations between printed lines. @defaultValue `1` */
  readonly showEvery?: number | undefined;
  /**
   * Called at the start and after each iteration; return true to stop. `minimizeAsync` awaits a promise,
   * `minimize` refuses it.
   */
  readonly callback?: ((progress: Progress) => boolean | void) | undefined;
  /**
   * Aborts the solve: its reason is thrown, and the parameters hold the best point so far. Timers and clicks can abort only
   * asynchronous functions; for `minimize`, use `maxTime` or `callback`.
   */
  readonly signal?: AbortSignal | undefined;
  /** A loss to watch, such as that of held-out data: the run ends when it no longer falls. */
  readonly validation?: Validation | undefined;
  /**
   * State of an earlier run of this solver on this problem, to continue from its point (not `p0`), curvature,
   * moments and best point. Limits start counting again.
   *
   * @defaultValue none: the run begins at `p0`
   */
  readonly resume?: RunState | undefined;
}

/** {@link SolveOptions} of an asynchronous run. */
export interface AsyncSolveOptions extends Omit<SolveOptions, 'callback' | 'validation'> {
  /** As in {@link SolveOptions}; a promise is awaited before the run goes on. */
  readonly callback?: ((progress: Progress) => boolean | void | Promise<boolean | void>) | undefined;
  /** As in {@link SolveOptions}; its loss may return a promise. */
  readonly validation?: Validation<number | Promise<number>> | undefined;
}

/** The {@link SolveOptions} shared by all solves: without transform, validation and bounds. */
export type PlainSolveOptions = Omit<AsyncSolveOptions, 'transform' | 'validation' | 'lower' | 'upper'>;

/** Rules of {@link PlainSolveOptions}. */
export const plainSolveRules: Rules<PlainSolveOptions> = {
  maxIterations: integerFrom(0),
  maxEvaluations: integerFrom(1),
  maxProducts: integerFrom(1),
  maxTime: positive,
  gtol: nonNegative,
  gRel: nonNegative,
  ftol: nonNegative,
  xtol: nonNegative,
  storeTrace: boolean,
  showTrace: boolean,
  showEvery: integerFrom(1),
  callback: callable,
  signal: abortSignal,
  resume: objectWith('a state, as result.state has it'),
};

/** {@link PlainSolveOptions} with every default filled in. */
export type CompleteSolveOptions = Filled<Omit<PlainSolveOptions, 'callback' | 'signal' | 'resume'>> &
  Pick<AsyncSolveOptions, 'callback' | 'signal' | 'resume' | 'validation'> & {
    /** Function that the user called, named in messages. */
    readonly where: string;
  };

/**
 * Checks the options and fills in the defaults.
 *
 * @throws RangeError naming every option that is wrong
 */
export function completeSolveOptions<Options extends PlainSolveOptions>(
  where: string,
  options: Options,
  rules: Rules<Options>,
): CompleteSolveOptions {
  checkOptions(where, options, rules);
  return {
    where,
    maxIterations: 1000,
    maxEvaluations: Infinity,
    maxProducts: Infinity,
    maxTime: Infinity,
    gtol: 1e-8,
    gRel: 0,
    ftol: 0,
    xtol: 0,
    storeTrace: true,
    showTrace: false,
    showEvery: 1,
    ...withoutUndefined(options),
  };
}

function withoutUndefined(options: PlainSolveOptions): Partial<Filled<PlainSolveOptions>> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
