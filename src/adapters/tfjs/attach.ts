import type * as tf from '@tensorflow/tfjs';
import { show } from '../../core/options.ts';
import type { AttachOptions } from './optimizers/attachedModel.ts';
import type { SolverOptimizer } from './optimizers/solverOptimizer.ts';

/**
 * Attaches a compiled model to its optimizer, as {@link SolverOptimizer.attach} does. For models whose
 * optimizer you have no reference to, such as loaded ones.
 *
 * @returns the model
 * @throws TypeError if its optimizer is not one of `quasi-newton/tfjs`, or there is none
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { attach, LBFGSOptimizer } from 'quasi-newton/tfjs';
 *
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [3] })] });
 * model.compile({ optimizer: new LBFGSOptimizer(), loss: 'meanSquaredError' });
 * attach(model);
 * ```
 */
export function attach<Model extends tf.LayersModel>(model: Model, options: AttachOptions = {}): Model {
  const optimizer = model?.optimizer as unknown as Partial<SolverOptimizer> | undefined;
  if (typeof optimizer?.attach !== 'function') {
    throw new TypeError(
      `attach: the model must be compiled with an optimizer of quasi-newton/tfjs, such as new LBFGSOptimizer(); its optimizer is ${show(optimizer)}.`,
    );
  }
  (optimizer as SolverOptimizer).attach(model, options);
  return model;
}
