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

/** What a callback is shown after each iteration (and once before the first). */
export interface Progress extends TraceEntry {
  /** The current point, `[n]`: the solver's own buffer, to be read now and copied if it is to be kept. */
  readonly x: Float64Array;
}

/** When to stop a solve, and what to tell meanwhile. */
export interface SolveOptions {
  /** @defaultValue `1000` */
  readonly maxIterations?: number;
  /** Never exceeded. @defaultValue `Infinity` */
  readonly maxEvaluations?: number;
  /** Seconds; looked at after each evaluation. @defaultValue `Infinity` */
  readonly maxTime?: number;
  /** Converged when ‖∇f‖∞ ≤ gtol + gRel·‖∇f(x₀)‖∞. @defaultValue `1e-8` */
  readonly gtol?: number;
  /** See {@link SolveOptions.gtol}. @defaultValue `0` */
  readonly gRel?: number;
  /** Converged when |fₖ₊₁ − fₖ| ≤ ftol·max(|fₖ|, |fₖ₊₁|) twice in a row; 0 is never. @defaultValue `0` */
  readonly ftol?: number;
  /** Converged when 0 < ‖xₖ₊₁ − xₖ‖∞ ≤ xtol·‖xₖ₊₁‖∞ twice in a row; 0 is never. @defaultValue `0` */
  readonly xtol?: number;
  /**
   * Minimise log f or √f in the place of f > 0; everything shown and returned is of f. Where f falls by many
   * powers of ten, quasi-Newton methods get farther on the transformed loss.
   *
   * @defaultValue `'none'`
   */
  readonly transform?: 'none' | 'log' | 'sqrt';
  /** Keep a {@link TraceEntry} for each iteration in `result.trace`. @defaultValue `true` */
  readonly storeTrace?: boolean;
  /** Print the trace with `console.log` as it grows. @defaultValue `false` */
  readonly showTrace?: boolean;
  /** Print every so many iterations. @defaultValue `1` */
  readonly showEvery?: number;
  /** Called at the start and after each iteration; returns true to stop, and no promise. */
  readonly callback?: (progress: Progress) => boolean | void;
  /** Once aborted, its reason is thrown; the parameters then hold the best point so far. */
  readonly signal?: AbortSignal;
}

/** Options that every solve has. */
export type PlainSolveOptions = Omit<SolveOptions, 'transform'>;

/** What is allowed of {@link PlainSolveOptions}. */
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
