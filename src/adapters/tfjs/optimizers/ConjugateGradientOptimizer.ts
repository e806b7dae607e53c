import { oneOf } from '../../../core/options.ts';
import { conjugateGradient } from '../../../solvers/conjugateGradient.ts';
import {
  lineSearchName,
  solverOptions,
  type LineSearchName,
  type SolverOptimizerOptions,
} from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link ConjugateGradientOptimizer}. */
export interface ConjugateGradientOptimizerOptions extends SolverOptimizerOptions {
  /** How much of the last direction is kept. @defaultValue `'hagerZhang'` */
  readonly beta?: 'hagerZhang' | 'polakRibiere';
  /** @defaultValue `'hagerZhang'` */
  readonly lineSearch?: LineSearchName;
}

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
 * @see conjugateGradient of `quasi-newton`, the solver within
 */
export class ConjugateGradientOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static get className(): string {
    return 'ConjugateGradientOptimizer';
  }

  constructor(options: ConjugateGradientOptimizerOptions = {}) {
    super(
      conjugateGradient(
        solverOptions('ConjugateGradientOptimizer', options, {
          beta: oneOf('hagerZhang', 'polakRibiere'),
          lineSearch: lineSearchName,
        }),
      ),
      options,
    );
  }
}
