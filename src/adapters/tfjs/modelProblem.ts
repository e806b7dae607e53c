import type * as tf from '@tensorflow/tfjs';
import { checkOptions, integerFrom } from '../../core/options.ts';
import { captureTraining, isCompiled, standardize, type Data } from './internals.ts';
import { optfuns, type OptFuns } from './optfuns.ts';
import { tfParams } from './tfParams.ts';

/** Options of {@link modelProblem}. */
export interface ModelProblemOptions {
  /**
   * Evaluate this many samples at a time and add the parts up: the same loss with less memory. Layers that
   * look at a whole batch (BatchNorm) then see parts.
   *
   * @defaultValue all at once
   */
  readonly batchSize?: number;
}

/**
 * A compiled model's own training loss on fixed data, as a problem: its losses, loss weights and
 * regularizers, in training mode, exactly what `fit` would minimise with all data in one batch.
 *
 * @param model - compiled
 * @param x - inputs as `model.fit` takes them, tensors of shape `[samples, …]`; referred to, not copied
 * @param y - targets likewise
 * @throws Error if the model is not compiled, or the data do not fit it (in the words of tfjs)
 * @throws RangeError if an option is wrong
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
): OptFuns {
  checkOptions('modelProblem', options, { batchSize: integerFrom(1) });
  if (!isCompiled(model)) {
    throw new Error(
      'modelProblem: the model is not compiled; call model.compile({ optimizer, loss }) first.',
    );
  }
  const params = tfParams(model);
  const { inputs, targets } = standardize(model, x, y);
  const samples = inputs[0].shape[0];
  const { batchSize = samples } = options;
  if (batchSize >= samples) return optfuns(captureTraining(model, inputs, targets).loss, params);
  return summed(parts(model, inputs, targets, batchSize), params);
}

/** One part of the data: its share of the samples, and the loss on it. */
interface Part {
  readonly share: number;
  readonly loss: () => tf.Scalar;
}

function parts(model: tf.LayersModel, inputs: tf.Tensor[], targets: tf.Tensor[], batchSize: number): Part[] {
  const samples = inputs[0].shape[0];
  return Array.from({ length: Math.ceil(samples / batchSize) }, (_, i) => {
    const begin = i * batchSize;
    const size = Math.min(batchSize, samples - begin);
    // The slices are made anew for each evaluation: kept, they would be a second copy of the data.
    const rows = (tensors: tf.Tensor[]) => tensors.map((tensor) => tensor.slice(begin, size));
    return {
      share: size / samples,
      loss: () => captureTraining(model, rows(inputs), rows(targets)).loss(),
    };
  });
}

/** The sum of the parts' losses and gradients, each weighted with its share. */
function summed(all: readonly Part[], params: OptFuns['params']): OptFuns {
  const problems = all.map(({ loss }) => optfuns(loss, params));
  const partGradient = params.zeros();
  const fg: OptFuns['fg'] = (x, gradient) => {
    gradient?.fill(0);
    let f = 0;
    for (let i = 0; i < all.length; i++) {
      const { share } = all[i];
      f += share * problems[i].fg(x, gradient && partGradient);
      if (gradient) for (let j = 0; j < gradient.length; j++) gradient[j] += share * partGradient[j];
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
  };
}
