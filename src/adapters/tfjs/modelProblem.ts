import type * as tf from '@tensorflow/tfjs';
import { checkOptions, nonNegative } from '../../core/options.ts';
import { addScaled } from '../../core/vector.ts';
import { FRAME } from '../../core/eventLoop.ts';
import { modelLoss, modelProblemRules, type ModelProblemOptions } from './modelLoss.ts';
import { optfuns, type OptFuns } from './optfuns.ts';
import { optfunsAsync, type AsyncOptFuns, type OptFunsAsyncOptions } from './optfunsAsync.ts';
import type { Data } from './internals/model.ts';

/** Methods of a model's loss in addition to those of a problem. */
interface ModelExtras {
  /**
   * Sets the moving statistics of BatchNorm, which inference uses, to those of the data at the current
   * weights. Evaluations do not change them, because the trial points of a line search should not enter an
   * average.
   */
  settleStatistics(): void;
  /**
   * Releases the column tensors `[samples, 1]` that tfjs has created for data of shape `[samples]`. The
   * problem cannot be used afterwards.
   */
  dispose(): void;
}

/** A model's training loss as a problem. */
export interface ModelProblem extends OptFuns, ModelExtras {}

/** Options of {@link modelProblemAsync}. */
export interface AsyncModelProblemOptions extends ModelProblemOptions, OptFunsAsyncOptions {}

/** A model's training loss as an asynchronous problem. */
export interface AsyncModelProblem extends AsyncOptFuns, ModelExtras {}

/**
 * Returns a compiled model's own training loss on fixed data as a problem: its losses, loss weights and
 * regularizers in training mode, exactly what `fit` would minimize with all data in one batch.
 *
 * It is one fixed function: dropout and noise are drawn only once, and stateful RNNs begin each evaluation
 * from the same states. Evaluations change nothing but the weights.
 *
 * @param model - compiled
 * @param x - inputs as `model.fit` takes them, tensors of shape `[samples, …]`; referred to, not copied
 * @param y - targets likewise
 * @throws Error if the model is not compiled, if the data do not fit it (an error of tfjs), or if a weight
 *   has a constraint, which solvers cannot keep
 * @throws TypeError if the model is not a LayersModel, or the data are not tensors
 * @throws RangeError if an option is wrong, or there are no samples
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { bfgs, minimize } from 'quasi-newton';
 * import { modelProblem } from 'quasi-newton/tfjs';
 *
 * const x = tf.linspace(-3, 3, 100).reshape([100, 1]);
 * const model = tf.sequential({
 *   layers: [tf.layers.dense({ units: 8, activation: 'tanh', inputShape: [1] }), tf.layers.dense({ units: 1 })],
 * });
 * model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
 * const result = minimize(modelProblem(model, x, x.sin()), bfgs());
 * ```
 */
export function modelProblem(
  model: tf.LayersModel,
  x: Data,
  y: Data,
  options: ModelProblemOptions = {},
): ModelProblem {
  checkOptions('modelProblem', options, modelProblemRules);
  return problemOf('modelProblem', model, x, y, options);
}

/**
 * Creates the problem of {@link modelProblem}.
 *
 * @param where - the function called, named in messages
 */
export function problemOf(
  where: string,
  model: tf.LayersModel,
  x: Data,
  y: Data,
  options: ModelProblemOptions,
): ModelProblem {
  const { params, parts, ...extras } = modelLoss(where, model, x, y, options);
  const problems = parts.map(({ loss }) => optfuns(loss, params));
  if (problems.length === 1) return { ...problems[0], ...extras };
  const partGradient = params.zeros();
  const fg: OptFuns['fg'] = (x, gradient) => {
    gradient?.fill(0);
    let f = 0;
    for (const [i, { share }] of parts.entries()) {
      f += share * problems[i].fg(x, gradient && partGradient);
      if (gradient) addScaled(gradient, share, partGradient, gradient);
    }
    return f;
  };
  return {
    ...problems[0],
    fg,
    lossfun: (x) => fg(Float64Array.from(x), null),
    gradfun(x, out = params.zeros()) {
      fg(Float64Array.from(x), out);
      return out;
    },
    ...(problems[0].hessianVector && {
      hessianVector(x: Float64Array, v: Float64Array, product: Float64Array) {
        const partProduct = params.zeros();
        product.fill(0);
        for (const [i, { share }] of parts.entries()) {
          problems[i].hessianVector!(x, v, partProduct);
          addScaled(product, share, partProduct, product);
        }
      },
    }),
    ...extras,
  };
}

/**
 * As {@link modelProblem}, but asynchronous: for backends that cannot be read synchronously (webgpu), and to
 * keep the page or process responsive.
 */
export async function modelProblemAsync(
  model: tf.LayersModel,
  x: Data,
  y: Data,
  options: AsyncModelProblemOptions = {},
): Promise<AsyncModelProblem> {
  checkOptions('modelProblemAsync', options, { ...modelProblemRules, yieldEvery: nonNegative });
  return asyncProblemOf('modelProblemAsync', model, x, y, options);
}

/**
 * Creates the problem of {@link modelProblemAsync}.
 *
 * @param where - the function called, named in messages
 */
export async function asyncProblemOf(
  where: string,
  model: tf.LayersModel,
  x: Data,
  y: Data,
  options: AsyncModelProblemOptions,
): Promise<AsyncModelProblem> {
  const { params, parts, ...extras } = modelLoss(where, model, x, y, options);
  const { yieldEvery = FRAME } = options;
  const problems = await Promise.all(parts.map(({ loss }) => optfunsAsync(loss, params, { yieldEvery })));
  if (problems.length === 1) return { ...problems[0], ...extras };
  const partGradient = params.zeros();
  const fg: AsyncOptFuns['fg'] = async (x, gradient) => {
    gradient?.fill(0);
    let f = 0;
    for (const [i, { share }] of parts.entries()) {
      f += share * (await problems[i].fg(x, gradient && partGradient));
      if (gradient) addScaled(gradient, share, partGradient, gradient);
    }
    return f;
  };
  return {
    ...problems[0],
    fg,
    lossfun: (x) => fg(Float64Array.from(x), null),
    async gradfun(x, out = params.zeros()) {
      await fg(Float64Array.from(x), out);
      return out;
    },
    ...(problems[0].hessianVector && {
      async hessianVector(x: Float64Array, v: Float64Array, product: Float64Array) {
        const partProduct = params.zeros();
        product.fill(0);
        for (const [i, { share }] of parts.entries()) {
          await problems[i].hessianVector!(x, v, partProduct);
          addScaled(product, share, partProduct, product);
        }
      },
    }),
    ...extras,
  };
}
