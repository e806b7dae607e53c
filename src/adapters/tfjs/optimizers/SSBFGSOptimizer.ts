import { ssbfgs } from '../../../solvers/ssbfgs.ts';
import {
  lineSearchName,
  solverOptions,
  type LineSearchName,
  type SolverOptimizerOptions,
} from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link SSBFGSOptimizer}. */
export interface SSBFGSOptimizerOptions extends SolverOptimizerOptions {
  /** @defaultValue `'strongWolfe'` */
  readonly lineSearch?: LineSearchName;
}

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
 * @see ssbfgs of `quasi-newton`, the solver within
 */
export class SSBFGSOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static get className(): string {
    return 'SSBFGSOptimizer';
  }

  constructor(options: SSBFGSOptimizerOptions = {}) {
    super(ssbfgs(solverOptions('SSBFGSOptimizer', options, { lineSearch: lineSearchName })), options);
  }
}
