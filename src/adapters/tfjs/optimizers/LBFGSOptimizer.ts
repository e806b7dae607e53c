import { memoryRule } from '../../../solvers/pairRing.ts';
import { lbfgs } from '../../../solvers/lbfgs.ts';
import {
  lineSearchName,
  solverOptions,
  type LineSearchName,
  type SolverOptimizerOptions,
} from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Options of {@link LBFGSOptimizer}. */
export interface LBFGSOptimizerOptions extends SolverOptimizerOptions {
  /** Number of curvature pairs kept. @defaultValue by the number of parameters, see `lbfgs` */
  readonly memory?: number;
  /** @defaultValue `'strongWolfe'` */
  readonly lineSearch?: LineSearchName;
}

/**
 * Limited-memory BFGS for `model.compile`: the one to begin with.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { LBFGSOptimizer } from 'quasi-newton/tfjs';
 *
 * const model = tf.sequential({
 *   layers: [tf.layers.dense({ units: 8, activation: 'tanh', inputShape: [1] }), tf.layers.dense({ units: 1 })],
 * });
 * model.compile({ optimizer: new LBFGSOptimizer({ fullBatch: true }), loss: 'meanSquaredError' });
 *
 * const x = tf.linspace(-3, 3, 100).reshape([100, 1]);
 * await model.fit(x, x.sin(), { batchSize: 100, epochs: 50, verbose: 0 });
 * ```
 *
 * @see lbfgs of `quasi-newton`, the solver within
 */
export class LBFGSOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static get className(): string {
    return 'LBFGSOptimizer';
  }

  constructor(options: LBFGSOptimizerOptions = {}) {
    super(
      lbfgs(solverOptions('LBFGSOptimizer', options, { memory: memoryRule, lineSearch: lineSearchName })),
      options,
    );
  }
}
