// A convolutional network for handwritten digits, defined and compiled in TensorFlow.js and trained in ONNX Runtime with
// accelerate, by the same calls; compared with the same fit on the wasm backend. Writes out/accelerate.svg.
import * as ort from 'onnxruntime-node';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { accelerate, enableWasmConv } from 'quasi-newton/tfjs';
import { convergence } from 'quasi-newton/landscape';
import { mnist } from './lib/mnist.js';
import { printTable, saveFigure } from './lib/report.js';

const quick = process.env.QUICK === '1';
const samples = quick ? 200 : 2000;
const epochs = quick ? 1 : 3;

await tf.setBackend('wasm');
enableWasmConv();

/** @param {number} from @param {number} count */
function images(from, count) {
  const { pixels, labels } = mnist(from, count);
  const y = tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), 10).toFloat());
  return { x: tf.tensor4d(pixels, [count, 28, 28, 1]), y };
}

function compiled() {
  const { layers: L } = tf;
  const model = tf.sequential({
    layers: [
      L.conv2d({ filters: 8, kernelSize: 5, activation: 'relu', inputShape: [28, 28, 1] }),
      L.maxPooling2d({ poolSize: 2 }),
      L.conv2d({ filters: 16, kernelSize: 5, activation: 'relu' }),
      L.maxPooling2d({ poolSize: 2 }),
      L.flatten(),
      L.dropout({ rate: 0.25 }),
      L.dense({ units: 10, activation: 'softmax' }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.002), loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}

const training = images(0, samples);
const heldOut = images(660, quick ? 100 : 1000);
const model = compiled();
const fast = accelerate(ort, model);
/** @type {[string, (args: tf.ModelFitArgs) => Promise<tf.History>][]} */
const ways = [
  ['accelerate', (args) => fast.fit(training.x, training.y, args)],
  ['tfjs wasm', (args) => compiled().fit(training.x, training.y, args)],
];
const rows = [];
const curves = [];
for (const [name, fit] of ways) {
  const begin = performance.now();
  const elapsed = () => (performance.now() - begin) / 1000;
  const times = /** @type {number[]} */ ([]);
  const losses = /** @type {number[]} */ ([]);
  const { history } = await fit({
    epochs,
    batchSize: 100,
    validationData: [heldOut.x, heldOut.y],
    verbose: 0,
    callbacks: {
      async onBatchEnd(_batch, logs) {
        times.push(elapsed());
        losses.push(Number(logs?.loss));
      },
    },
  });
  curves.push({ name, runs: [{ x: times, y: losses }] });
  rows.push([
    name,
    elapsed().toFixed(1),
    Number(history.loss.at(-1)).toFixed(3),
    `${(100 * Number(history.val_acc.at(-1))).toFixed(1)} %`,
  ]);
}
console.log(`\n${epochs} epochs of ${samples} digits\n`);
printTable(['', 'seconds', 'last loss', 'held-out accuracy'], rows);
// The trained weights are in the TensorFlow.js model.
const [first] = /** @type {tf.Tensor} */ (model.predict(heldOut.x.slice(0, 1))).argMax(1).dataSync();
console.log(`\nThe first held-out digit is read as ${first}.`);
await fast.dispose();
saveFigure(
  'accelerate.svg',
  convergence(curves, {
    title: `${samples} digits, ${epochs} epochs`,
    xlabel: 'seconds',
    ylabel: 'loss of a batch',
  }),
);
