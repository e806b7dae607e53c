import * as tf from '@tensorflow/tfjs';
import { optfuns } from 'quasi-newton/tfjs';

/**
 * Makes the network of `mlp(sizes)` with softmax cross-entropy in tfjs, with the initial weights of the ONNX model. Weights
 * are `[in, out]`, so the order of the unknowns within a weight differs from the ONNX model's.
 *
 * @param {Float64Array} p0 - the parameters of the ONNX model, weights `[out, in]`
 * @param {readonly number[]} sizes - of the layers, the input first
 * @param {Float32Array} pixels - `[samples, sizes[0]]`
 * @param {Int32Array} labels - `[samples]`
 */
export function tfjsDigits(p0, sizes, pixels, labels) {
  let at = 0;
  const take = (/** @type {number[]} */ ...shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    at += size;
    return tf.tensor(Float32Array.from(p0.subarray(at - size, at)), shape);
  };
  const layers = sizes.slice(1).map((out, i) => ({
    weight: tf.variable(tf.tidy(() => take(out, sizes[i]).transpose())),
    bias: tf.variable(take(out)),
  }));
  const x = tf.tensor2d(pixels, [labels.length, sizes[0]]);
  const y = tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), sizes[sizes.length - 1]).toFloat());
  const forward = () =>
    layers.reduce((h, { weight, bias }, i) => {
      const a = tf.matMul(h, weight).add(bias);
      return /** @type {tf.Tensor2D} */ (i === layers.length - 1 ? a : a.tanh());
    }, x);
  return optfuns(
    () => tf.losses.softmaxCrossEntropy(y, forward()),
    layers.flatMap(({ weight, bias }) => [weight, bias]),
  );
}
