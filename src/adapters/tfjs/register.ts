import * as tf from '@tensorflow/tfjs';
import { checkOptions, objectWith } from '../../core/options.ts';
import type { Solver } from '../../core/solver.ts';
import { BFGSOptimizer } from './optimizers/BFGSOptimizer.ts';
import { ConjugateGradientOptimizer } from './optimizers/ConjugateGradientOptimizer.ts';
import { GradientDescentOptimizer } from './optimizers/GradientDescentOptimizer.ts';
import { LBFGSOptimizer } from './optimizers/LBFGSOptimizer.ts';
import { SLBFGSOptimizer } from './optimizers/SLBFGSOptimizer.ts';
import { SOAPOptimizer } from './optimizers/SOAPOptimizer.ts';
import { nameSolvers } from './optimizers/namedSolvers.ts';
import { SolverOptimizer } from './optimizers/solverOptimizer.ts';
import { SSBFGSOptimizer } from './optimizers/SSBFGSOptimizer.ts';
import { SSBroydenOptimizer } from './optimizers/SSBroydenOptimizer.ts';

/** Options of {@link register}. */
export interface RegisterOptions {
  /** Makers of solvers, by names of letters and digits. */
  readonly solvers?: Readonly<Record<string, () => Solver>>;
}

/**
 * Makes the optimizer classes known to tfjs, so that `tf.loadLayersModel` finds the one a model was saved
 * with; without it a load ends with `Unknown optimizer`.
 *
 * Solvers that a {@link SolverOptimizer} is to be saved with get their names here: the saved model holds the name alone, and
 * whoever loads it registers the same solver under it.
 *
 * @param namespace - the tfjs to register with, where there are several copies. @defaultValue the one imported
 * @throws RangeError, TypeError if a name or a solver is wrong
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { adam, lbfgs, sequence } from 'quasi-newton';
 * import { register, SolverOptimizer } from 'quasi-newton/tfjs';
 *
 * register(); // once, before loading
 * register(tf, { solvers: { adamThenLbfgs: () => sequence({ solver: adam(), iterations: 50 }, lbfgs()) } });
 * const optimizer = new SolverOptimizer('adamThenLbfgs');
 * ```
 */
export function register(
  namespace: Pick<typeof tf, 'serialization'> = tf,
  options: RegisterOptions = {},
): void {
  checkOptions('register', options, { solvers: objectWith('an object { name: () => solver }') });
  const { solvers = {} } = options;
  nameSolvers('register', solvers);
  for (const optimizer of [
    BFGSOptimizer,
    ConjugateGradientOptimizer,
    GradientDescentOptimizer,
    LBFGSOptimizer,
    SLBFGSOptimizer,
    SOAPOptimizer,
    SolverOptimizer,
    SSBFGSOptimizer,
    SSBroydenOptimizer,
  ]) {
    namespace.serialization.registerClass(optimizer);
  }
}
