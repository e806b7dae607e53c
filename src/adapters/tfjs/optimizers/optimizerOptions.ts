import { backtracking } from '../../../solvers/linesearch/backtracking.ts';
import { hagerZhang } from '../../../solvers/linesearch/hagerZhang.ts';
import { strongWolfe } from '../../../solvers/linesearch/strongWolfe.ts';
import {
  boolean,
  checkOptions,
  either,
  finitePositive,
  integerIn,
  oneOf,
  type Rules,
} from '../../../core/options.ts';
import { scheduleRule, type Schedule } from '../../../solvers/schedules.ts';
import { lineSearchRule } from '../../../solvers/lineSearchOption.ts';
import type * as tf from '@tensorflow/tfjs';
import type { LineSearch } from '../../../solvers/linesearch/lineSearch.ts';

/** Options common to all optimizer classes. */
export interface SolverOptimizerOptions {
  /** Number of solver iterations for each call of `minimize`, that is, for each batch. @defaultValue `1` */
  readonly maxIterations?: number | undefined;
  /**
   * Promises that every call sees the same data, so that the last evaluation of one call also serves as the
   * first of the next: about 1.2 evaluations per epoch instead of 2.2. Metrics are then those of the first
   * evaluation in the call, one step ahead of the loss. If the data or the loss change, as with a new `fit`,
   * the optimizer starts afresh; if they change from call to call, as with mini-batches, it throws. Has no
   * effect if the loss draws random numbers (dropout).
   *
   * @defaultValue `false`
   */
  readonly fullBatch?: boolean | undefined;
  /**
   * Largest change of a parameter per mini-batch, and per call of `applyGradients`, where no line search on
   * the whole function limits it.
   *
   * @defaultValue `0.03`
   */
  readonly learningRate?: number | undefined;
}

/** Options of the classes whose solver has a learning rate. */
export interface RatedOptions extends Omit<SolverOptimizerOptions, 'learningRate'> {
  /**
   * The solver's learning rate: a number, which `optimizer.learningRate` may change at any time, or a schedule, which
   * cannot be saved.
   */
  readonly learningRate?: number | Schedule | undefined;
  /**
   * Largest change of a parameter per mini-batch, and per call of `applyGradients`.
   *
   * @defaultValue ten times the learning rate; `0.03` with a schedule or a line search
   */
  readonly maxChange?: number | undefined;
}

/** Rules of {@link SolverOptimizerOptions}. Numbers must be finite, because a saved configuration is JSON. */
export const commonRules: Rules<SolverOptimizerOptions> = {
  maxIterations: integerIn(1, 1e9),
  fullBatch: boolean,
  learningRate: finitePositive,
};

/** Rules of {@link RatedOptions}. */
export const ratedRules: Rules<RatedOptions> = {
  ...commonRules,
  learningRate: scheduleRule,
  maxChange: finitePositive,
};

/** The line searches that an optimizer can use, by the names of their factories. */
const lineSearches = { strongWolfe, hagerZhang, backtracking };

/** Name of a line search, which can be stored in a saved configuration. */
export type LineSearchName = keyof typeof lineSearches;

/** A line search by name, or one with options, such as `strongWolfe({ c2: 0.1 })`. */
export type LineSearchChoice = LineSearchName | LineSearch;

const lineSearchChoice = either(oneOf(...Object.keys(lineSearches)), lineSearchRule);

/** Options of an optimizer class: the common ones, and its solver's. */
export type ClassOptions<SolverOptions> = SolverOptimizerOptions &
  Omit<SolverOptions, 'lineSearch' | keyof SolverOptimizerOptions> & {
    /** Line search. @defaultValue the solver's */
    readonly lineSearch?: LineSearchChoice;
  };

/**
 * Checks the options of an optimizer class, and returns those of its solver.
 *
 * @param own - rules of the solver's options; a line search may also be given by name
 * @throws RangeError naming every option that is wrong
 */
export function solverOptions<SolverOptions extends object>(
  className: string,
  options: object,
  own: Rules<Omit<SolverOptions, keyof SolverOptimizerOptions>>,
  common: Rules<SolverOptimizerOptions> | Rules<RatedOptions> = commonRules,
): SolverOptions {
  const search = 'lineSearch' in own && { lineSearch: lineSearchChoice };
  checkOptions<object>(className, options, { ...common, ...own, ...search });
  const picked = Object.entries(options)
    .filter(([name, value]) => name in own && value !== undefined)
    .map(([name, value]) => [
      name,
      name === 'lineSearch' && typeof value === 'string' ? lineSearches[value as LineSearchName]() : value,
    ]);
  return Object.fromEntries(picked) as SolverOptions;
}

/**
 * Returns the options as JSON, for a saved model.
 *
 * @throws Error naming the options that cannot be saved
 */
export function savable(className: string, options: object): tf.serialization.ConfigDict {
  const entries = Object.entries(options);
  const unsavable = entries.filter(([, value]) => !isPlain(value)).map(([name]) => name);
  if (unsavable.length > 0) {
    throw new Error(
      `${className}: ${unsavable.join(', ')} cannot be saved, as functions and infinite numbers cannot. Save the model without includeOptimizer, and compile it with a new optimizer when it is loaded.`,
    );
  }
  return Object.fromEntries(
    entries.map(([name, value]) => [
      name,
      ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value,
    ]),
  );
}

function isPlain(value: unknown): boolean {
  if (value === null) return true;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    return Array.from(value as ArrayLike<unknown>).every((item) => item === null || Number.isFinite(item));
  }
  return (
    typeof value !== 'function' &&
    typeof value !== 'object' &&
    !Object.is(Math.abs(value as number), Infinity)
  );
}
