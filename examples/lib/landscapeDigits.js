import * as tf from '@tensorflow/tfjs';
import { graph } from 'quasi-newton/onnx';

/**
 * @param {tf.Tensor} target
 * @param {tf.Tensor} logits
 */
const logitLoss = (target, logits) => tf.losses.softmaxCrossEntropy(target, logits);

/**
 * Makes a classifier of digits, 784-16-10, that returns logits; its kernels are stored `[in, out]`.
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
 * Returns the same network as the bytes of an .onnx file, up to its logits. MatMul takes `[in, out]`, as tfjs does, so
 * both have their parameters in the same order.
 *
 * @param {tf.LayersModel} net
 */
export function digitNetAsOnnx(net) {
  const [w1, b1, w2, b2] = net.getWeights().map((weight) => weight.dataSync());
  const g = graph();
  const pixels = g.input('pixels', ['N', 784]);
  const hidden = g.tanh(g.add(g.matmul(pixels, g.weight('w1', [784, 16], w1)), g.weight('b1', [16], b1)));
  g.output('logits', g.add(g.matmul(hidden, g.weight('w2', [16, 10], w2)), g.weight('b2', [10], b2)));
  return g.toBytes();
}
