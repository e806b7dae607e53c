import { bfgs } from '../../../solvers/bfgs.ts';
import {
  lineSearchName,
  solverOptions,
  type LineSearchName,
  type SolverOptimizerOptions,
} from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link BFGSOptimizer}. */
export interface BFGSOptimizerOptions extends SolverOptimizerOptions {
  /** @defaultValue `'strongWolfe'` */
  readonly lineSearch?: LineSearchName;
}

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
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static get className(): string {
    return 'BFGSOptimizer';
  }

  constructor(options: BFGSOptimizerOptions = {}) {
    super(bfgs(solverOptions('BFGSOptimizer', options, { lineSearch: lineSearchName })), options);
  }
}
