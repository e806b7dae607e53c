// Trains on handwritten digits through model.compile and model.fit: L-BFGS and SOAP compared with Adam, on all data at
// once and on mini-batches. Writes out/digits.svg and out/digits-accuracy.svg.
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { enableWasmConv, LBFGSOptimizer, SOAPOptimizer } from 'quasi-newton/tfjs';
import { convergence } from 'quasi-newton/landscape';
import { digits } from './lib/digits.js';
import { progressBar } from './lib/progress.js';
import { printTable, saveFigure } from './lib/report.js';

const quick = process.env.QUICK === '1';
const samples = quick ? 200 : 2000;
const seconds = quick ? 1 : 6;
/** Points of each curve. */
const records = 40;

tf.enableProdMode();
await tf.setBackend('wasm');
enableWasmConv(); // for all methods alike: products with transposed matrices, five times faster
const training = digits(0, samples);
const heldOut = digits(660, quick ? 200 : 2000);

/** Each rate is the best of .001, .003, .01, .03 for the training loss after this time. */
const methods = [
  { name: 'Adam, mini-batches of 100', optimizer: tf.train.adam(0.01), batchSize: 100 },
  {
    name: 'SOAP, mini-batches of 100',
    optimizer: new SOAPOptimizer({ learningRate: 0.03, scheduleFree: true }),
    batchSize: 100,
  },
  { name: 'Adam, full batch', optimizer: tf.train.adam(0.03), batchSize: samples },
  { name: 'L-BFGS, full batch', optimizer: new LBFGSOptimizer({ fullBatch: true }), batchSize: samples },
];

console.log(
  `\nHandwritten digits: MLP 784-32-10, ${samples} training images, ${heldOut.x.shape[0]} held out, ${seconds} s of training each, backend ${tf.getBackend()}\n`,
);
const bar = progressBar('Reading digits', methods.length * seconds);
const runs = [];
for (const method of methods) runs.push({ ...method, ...(await train(method)) });
bar.done();

const targets = [1e-1, 1e-2, 1e-3, 1e-4];
printTable(
  ['Method', 'Epochs', ...targets.map((target) => `s to loss ${target}`), 'Final loss', 'Held-out accuracy'],
  runs.map(({ name, epochs, losses, times, accuracies }) => [
    name,
    String(epochs),
    ...targets.map((target) => {
      const first = losses.findIndex((loss) => loss <= target);
      return first < 0 ? '–' : times[first].toFixed(1);
    }),
    losses[losses.length - 1].toExponential(1),
    `${(100 * accuracies[accuracies.length - 1]).toFixed(1)} %`,
  ]),
);
console.log(
  '\nA better optimizer reaches a lower training loss. Held-out accuracy depends on regularization, too;\nmini-batches provide a little of it.',
);
saveFigure(
  'digits.svg',
  convergence(
    runs.map(({ name, times, losses }) => ({ name, runs: [{ x: times, y: losses }] })),
    {
      title: `${samples} handwritten digits, 25 450 parameters`,
      xlabel: 'seconds',
      ylabel: 'training loss (cross-entropy)',
    },
  ),
);
saveFigure(
  'digits-accuracy.svg',
  convergence(
    runs.map(({ name, times, accuracies }) => ({
      name,
      runs: [{ x: times, y: accuracies.map((accuracy) => 100 * accuracy) }],
    })),
    {
      title: `${heldOut.x.shape[0]} digits held out`,
      xlabel: 'seconds',
      ylabel: 'accuracy (%)',
      yscale: 'linear',
    },
  ),
);

/** @param {{ optimizer: tf.Optimizer, batchSize: number }} method */
async function train({ optimizer, batchSize }) {
  const model = network();
  model.compile({ optimizer, loss: 'categoricalCrossentropy' });
  /** @type {number[]} */ const losses = [];
  /** @type {number[]} */ const accuracies = [];
  /** @type {number[]} */ const times = [];
  let start = performance.now();
  let ticks = 0;
  let epochs = 0;
  await model.fit(training.x, training.y, {
    batchSize,
    epochs: 100_000,
    shuffle: batchSize < samples,
    verbose: 0,
    callbacks: {
      onEpochEnd() {
        epochs++;
        // The clock is stopped while the training and held-out sets are evaluated for the report.
        const stopped = performance.now();
        const elapsed = (stopped - start) / 1000;
        if (elapsed < (times.length * seconds) / records) return;
        times.push(elapsed);
        losses.push(lossOf(model));
        accuracies.push(accuracyOf(model));
        for (; ticks < Math.min(seconds, Math.floor(elapsed)); ticks++) bar.step();
        if (elapsed >= seconds) model.stopTraining = true;
        start += performance.now() - stopped;
      },
    },
  });
  for (; ticks < seconds; ticks++) bar.step();
  model.dispose();
  return { losses, accuracies, times, epochs };
}

/** @param {number} seed */
function glorot(seed) {
  return tf.initializers.glorotUniform({ seed });
}

function network() {
  return tf.sequential({
    layers: [
      tf.layers.dense({ units: 32, activation: 'tanh', inputShape: [784], kernelInitializer: glorot(1) }),
      tf.layers.dense({ units: 10, activation: 'softmax', kernelInitializer: glorot(2) }),
    ],
  });
}

/** @param {tf.Sequential} model */
function lossOf(model) {
  const loss = /** @type {tf.Scalar} */ (model.evaluate(training.x, training.y, { batchSize: samples }));
  const value = loss.dataSync()[0];
  loss.dispose();
  return value;
}

/** @param {tf.Sequential} model */
function accuracyOf(model) {
  return tf.tidy(() => {
    const predicted = /** @type {tf.Tensor} */ (model.predict(heldOut.x)).argMax(1);
    return predicted.equal(heldOut.y.argMax(1)).mean().dataSync()[0];
  });
}
