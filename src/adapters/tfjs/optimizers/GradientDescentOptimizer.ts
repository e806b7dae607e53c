import {
  gradientDescentFor,
  gradientDescentRules,
  type GradientDescentOptions,
} from '../../../solvers/gradientDescent.ts';
import { scheduleOf } from '../../../solvers/schedules.ts';
import { ratedRules, solverOptions, type ClassOptions, type RatedOptions } from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/**
 * Options of {@link GradientDescentOptimizer}: those of every optimizer class, and those of `gradientDescent`. Without
 * `learningRate`, it takes a line search.
 */
export type GradientDescentOptimizerOptions = RatedOptions &
  Omit<ClassOptions<GradientDescentOptions>, keyof RatedOptions>;

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
    const { learningRate: _, ...rules } = gradientDescentRules;
    const own = solverOptions<Own>('GradientDescentOptimizer', options, rules, ratedRules);
    const rate = { value: options.learningRate ?? null };
    const learningRate = (step: number) => scheduleOf(rate.value ?? NaN)(step);
    const given = { ...own, ...(rate.value !== null && { learningRate }) };
    super(gradientDescentFor('GradientDescentOptimizer', given), options, null, rate);
  }
}

type Own = Omit<GradientDescentOptions, 'learningRate'>;
