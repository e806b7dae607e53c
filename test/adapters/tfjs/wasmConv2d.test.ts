import * as tf from '@tensorflow/tfjs';
import { enableWasmConv } from 'quasi-newton/tfjs';
import { expect, test } from 'vitest';
import { relativeDifference, useBackend } from './harness.ts';

interface Case {
  readonly x: [number, number, number, number];
  readonly filter: [number, number, number, number];
  readonly strides?: number | [number, number];
  readonly pad?: 'valid' | 'same' | number;
}

/** Gradients of a weighted sum by image and filter. */
function gradients({ x, filter, strides = 1, pad = 'valid' }: Case): number[] {
  return tf.tidy(() => {
    const weighted = (image: tf.Tensor, weight: tf.Tensor) => {
      const y = tf.conv2d(image as tf.Tensor4D, weight as tf.Tensor4D, strides, pad);
      return y.mul(tf.randomNormal(y.shape, 1, 1, 'float32', 3)).sum();
    };
    const inputs = [tf.randomNormal(x, 0, 1, 'float32', 1), tf.randomNormal(filter, 0, 1, 'float32', 2)];
    return tf
      .grads(weighted)(inputs)
      .flatMap((gradient) => Array.from(gradient.dataSync()));
  });
}

const cases: readonly (readonly [string, Case])[] = [
  ['no padding', { x: [3, 7, 6, 4], filter: [3, 3, 4, 5] }],
  ['same', { x: [3, 7, 6, 4], filter: [3, 3, 4, 5], pad: 'same' }],
  ['same, an even filter', { x: [3, 7, 6, 4], filter: [4, 2, 4, 5], pad: 'same' }],
  ['one number of zeros', { x: [3, 7, 6, 4], filter: [3, 4, 4, 5], pad: 2 }],
  ['more zeros than the filter reaches', { x: [2, 5, 5, 2], filter: [2, 2, 2, 3], pad: 3 }],
  ['one channel', { x: [3, 9, 9, 1], filter: [5, 5, 1, 6], pad: 'same' }],
  ['one element', { x: [3, 5, 5, 4], filter: [1, 1, 4, 3] }],
  ['one sample', { x: [1, 6, 6, 2], filter: [3, 3, 2, 2] }],
  ['strides that leave the end out', { x: [2, 8, 9, 3], filter: [3, 3, 3, 4], strides: 2 }],
  ['strides, same', { x: [2, 8, 9, 3], filter: [3, 3, 3, 4], strides: [2, 3], pad: 'same' }],
  ['strides longer than the filter', { x: [2, 9, 9, 3], filter: [2, 2, 3, 4], strides: 3 }],
];

test.each(cases)('gradients of conv2d on wasm are those of the cpu backend: %s', async (_, shape) => {
  await useBackend('cpu');
  const exact = gradients(shape);
  await useBackend('wasm');
  enableWasmConv();
  const before = tf.memory().numTensors;
  expect(relativeDifference(gradients(shape), exact)).toBeLessThan(1e-5);
  expect(tf.memory().numTensors).toBe(before);
});
