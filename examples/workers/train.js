/**
 * The work of a worker, in Node and in browsers: makes data and a model, trains it, and posts
 *
 *     { kind: 'progress', epoch, loss, valLoss }
 *     { kind: 'done' | 'stopped', topology, weights, message }
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';
import { fitFullBatchAsync } from 'quasi-newton/tfjs';

/**
 * @typedef {{ kind: 'progress', epoch: number, loss: number, valLoss: number }} ProgressMessage
 * @typedef {{ kind: 'done' | 'stopped', topology: object, weights: Float32Array[], message: string }} EndMessage
 */

/** Makes a dense layer with reproducible initial weights. @type {(units: number, seed: number, rest?: object) => tf.layers.Layer} */
const layer = (units, seed, rest) =>
  tf.layers.dense({ units, kernelInitializer: tf.initializers.glorotUniform({ seed }), ...rest });

/**
 * @param {(message: ProgressMessage | EndMessage) => void} post
 * @param {AbortSignal} signal - ends the training; the best weights so far are posted
 * @param {number} [maxIterations]
 */
export async function train(post, signal, maxIterations = 300) {
  await tf.setBackend('cpu');
  const x = tf.linspace(-Math.PI, Math.PI, 200).reshape([200, 1]);
  const y = x.sin();
  const model = tf.sequential({
    layers: [
      layer(32, 1, { activation: 'tanh', inputShape: [1] }),
      layer(32, 2, { activation: 'tanh' }),
      layer(1, 3),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  /** @type {EndMessage['kind']} */
  let kind = 'done';
  let message;
  try {
    const result = await fitFullBatchAsync(model, x, y, {
      maxIterations,
      gtol: 0,
      signal,
      validationData: [x, y],
      onEpochEnd(epoch, logs) {
        post({ kind: 'progress', epoch, loss: logs.loss, valLoss: logs.val_loss });
      },
    });
    message = result.message;
  } catch (error) {
    if (!signal.aborted) throw error;
    kind = 'stopped';
    message = 'Stopped; these are the best weights so far.';
  }
  const weights = model.getWeights().map((weight) => /** @type {Float32Array} */ (weight.dataSync().slice()));
  post({ kind, topology: /** @type {object} */ (model.toJSON(null, false)), weights, message });
}
