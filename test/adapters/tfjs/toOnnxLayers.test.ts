import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, it } from 'vitest';

beforeAll(() => tf.setBackend('cpu'));

/** Options with which a layer of any class can be made. */
const any = {
  units: 2, filters: 2, kernelSize: 1, rate: 0.5, stddev: 1, alpha: 1, theta: 1, axis: -1, axes: 1, n: 2,
  dims: [1], targetShape: [1], inputDim: 2, outputDim: 2, numTokens: 2, height: 2, width: 2, factor: 0.5,
  activation: 'relu', scale: 1, poolSize: 2, cropping: [[0, 0], [0, 0]], cells: [], inputShape: [2],
}; // prettier-ignore
const special: Record<string, () => tf.layers.Layer> = {
  rnn: () => tf.layers.rnn({ cell: tf.layers.simpleRNNCell({ units: 1 }) }),
  bidirectional: () => tf.layers.bidirectional({ layer: tf.layers.lstm({ units: 1 }), mergeMode: 'concat' }),
  timeDistributed: () => tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 1 }) }),
};
/** Parts of layers, and functions of tf.layers that make none. */
const parts = /Cell$|^StackedRNNCells$/;

it('the table of toOnnx has every layer that TensorFlow.js exports', () => {
  const text = readFileSync(new URL('../../../docs/tfjs-to-onnx.md', import.meta.url), 'utf8');
  const families = text
    .replace('Max and Average, 1D to 3D', '$& MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D')
    .replace('GlobalMax and GlobalAverage, 1D and 2D', '$& GlobalMaxPooling1D GlobalMaxPooling2D GlobalAveragePooling1D GlobalAveragePooling2D'); // prettier-ignore
  const makers = Object.entries(tf.layers as unknown as Record<string, unknown>).filter(
    (entry): entry is [string, (options: object) => tf.layers.Layer] =>
      /^[a-z]/.test(entry[0]) && typeof entry[1] === 'function' && entry[0] !== 'input',
  );
  const classes = makers.map(([name, make]) => (special[name]?.() ?? make(any)).getClassName());
  expect(classes.length).toBeGreaterThan(60);
  const missing = classes.filter((name) => !parts.test(name) && !new RegExp(`\\b${name}\\b`).test(families));
  expect(missing).toEqual([]);
});
