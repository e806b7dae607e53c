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
  /** Factories of solvers, under names of letters and digits. */
  readonly solvers?: Readonly<Record<string, () => Solver>> | undefined;
}

/**
 * Registers the optimizer classes with tfjs, so that `tf.loadLayersModel` finds the one that a model was
 * saved with. Without it, loading fails with `Unknown layer`.
 *
 * To save a {@link SolverOptimizer} with its model, register its solver here under a name: the saved model
 * contains only the name, and the program that loads it must register the same solver under that name.
 *
 * @param namespace - the copy of tfjs to register with, if there are several. @defaultValue the imported one
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
