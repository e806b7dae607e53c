// Mini-batches of digits in ONNX Runtime: Adam beside SOAP, each at several rates with warm-up and cosine decay, from
// three seeds. `npm run bench -- batches`
import * as ort from 'onnxruntime-node';
import { adam, cosineDecay, minimizeAsync, soap, warmup } from 'quasi-newton';
import { miniBatches, trainable } from 'quasi-newton/onnx';
import { mlp } from '../examples/lib/mlp.js';
import { mnist } from '../examples/lib/mnist.js';
import { median, printTable } from '../examples/lib/report.js';
import { cnn } from './lib/cnn.js';
import { uniform } from './problems/random.js';

export const title = 'Mini-batches: SOAP beside Adam';

const seeds = [1, 2, 3];
const batchSize = 128;
const training = mnist(0, 8000);
const heldOut = mnist(800, 600);
const stepsPerEpoch = Math.floor(training.labels.length / batchSize);
const warmupSteps = 50;

/** @typedef {import('quasi-newton').Schedule} Schedule */
/** @type {Record<string, (learningRate: Schedule) => import('quasi-newton').Solver<any>>} */
const methods = {
  adam: (learningRate) => adam({ learningRate }),
  soap: (learningRate) => soap({ learningRate }),
};

/** @typedef {{ bytes: (seed: number) => Uint8Array, dims: number[], runs: [string, number, number[]][] }} Network */
/** Networks, and of each the methods with their epochs and rates. @type {Record<string, Network>} */
const networks = {
  'Convolutional, 9226 parameters': {
    bytes: cnn,
    dims: [1, 28, 28],
    runs: [
      ['adam', 5, [0.01, 0.02, 0.04, 0.08]],
      ['soap', 5, [0.01, 0.02, 0.04, 0.08]],
      ['soap', 3, [0.02, 0.04]],
    ],
  },
  '784-128-10, 101770 parameters': {
    bytes: (seed) => mlp([784, 128, 10], { seed }),
    dims: [784],
    runs: [
      ['adam', 3, [0.005, 0.01, 0.02, 0.04]],
      ['soap', 3, [0.005, 0.01, 0.02]],
    ],
  },
};

/** Prints a table for each network: medians over the seeds. */
export async function run() {
  for (const [name, network] of Object.entries(networks)) {
    /** @type {Record<string, { loss: number, test: number, seconds: number }[]>} */
    const results = {};
    for (const seed of seeds) {
      const model = await trainable(ort, network.bytes(seed), { loss: 'softmaxCrossEntropy' });
      // The rates take turns within a seed, so that a busy moment of the machine hits all alike.
      for (const [method, epochs, rates] of network.runs) {
        for (const rate of rates) {
          const key = `${method}, ${epochs} epochs, rate ${rate}`;
          (results[key] ??= []).push(await train(model, network.dims, method, epochs, rate, seed));
        }
      }
      await model.dispose();
    }
    printTable(
      [name, 'Training loss', 'Least', 'Most', 'Held-out loss', 'Seconds', 'Least'],
      Object.entries(results).map(([key, runs]) => {
        const of = (/** @type {'loss' | 'test' | 'seconds'} */ what) => runs.map((result) => result[what]);
        return [
          key,
          median(of('loss')).toExponential(1),
          Math.min(...of('loss')).toExponential(1),
          Math.max(...of('loss')).toExponential(1),
          median(of('test')).toExponential(1),
          median(of('seconds')).toFixed(1),
          Math.min(...of('seconds')).toFixed(1),
        ];
      }),
    );
    console.log();
  }
}

/**
 * Trains from the model's initial weights.
 *
 * @param {Awaited<ReturnType<typeof trainable>>} model
 * @param {number[]} dims - of one sample
 * @param {string} method
 * @param {number} epochs
 * @param {number} rate
 * @param {number} seed - of the order of the batches
 */
async function train(model, dims, method, epochs, rate, seed) {
  const p0 = model.params.copyInto(model.params.zeros());
  const steps = epochs * stepsPerEpoch;
  const after = cosineDecay({ from: rate, steps: steps - warmupSteps });
  const solver = methods[method](warmup({ steps: warmupSteps, after }));
  const batches = miniBatches(feedsOf(training, dims), { batchSize, random: uniform(seed) });
  const { x, elapsed } = await minimizeAsync(model.problem(batches), solver, {
    maxIterations: steps,
    gtol: 0,
  });
  const loss = await lossOf(model, training, dims, x);
  const test = await lossOf(model, heldOut, dims, x);
  model.params.copyFrom(p0);
  return { loss, test, seconds: elapsed };
}

/**
 * The mean loss of a set, in parts that fit into memory.
 *
 * @param {Awaited<ReturnType<typeof trainable>>} model
 * @param {ReturnType<typeof mnist>} set
 * @param {number[]} dims
 * @param {Float64Array} x
 */
async function lossOf(model, { pixels, labels }, dims, x) {
  const part = Math.min(1000, labels.length);
  let sum = 0;
  for (let from = 0; from < labels.length; from += part) {
    const some = {
      pixels: pixels.subarray(from * 784, (from + part) * 784),
      labels: labels.subarray(from, from + part),
    };
    sum += some.labels.length * (await model.problem(feedsOf(some, dims)).fg(x, null));
  }
  return sum / labels.length;
}

/**
 * @param {{ pixels: Float32Array, labels: Int32Array }} set
 * @param {number[]} dims
 */
function feedsOf({ pixels, labels }, dims) {
  return {
    x: { data: pixels, dims: [labels.length, ...dims] },
    target: { data: labels, dims: [labels.length] },
  };
}
