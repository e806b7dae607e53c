// A classifier of two numbers by the sign of their product, 2-8-8-2, in each backend.
import * as tf from '@tensorflow/tfjs';
import * as ort from 'onnxruntime-node';
import { trainable } from 'quasi-newton/onnx';
import { modelProblem } from 'quasi-newton/tfjs';
import { mlp } from '../../examples/lib/mlp.js';

/** @import { AsyncProblem, Problem } from 'quasi-newton' */

const inputs = Float32Array.from({ length: 80 }, (_, i) => Math.sin(3 * i) + Math.cos(i / 7));
const labels = Array.from({ length: 40 }, (_, i) => (inputs[2 * i] * inputs[2 * i + 1] > 0 ? 1 : 0));

const dense = (/** @type {number} */ units, /** @type {number} */ seed, /** @type {object} */ more) =>
  tf.layers.dense({ units, kernelInitializer: tf.initializers.glorotUniform({ seed }), ...more });

/**
 * Its loss as a problem, by the name of the backend.
 *
 * @type {Record<string, () => Promise<AsyncProblem | Problem>>}
 */
export const quadrants = {
  async tfjs() {
    await tf.setBackend('cpu');
    const model = tf.sequential({
      layers: [
        dense(8, 1, { inputShape: [2], activation: 'tanh' }),
        dense(8, 2, { activation: 'relu' }),
        dense(2, 3, { activation: 'softmax' }),
      ],
    });
    model.compile({ loss: 'categoricalCrossentropy', optimizer: 'sgd' });
    const classes = tf.oneHot(tf.tensor1d(labels, 'int32'), 2).toFloat();
    return modelProblem(model, tf.tensor2d(inputs, [40, 2]), classes);
  },
  async 'ONNX Runtime'() {
    const model = await trainable(ort, mlp([2, 8, 8, 2]), { loss: 'softmaxCrossEntropy' });
    return model.problem({ x: { data: inputs, dims: [40, 2] }, target: { data: labels, dims: [40] } });
  },
};
