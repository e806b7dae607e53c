import * as tf from '@tensorflow/tfjs';
import { mnist } from './mnist.js';

/**
 * Returns handwritten digits of MNIST as tensors, in the order 0 to 9, 0 to 9, …
 *
 * @param {number} from - the first sample of each class
 * @param {number} count - total number; the rarest class has 863 samples
 * @returns images `[count, 784]` and one-hot labels `[count, 10]`
 */
export function digits(from, count) {
  const { pixels, labels } = mnist(from, count);
  return {
    x: tf.tensor2d(pixels, [count, 784]),
    y: tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), 10).toFloat()),
  };
}
