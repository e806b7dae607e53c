import { ssbfgs, ssbfgsRules, type SsbfgsOptions } from '../../../solvers/ssbfgs.ts';
import { solverOptions, type ClassOptions } from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link SSBFGSOptimizer}: those of every optimizer class, and those of `ssbfgs`. */
export type SSBFGSOptimizerOptions = ClassOptions<SsbfgsOptions>;

/**
 * Self-scaled BFGS with a dense inverse Hessian for `model.compile`, for small models.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { SSBFGSOptimizer } from 'quasi-newton/tfjs';
 *
 * const optimizer = new SSBFGSOptimizer({ fullBatch: true });
 * ```
 *
 * @see ssbfgs of `quasi-newton`, the underlying solver
 */
export class SSBFGSOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static override get className(): string {
    return 'SSBFGSOptimizer';
  }

  constructor(options: SSBFGSOptimizerOptions = {}) {
    const own = solverOptions('SSBFGSOptimizer', options, ssbfgsRules);
    super(ssbfgs(own), options, (lineSearch) => ssbfgs({ ...own, lineSearch }));
  }
}
