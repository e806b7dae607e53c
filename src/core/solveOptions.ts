import {
  abortSignal,
  boolean,
  callable,
  checkOptions,
  integerFrom,
  nonNegative,
  positive,
  type Rules,
} from './options.ts';
import type { TraceEntry } from './trace.ts';

/** Argument of a callback, which is called after each iteration and once before the first. */
export interface Progress extends TraceEntry {
  /** Current point, `[n]`: a buffer that the next call overwrites; copy it to keep it. */
  readonly x: Float64Array;
}

/** Options of a solve: limits, tolerances, traces and callbacks. */
export interface SolveOptions {
  /** Largest number of iterations. @defaultValue `1000` */
  readonly maxIterations?: number;
  /** Largest number of evaluations; never exceeded. @defaultValue `Infinity` */
  readonly maxEvaluations?: number;
  /** Time limit in seconds, checked after each evaluation. @defaultValue `Infinity` */
  readonly maxTime?: number;
  /** Converged if ‖∇f‖∞ ≤ gtol + gRel·‖∇f(x₀)‖∞. @defaultValue `1e-8` */
  readonly gtol?: number;
  /** See {@link SolveOptions.gtol}. @defaultValue `0` */
  readonly gRel?: number;
  /** Converged if |fₖ₊₁ − fₖ| ≤ ftol·max(|fₖ|, |fₖ₊₁|) twice in a row; 0 turns it off. @defaultValue `0` */
  readonly ftol?: number;
  /** Converged if 0 < ‖xₖ₊₁ − xₖ‖∞ ≤ xtol·‖xₖ₊₁‖∞ twice in a row; 0 turns it off. @defaultValue `0` */
  readonly xtol?: number;
  /**
   * Minimize log f or √f instead of f > 0; everything shown and returned is that of f. Quasi-Newton methods get
   * farther on the transformed loss if f falls by many powers of ten.
   *
   * @defaultValue `'none'`
   */
  readonly transform?: 'none' | 'log' | 'sqrt';
  /** Keeps a {@link TraceEntry} for each iteration in `result.trace`. @defaultValue `true` */
  readonly storeTrace?: boolean;
  /** Prints the trace with `console.log` as it grows. @defaultValue `false` */
  readonly showTrace?: boolean;
  /** Number of iterations between printed lines. @defaultValue `1` */
  readonly showEvery?: number;
  /** Called at the start and after each iteration, synchronously; returns true to stop. */
  readonly callback?: (progress: Progress) => boolean | void;
  /** Aborts the solve: its reason is thrown, and the parameters hold the best point so far. */
  readonly signal?: AbortSignal;
}

/** Options of {@link SolveOptions} that every solve has, without the transform. */
export type PlainSolveOptions = Omit<SolveOptions, 'transform'>;

/** Rules of {@link PlainSolveOptions}. */
export const plainSolveRules: Rules<PlainSolveOptions> = {
  maxIterations: integerFrom(0),
  maxEvaluations: integerFrom(1),
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
};

/** {@link PlainSolveOptions} with every default filled in. */
export type CompleteSolveOptions = Required<Omit<PlainSolveOptions, 'callback' | 'signal'>> &
  Pick<SolveOptions, 'callback' | 'signal'> & {
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

function withoutUndefined(options: PlainSolveOptions): PlainSolveOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
