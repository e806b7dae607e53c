import { ssbroyden, ssbroydenRules, type SsbroydenOptions } from '../../../solvers/ssbroyden.ts';
import { solverOptions, type ClassOptions } from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link SSBroydenOptimizer}: those of every optimizer class, and those of `ssbroyden`. */
export type SSBroydenOptimizerOptions = ClassOptions<SsbroydenOptions>;

/**
 * Self-scaled Broyden with a dense inverse Hessian for `model.compile`, for small models.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { SSBroydenOptimizer } from 'quasi-newton/tfjs';
 *
 * const optimizer = new SSBroydenOptimizer({ fullBatch: true });
 * ```
 *
 * @see ssbroyden of `quasi-newton`, the underlying solver
 */
export class SSBroydenOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static override get className(): string {
    return 'SSBroydenOptimizer';
  }

  constructor(options: SSBroydenOptimizerOptions = {}) {
    const own = solverOptions('SSBroydenOptimizer', options, ssbroydenRules);
    super(ssbroyden(own), options, (lineSearch) => ssbroyden({ ...own, lineSearch }));
  }
}
