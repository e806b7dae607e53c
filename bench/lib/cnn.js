import * as tf from '@tensorflow/tfjs';
import { optfuns } from 'quasi-newton/tfjs';
import { floats, model, node, randomNumbers } from '../../examples/lib/mlp.js';

/** Shapes of the weights as torch has them: two convolutions `[out, in, height, width]`, and a dense layer. */
const shapes = [
  [8, 1, 5, 5],
  [16, 8, 3, 3],
  [10, 16 * 7 * 7],
];

/**
 * A classifier of digits as the bytes of an .onnx file: twice convolution, ReLU and max pooling, then a dense layer.
 *
 * @param {number} [seed] - of its initial weights
 */
export function cnn(seed = 1) {
  const random = randomNumbers(seed);
  const uniform = (/** @type {number} */ bound) => () => bound * (2 * random() - 1);
  return model({
    input: { x: ['N', 1, 28, 28] },
    output: { y: ['N', 10] },
    initializer: shapes.flatMap((shape, i) => {
      const bound = uniform(1 / Math.sqrt(shape.slice(1).reduce((a, b) => a * b)));
      return [floats(`${i}.weight`, shape, bound), floats(`${i}.bias`, [shape[0]], bound)];
    }),
    nodes: [
      ...layer('x', 0, 2),
      ...layer('p0', 1, 1),
      node('Flatten', ['p1'], 'f'),
      node('Gemm', ['f', '2.weight', '2.bias'], 'y', { transB: 1 }),
    ],
  });
}

/**
 * A convolution that keeps the size of an image, ReLU, and a pooling that halves it.
 *
 * @param {string} from - the layer's input
 * @param {number} i - its number
 * @param {number} pad - the pixels around the image
 */
const layer = (from, i, pad) => [
  node('Conv', [from, `${i}.weight`, `${i}.bias`], `a${i}`, { pads: Array(4).fill(pad) }),
  node('Relu', [`a${i}`], `r${i}`),
  node('MaxPool', [`r${i}`], `p${i}`, { kernel_shape: [2, 2], strides: [2, 2] }),
];

/**
 * The network of {@link cnn} with softmax cross-entropy as tfjs writes it, channels last, starting where the ONNX model
 * starts.
 *
 * @param {Float64Array} p0 - the parameters of the ONNX model
 * @param {Float32Array} pixels - `[samples, 784]`
 * @param {Int32Array} labels - `[samples]`
 */
export function tfjsCnn(p0, pixels, labels) {
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
  const x = tf.tensor4d(pixels, [labels.length, 28, 28, 1]);
  const y = tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), 10).toFloat());
  return optfuns(
    () => {
      const flat = layerInTfjs(layerInTfjs(x, first), second).reshape([labels.length, -1]);
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
