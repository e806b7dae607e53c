import { lbfgs, lbfgsFor, lbfgsRules, type LbfgsOptions } from '../../../solvers/lbfgs.ts';
import { solverOptions, type ClassOptions } from './optimizerOptions.ts';
import { SolverOptimizer } from './solverOptimizer.ts';

/** Without `pairs`, which needs a problem that knows the samples shared by its batches. */
type Own = Omit<LbfgsOptions, 'pairs'>;

/** Options of {@link LBFGSOptimizer}: those of every optimizer class, and those of `lbfgs` except `pairs`. */
export type LBFGSOptimizerOptions = ClassOptions<Own>;

/**
 * Limited-memory BFGS for `model.compile`: the first optimizer to try.
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
 * @see lbfgs of `quasi-newton`, the underlying solver
 */
export class LBFGSOptimizer extends SolverOptimizer {
  // A getter keeps the class free of side effects, so that bundlers can leave it out.
  static override get className(): string {
    return 'LBFGSOptimizer';
  }

  constructor(options: LBFGSOptimizerOptions = {}) {
    const own = solverOptions<Own>('LBFGSOptimizer', options, lbfgsRules);
    super(lbfgsFor('LBFGSOptimizer', own), options, (lineSearch) => lbfgs({ ...own, lineSearch }));
  }
}
