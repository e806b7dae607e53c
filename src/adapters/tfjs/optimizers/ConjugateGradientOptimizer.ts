import { staticStep } from '../../../solvers/initialStep.ts';
import {
  conjugateGradient,
  conjugateGradientRules,
  type ConjugateGradientOptions,
} from '../../../solvers/conjugateGradient.ts';
import { solverOptions, type ClassOptions } from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link ConjugateGradientOptimizer}: those of every optimizer class, and those of `conjugateGradient`. */
export type ConjugateGradientOptimizerOptions = ClassOptions<ConjugateGradientOptions>;

/**
 * Nonlinear conjugate gradients for `model.compile`: six vectors of memory, more evaluations than L-BFGS.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { ConjugateGradientOptimizer } from 'quasi-newton/tfjs';
 *
 * const optimizer = new ConjugateGradientOptimizer({ fullBatch: true });
 * ```
 *
 * @see conjugateGradient of `quasi-newton`, the underlying solver
 */
export class ConjugateGradientOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static override get className(): string {
    return 'ConjugateGradientOptimizer';
  }

  constructor(options: ConjugateGradientOptimizerOptions = {}) {
    const own = solverOptions('ConjugateGradientOptimizer', options, conjugateGradientRules);
    super(conjugateGradient(own), options, (lineSearch) =>
      conjugateGradient({ ...own, lineSearch, initialStep: staticStep() }),
    );
  }
}
