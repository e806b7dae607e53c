import { ssbroyden } from '../../../solvers/ssbroyden.ts';
import {
  lineSearchName,
  solverOptions,
  type LineSearchName,
  type SolverOptimizerOptions,
} from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link SSBroydenOptimizer}. */
export interface SSBroydenOptimizerOptions extends SolverOptimizerOptions {
  /** @defaultValue `'strongWolfe'` */
  readonly lineSearch?: LineSearchName;
}

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
 * @see ssbroyden of `quasi-newton`, the solver within
 */
export class SSBroydenOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static get className(): string {
    return 'SSBroydenOptimizer';
  }

  constructor(options: SSBroydenOptimizerOptions = {}) {
    super(ssbroyden(solverOptions('SSBroydenOptimizer', options, { lineSearch: lineSearchName })), options);
  }
}
