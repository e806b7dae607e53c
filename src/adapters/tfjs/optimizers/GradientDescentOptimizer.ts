import {
  gradientDescent,
  gradientDescentRules,
  type GradientDescentOptions,
} from '../../../solvers/gradientDescent.ts';
import type { Schedule } from '../../../solvers/schedules.ts';
import { solverOptions, type ClassOptions } from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

interface Own extends Omit<GradientDescentOptions, 'learningRate'> {
  /** The `learningRate` of `gradientDescent`: a fixed rate or a schedule instead of a line search. */
  readonly rate?: number | Schedule;
}

/** Options of {@link GradientDescentOptimizer}: those of every optimizer class, and those of `gradientDescent`. */
export type GradientDescentOptimizerOptions = ClassOptions<Own>;

/**
 * Steepest descent with a line search for `model.compile`, as a baseline.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { GradientDescentOptimizer } from 'quasi-newton/tfjs';
 *
 * const optimizer = new GradientDescentOptimizer({ fullBatch: true });
 * ```
 *
 * @see gradientDescent of `quasi-newton`, the underlying solver
 */
export class GradientDescentOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static override get className(): string {
    return 'GradientDescentOptimizer';
  }

  constructor(options: GradientDescentOptimizerOptions = {}) {
    const { learningRate, ...rules } = gradientDescentRules;
    const { rate, ...own } = solverOptions<Own>('GradientDescentOptimizer', options, {
      ...rules,
      rate: learningRate,
    });
    super(gradientDescent({ ...own, ...(rate !== undefined && { learningRate: rate }) }), options);
  }
}
