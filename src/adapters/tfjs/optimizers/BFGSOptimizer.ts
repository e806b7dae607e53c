import { bfgs } from '../../../solvers/bfgs.ts';
import { checkOptimizerOptions, SolverOptimizer, type SolverOptimizerOptions } from './solverOptimizer.ts';

/** Options of {@link BFGSOptimizer}. */
export interface BFGSOptimizerOptions extends SolverOptimizerOptions {}

/**
 * BFGS with a dense inverse Hessian for `model.compile`: n² numbers for n parameters, for small models.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { BFGSOptimizer } from 'quasi-newton/tfjs';
 *
 * const optimizer = new BFGSOptimizer({ fullBatch: true });
 * ```
 *
 * @see bfgs of `quasi-newton`, the solver within
 */
export class BFGSOptimizer extends SolverOptimizer {
  static get className(): string {
    return 'BFGSOptimizer';
  }

  constructor(options: BFGSOptimizerOptions = {}) {
    checkOptimizerOptions('BFGSOptimizer', options, {});
    super(bfgs(), options);
  }

  getConfig() {
    return this.commonConfig();
  }
}
