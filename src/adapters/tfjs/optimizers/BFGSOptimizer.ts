import { bfgs, bfgsRules, type BfgsOptions } from '../../../solvers/bfgs.ts';
import { solverOptions, type ClassOptions } from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link BFGSOptimizer}: those of every optimizer class, and those of `bfgs`. */
export type BFGSOptimizerOptions = ClassOptions<BfgsOptions>;

/**
 * BFGS with a dense inverse Hessian for `model.compile`: 2n² numbers for n parameters, for small models.
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
 * @see bfgs of `quasi-newton`, the underlying solver
 */
export class BFGSOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static override get className(): string {
    return 'BFGSOptimizer';
  }

  constructor(options: BFGSOptimizerOptions = {}) {
    const own = solverOptions('BFGSOptimizer', options, bfgsRules);
    super(bfgs(own), options, (lineSearch) => bfgs({ ...own, lineSearch }));
  }
}
