import { slbfgs, slbfgsRules, type SlbfgsOptions } from '../../../solvers/slbfgs.ts';
import { solverOptions, type ClassOptions } from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link SLBFGSOptimizer}: those of every optimizer class, and those of `slbfgs`. */
export type SLBFGSOptimizerOptions = ClassOptions<SlbfgsOptions>;

/**
 * Stochastic L-BFGS of Wills and Schön for `model.compile`.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { SLBFGSOptimizer } from 'quasi-newton/tfjs';
 *
 * const optimizer = new SLBFGSOptimizer({ fullBatch: true });
 * ```
 *
 * @see slbfgs of `quasi-newton`, the underlying solver
 */
export class SLBFGSOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static override get className(): string {
    return 'SLBFGSOptimizer';
  }

  constructor(options: SLBFGSOptimizerOptions = {}) {
    const own = solverOptions('SLBFGSOptimizer', options, slbfgsRules);
    super(slbfgs(own), options, (lineSearch) => slbfgs({ ...own, lineSearch }));
  }
}
