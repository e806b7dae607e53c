import * as tf from '@tensorflow/tfjs';
import { BFGSOptimizer } from './optimizers/BFGSOptimizer.ts';
import { ConjugateGradientOptimizer } from './optimizers/ConjugateGradientOptimizer.ts';
import { GradientDescentOptimizer } from './optimizers/GradientDescentOptimizer.ts';
import { LBFGSOptimizer } from './optimizers/LBFGSOptimizer.ts';
import { SLBFGSOptimizer } from './optimizers/SLBFGSOptimizer.ts';
import { SOAPOptimizer } from './optimizers/SOAPOptimizer.ts';
import { SSBFGSOptimizer } from './optimizers/SSBFGSOptimizer.ts';
import { SSBroydenOptimizer } from './optimizers/SSBroydenOptimizer.ts';

/**
 * Makes the optimizer classes known to tfjs, so that `tf.loadLayersModel` finds the one a model was saved
 * with; without it a load ends with `Unknown optimizer`.
 *
 * @param namespace - the tfjs to register with, where there are several copies. @defaultValue the one imported
 *
 * @example
 * ```js
 * import { register } from 'quasi-newton/tfjs';
 *
 * register(); // once, before loading
 * ```
 */
export function register(namespace: Pick<typeof tf, 'serialization'> = tf): void {
  for (const optimizer of [
    BFGSOptimizer,
    ConjugateGradientOptimizer,
    GradientDescentOptimizer,
    LBFGSOptimizer,
    SLBFGSOptimizer,
    SOAPOptimizer,
    SSBFGSOptimizer,
    SSBroydenOptimizer,
  ]) {
    namespace.serialization.registerClass(optimizer);
  }
}
