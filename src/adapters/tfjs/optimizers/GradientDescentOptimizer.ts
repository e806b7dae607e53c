import { gradientDescent } from '../../../solvers/gradientDescent.ts';
import {
  lineSearchName,
  solverOptions,
  type LineSearchName,
  type SolverOptimizerOptions,
} from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link GradientDescentOptimizer}. */
export interface GradientDescentOptimizerOptions extends SolverOptimizerOptions {
  /** @defaultValue `'strongWolfe'` */
  readonly lineSearch?: LineSearchName;
}

/**
 * Steepest descent with a line search for `model.compile`: the yardstick.
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
 * @see gradientDescent of `quasi-newton`, the solver within
 */
export class GradientDescentOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static get className(): string {
    return 'GradientDescentOptimizer';
  }

  constructor(options: GradientDescentOptimizerOptions = {}) {
    super(
      gradientDescent(solverOptions('GradientDescentOptimizer', options, { lineSearch: lineSearchName })),
      options,
    );
  }
}
