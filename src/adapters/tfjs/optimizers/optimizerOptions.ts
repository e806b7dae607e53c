import { backtracking } from '../../../solvers/linesearch/backtracking.ts';
import { hagerZhang } from '../../../solvers/linesearch/hagerZhang.ts';
import { strongWolfe } from '../../../solvers/linesearch/strongWolfe.ts';
import {
  boolean,
  checkOptions,
  finitePositive,
  integerIn,
  oneOf,
  type Rules,
} from '../../../core/options.ts';
import type { LineSearch } from '../../../solvers/linesearch/lineSearch.ts';

/** Options that all optimizer classes have. */
export interface SolverOptimizerOptions {
  /** Solver iterations for each call of `minimize`, that is for each batch. @defaultValue `1` */
  readonly maxIterations?: number;
  /**
   * Says that every call sees the same data, so that the last evaluation of one call is the first of the
   * next: about 1.2 evaluations an epoch instead of 2.2. Metrics are then those of the first evaluation in
   * the call, one step ahead of the loss. Wrong with mini-batches, shuffled or not, which are refused where
   * they show; without effect where the loss draws random numbers (dropout).
   *
   * @defaultValue `false`
   */
  readonly fullBatch?: boolean;
  /** Largest change of a parameter in `applyGradients`, which has no line search. @defaultValue `1` */
  readonly learningRate?: number;
}

/** The rules of {@link SolverOptimizerOptions}. They are finite: a saved configuration is JSON. */
const commonRules: Rules<SolverOptimizerOptions> = {
  maxIterations: integerIn(1, 1e9),
  fullBatch: boolean,
  learningRate: finitePositive,
};

/** The line searches that an optimizer can be told to use, by the names of their factories. */
const lineSearches = { strongWolfe, hagerZhang, backtracking };

/** A line search by name, so that a saved configuration can tell it. */
export type LineSearchName = keyof typeof lineSearches;

export const lineSearchName = oneOf(...Object.keys(lineSearches));

/** The options of a class that its solver takes, with the line search itself for its name. */
type SolverOptions<Options> = {
  [Name in Exclude<keyof Options, keyof SolverOptimizerOptions>]?: Name extends 'lineSearch'
    ? LineSearch
    : Exclude<Options[Name], undefined>;
};

/**
 * Checks the options of an optimizer class, and picks those of the solver within.
 *
 * @param own - rules of the options that the class has beside those all have
 * @throws RangeError naming every option that is wrong
 */
export function solverOptions<Options extends SolverOptimizerOptions>(
  className: string,
  options: Options,
  own: Rules<Omit<Options, keyof SolverOptimizerOptions>>,
): SolverOptions<Options> {
  checkOptions<SolverOptimizerOptions>(className, options, { ...commonRules, ...own });
  const picked = Object.entries(options as Record<string, unknown>)
    .filter(([name, value]) => name in own && value !== undefined)
    .map(([name, value]) => [name, name === 'lineSearch' ? lineSearches[value as LineSearchName]() : value]);
  return Object.fromEntries(picked) as SolverOptions<Options>;
}
