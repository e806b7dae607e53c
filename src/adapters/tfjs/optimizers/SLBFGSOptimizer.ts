import { boolean, finitePositive, numberBetween } from '../../../core/options.ts';
import { memoryRule } from '../../../solvers/pairRing.ts';
import { slbfgs } from '../../../solvers/slbfgs.ts';
import {
  lineSearchName,
  solverOptions,
  type LineSearchName,
  type SolverOptimizerOptions,
} from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link SLBFGSOptimizer}. */
export interface SLBFGSOptimizerOptions extends SolverOptimizerOptions {
  /** Number of pairs kept. @defaultValue `20` */
  readonly memory?: number;
  /** Regularisation, see `slbfgs`. @defaultValue 1e-2, and 0.1 on mini-batches */
  readonly lambda?: number;
  /** The longest step, in units of the direction. @defaultValue `1` */
  readonly alphaMax?: number;
  /** As FluxOptTools.jl computes it, for comparison. @defaultValue `false` */
  readonly transposed?: boolean;
  /** With `transposed`: the factor of a rejected step. @defaultValue `0.5` */
  readonly shrink?: number;
  /** @defaultValue `'backtracking'` */
  readonly lineSearch?: LineSearchName;
}

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
 * @see slbfgs of `quasi-newton`, the solver within
 */
export class SLBFGSOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static get className(): string {
    return 'SLBFGSOptimizer';
  }

  constructor(options: SLBFGSOptimizerOptions = {}) {
    super(
      slbfgs(
        solverOptions('SLBFGSOptimizer', options, {
          memory: memoryRule,
          lambda: finitePositive,
          alphaMax: finitePositive,
          transposed: boolean,
          shrink: numberBetween(0, 1),
          lineSearch: lineSearchName,
        }),
      ),
      options,
    );
  }
}
