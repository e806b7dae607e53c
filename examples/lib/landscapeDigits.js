import * as tf from '@tensorflow/tfjs';
import { floats, model, node } from './mlp.js';

/**
 * @param {tf.Tensor} target
 * @param {tf.Tensor} logits
 */
const logitLoss = (target, logits) => tf.losses.softmaxCrossEntropy(target, logits);

/**
 * A classifier of digits, 784-16-10, that gives logits; its kernels are stored `[in, out]`.
 *
 * @param {number} [seed]
 */
export function digitNet(seed = 1) {
  const dense = (/** @type {number} */ units, /** @type {object} */ rest) =>
    tf.layers.dense({
      units,
      kernelInitializer: tf.initializers.glorotUniform({ seed: 100 * seed + units }),
      ...rest,
    });
  const net = tf.sequential({
    layers: [dense(16, { activation: 'tanh', inputShape: [784] }), dense(10, {})],
  });
  net.compile({ loss: logitLoss, optimizer: 'sgd' });
  return net;
}

/**
 * The same network as the bytes of an .onnx file, up to its logits: MatMul takes `[in, out]` as tfjs does, so that
 * both have their parameters in the same order.
 *
 * @param {tf.LayersModel} net
 */
export function digitNetAsOnnx(net) {
  const [w1, b1, w2, b2] = net.getWeights().map((weight) => weight.dataSync());
  return model({
    input: { pixels: ['N', 784] },
    output: { logits: ['N', 10] },
    initializer: [
      floats('w1', [784, 16], (i) => w1[i]),
      floats('b1', [16], (i) => b1[i]),
      floats('w2', [16, 10], (i) => w2[i]),
      floats('b2', [10], (i) => b2[i]),
    ],
    nodes: [
      node('MatMul', ['pixels', 'w1'], 'a'),
      node('Add', ['a', 'b1'], 'c'),
      node('Tanh', ['c'], 'h'),
      node('MatMul', ['h', 'w2'], 'd'),
      node('Add', ['d', 'b2'], 'logits'),
    ],
  });
}
