import * as tf from '@tensorflow/tfjs';
import { graph } from 'quasi-newton/onnx';
import { optfuns } from 'quasi-newton/tfjs';

/** Shapes of the weights in torch's layout: two convolutions `[out, in, height, width]`, and a dense layer. */
const shapes = [
  [8, 1, 5, 5],
  [16, 8, 3, 3],
  [10, 16 * 7 * 7],
];

/**
 * Returns a classifier of digits as an .onnx file: twice convolution, ReLU and max pooling, then a dense layer.
 *
 * @param {number} [seed] - of its initial weights
 */
export function cnn(seed = 1) {
  const g = graph({ seed });
  let x = g.input('x', ['N', 1, 28, 28]);
  for (const [i, [filters, , size]] of shapes.slice(0, 2).entries()) {
    x = g.maxPool(g.relu(g.conv(x, filters, size, { name: `${i}`, padding: 'same' })), 2);
  }
  g.output('y', g.dense(g.flatten(x), 10, { name: '2' }));
  return g.toBytes();
}

/**
 * Makes the network of {@link cnn} with softmax cross-entropy in tfjs, channels last, with the initial weights of the ONNX
 * model.
 *
 * @param {Float64Array} p0 - the parameters of the ONNX model
 * @param {Float32Array} pixels - `[samples, 784]`
 * @param {Int32Array} labels - `[samples]`
 */
export function tfjsCnn(p0, pixels, labels) {
  const batch = tfjsImages(pixels, labels);
  return tfjsCnnOn(p0, () => batch);
}

/**
 * Returns images and labels as tensors of tfjs.
 *
 * @param {Float32Array} pixels - `[samples, 784]`
 * @param {Int32Array} labels - `[samples]`
 */
export function tfjsImages(pixels, labels) {
  const x = tf.tensor4d(pixels, [labels.length, 28, 28, 1]);
  return { x, y: tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), 10).toFloat()) };
}

/**
 * Makes the network of {@link tfjsCnn}, on the data that `data` returns at each evaluation.
 *
 * @param {Float64Array} p0 - the parameters of the ONNX model
 * @param {() => ReturnType<typeof tfjsImages>} data
 */
export function tfjsCnnOn(p0, data) {
  let at = 0;
  const take = (/** @type {readonly number[]} */ shape) => {
    const size = shape.reduce((a, b) => a * b);
    at += size;
    return tf.tensor(Float32Array.from(p0.subarray(at - size, at)), [...shape]);
  };
  const [first, second, dense] = shapes.map(([out, ...rest]) => {
    const window = rest.length === 3 ? rest : [16, 7, 7];
    const last = tf.tidy(() => take([out, ...window]).transpose([2, 3, 1, 0]));
    const weight = tf.variable(rest.length === 3 ? last : last.reshape([rest[0], out]));
    return { weight, bias: tf.variable(take([out])) };
  });
  return optfuns(
    () => {
      const { x, y } = data();
      const flat = layerInTfjs(layerInTfjs(x, first), second).reshape([x.shape[0], -1]);
      const logits = tf.matMul(/** @type {tf.Tensor2D} */ (flat), dense.weight).add(dense.bias);
      return tf.losses.softmaxCrossEntropy(y, logits);
    },
    [first, second, dense].flatMap(({ weight, bias }) => [weight, bias]),
  );
}

/**
 * @param {tf.Tensor4D} h
 * @param {{ weight: tf.Variable, bias: tf.Variable }} parameters
 */
function layerInTfjs(h, { weight, bias }) {
  const convolved = tf.conv2d(h, /** @type {tf.Tensor4D} */ (/** @type {tf.Tensor} */ (weight)), 1, 'same');
  /** @type {tf.Tensor4D} */
  const activated = convolved.add(bias).relu();
  return tf.maxPool(activated, 2, 2, 'valid');
}
