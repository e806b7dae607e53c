// Seconds for an epoch of `model.fit` in TensorFlow.js and of `accelerate(ort, model).fit` in ONNX Runtime: a network of
// dense layers, a convolutional one and an LSTM on digits, with Adam and the accuracy as metric.
import * as ort from 'onnxruntime-node';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { accelerate, enableWasmConv } from 'quasi-newton/tfjs';
import { mnist } from '../examples/lib/mnist.js';
import { median, printTable } from '../examples/lib/report.js';

export const title = 'Epochs of TensorFlow.js and of accelerate';

const samples = 1280;
const batchSize = 128;
const { layers: L } = tf;
const start = (/** @type {number} */ seed) => ({
  kernelInitializer: tf.initializers.glorotUniform({ seed }),
});

/** @type {Record<string, { shape: number[], make: () => tf.layers.Layer[] }>} */
const networks = {
  'dense 784-128-10': {
    shape: [784],
    make: () => [
      L.dense({ units: 128, activation: 'relu', inputShape: [784], ...start(1) }),
      L.dense({ units: 10, activation: 'softmax', ...start(2) }),
    ],
  },
  'convolutions 8, 16': {
    shape: [28, 28, 1],
    make: () => [
      L.conv2d({ filters: 8, kernelSize: 5, activation: 'relu', inputShape: [28, 28, 1], ...start(1) }),
      L.maxPooling2d({ poolSize: 2, strides: 2 }),
      L.conv2d({ filters: 16, kernelSize: 5, activation: 'relu', ...start(2) }),
      L.maxPooling2d({ poolSize: 2, strides: 2 }),
      L.flatten(),
      L.dense({ units: 10, activation: 'softmax', ...start(3) }),
    ],
  },
  'LSTM of 64, 28 rows': {
    shape: [28, 28],
    make: () => [
      L.lstm({
        units: 64,
        inputShape: [28, 28],
        recurrentInitializer: tf.initializers.glorotUniform({ seed: 4 }),
        ...start(1),
      }),
      L.dense({ units: 10, activation: 'softmax', ...start(2) }),
    ],
  },
};

/** Ways to train, with the number of timed epochs; at most one more epoch warms up. */
const ways = [
  { name: 'tfjs cpu', backend: 'cpu', epochs: 1, warmUp: 0 },
  { name: 'tfjs wasm', backend: 'wasm', epochs: 5, warmUp: 1 },
  {
    name: 'tfjs wasm, enableWasmConv()',
    backend: 'wasm',
    epochs: 5,
    warmUp: 1,
    prepare: () => enableWasmConv(),
  },
  { name: 'accelerate', backend: 'cpu', epochs: 20, warmUp: 2, isFast: true },
];

/**
 * Trains a network; returns the seconds of each epoch, and the losses of the first ten steps.
 *
 * @param {typeof networks[string]} network
 * @param {typeof ways[number]} way
 */
async function trained({ shape, make }, { epochs, warmUp, isFast }) {
  const { pixels, labels } = mnist(0, samples);
  const x = tf.tensor(pixels, [samples, ...shape]);
  const y = tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), 10).toFloat());
  const model = tf.sequential({ layers: make() });
  model.compile({ optimizer: tf.train.adam(0.001), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const fast = isFast ? accelerate(ort, model) : null;
  const args = /** @type {const} */ ({ batchSize, shuffle: false, verbose: 0, yieldEvery: 'never' });
  /** @type {number[]} */
  const seconds = [];
  let begin = 0;
  const callbacks = {
    onEpochBegin: async () => void (begin = performance.now()),
    onEpochEnd: async () => void seconds.push((performance.now() - begin) / 1000),
  };
  /** @type {number[]} */
  const losses = [];
  // In a separate run, because reading the loss after each batch would distort the times.
  if (isFast || warmUp > 0) {
    const note = async (/** @type {number} */ _batch, /** @type {tf.Logs | undefined} */ logs) => void losses.push(Number(logs?.loss)); // prettier-ignore
    await (fast ?? model).fit(x, y, { ...args, callbacks: { onBatchEnd: note } });
  }
  await (fast ?? model).fit(x, y, { ...args, epochs: epochs + warmUp, callbacks });
  await fast?.dispose();
  tf.dispose([x, y]);
  model.optimizer.dispose();
  model.dispose();
  return { seconds: median(seconds.slice(warmUp)), losses };
}

const seconds = (/** @type {number} */ value) => (Number.isNaN(value) ? 'cannot' : value.toFixed(3));

export async function run() {
  console.log(
    `Seconds for an epoch of ${samples} digits in batches of ${batchSize}, with validation and shuffling off.\n`,
  );
  /** @type {Record<string, { seconds: number, losses: number[] }[]>} */
  const results = Object.fromEntries(Object.keys(networks).map((name) => [name, []]));
  for (const way of ways) {
    await tf.setBackend(way.backend);
    way.prepare?.();
    for (const [name, network] of Object.entries(networks)) {
      try {
        results[name].push(await trained(network, way));
      } catch (error) {
        // The wasm backend alone has no kernel for the gradient of a convolution.
        if (!/Conv2DBackpropFilter/.test(String(error))) throw error;
        results[name].push({ seconds: NaN, losses: [] });
      }
    }
  }
  printTable(
    [
      'network',
      ...ways.map(({ name }) => name),
      'beside wasm',
      'beside wasm, enableWasmConv',
      'losses apart by',
    ],
    Object.entries(results).map(([name, runs]) => {
      const [, stock, conv, own] = runs;
      const apart = Math.max(...own.losses.map((loss, i) => Math.abs(loss - conv.losses[i])));
      const times = (/** @type {{ seconds: number }} */ other) =>
        Number.isNaN(other.seconds) ? '' : `${(other.seconds / own.seconds).toFixed(1)} ×`;
      const cells = runs.map((each) => seconds(each.seconds));
      return [name].concat(cells, times(stock), times(conv), apart.toExponential(1));
    }),
  );
}
