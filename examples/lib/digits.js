import * as tf from '@tensorflow/tfjs';
import { mnist } from './mnist.js';

/**
 * Real handwritten digits of MNIST as tensors, the ten classes taking turns.
 *
 * @param {number} from - the first sample of each class
 * @param {number} count - how many in all; there are 863 of the rarest class
 * @returns images `[count, 784]` and one-hot labels `[count, 10]`
 */
export function digits(from, count) {
  const { pixels, labels } = mnist(from, count);
  return {
    x: tf.tensor2d(pixels, [count, 784]),
    y: tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), 10).toFloat()),
  };
}
