import * as tf from '@tensorflow/tfjs';
import * as ort from 'onnxruntime-node';
import { miniBatches, trainable } from 'quasi-newton/onnx';
import { enableWasmConv } from 'quasi-newton/tfjs';
import { mlp } from '../../examples/lib/mlp.js';
import { mnist } from '../../examples/lib/mnist.js';
import { poissonError, resampledPoisson } from '../problems/poisson.js';
import { uniform } from '../problems/random.js';
import { characterModel, characters } from './characters.js';
import { cnn, tfjsCnnOn, tfjsImages } from './cnn.js';

/**
 * A network to train on mini-batches: `problem` draws the same batches each time; `measure` returns values to minimize,
 * the training loss or error first.
 *
 * @typedef {{
 *   problem: () => import('quasi-newton').AsyncProblem | import('quasi-newton').Problem,
 *   measure: (x: Float64Array) => Promise<number[]>,
 *   close: () => unknown,
 * }} Task
 */

const batchSize = 128;
const training = mnist(0, 8000);
const heldOut = mnist(800, 600);

/** Number of steps in an epoch of digits. */
export const stepsPerEpoch = Math.floor(training.labels.length / batchSize);

/** @typedef {Record<string, { data: Float32Array | Int32Array, dims: number[] }>} Feeds */

/** @param {{ pixels: Float32Array, labels: Int32Array }} set @param {number[]} dims @returns {Feeds} */
const digitFeeds = ({ pixels, labels }, dims) => ({
  x: { data: pixels, dims: [labels.length, ...dims] },
  target: { data: labels, dims: [labels.length] },
});

/** Returns some of the samples. @param {Feeds} feeds @param {number} from @param {number} to @returns {Feeds} */
const part = (feeds, from, to) =>
  Object.fromEntries(
    Object.entries(feeds).map(
      ([
        name,
        {
          data,
          dims: [count, ...rest],
        },
      ]) => {
        const size = data.length / count;
        return [name, { data: data.subarray(from * size, to * size), dims: [to - from, ...rest] }];
      },
    ),
  );

/**
 * Makes a task of a model in ONNX Runtime.
 *
 * @param {Uint8Array} bytes
 * @param {[training: Feeds, heldOut: Feeds]} sets
 * @param {number} size - of a batch
 * @param {number} seed - of the order of the batches
 * @returns {Promise<Task>}
 */
async function onnxTask(bytes, sets, size, seed) {
  const model = await trainable(ort, bytes, { loss: 'softmaxCrossEntropy' });
  const p0 = model.params.copyInto(model.params.zeros());
  /** Computes the mean loss of a set, in parts that fit into memory. @param {Feeds} feeds @param {Float64Array} x */
  const lossOf = async (feeds, x) => {
    const count = feeds.x.dims[0];
    let sum = 0;
    for (let from = 0; from < count; from += 1000) {
      const to = Math.min(from + 1000, count);
      sum += (to - from) * (await model.problem(part(feeds, from, to)).fg(x, null));
    }
    return sum / count;
  };
  return {
    problem() {
      model.params.copyFrom(p0);
      return model.problem(miniBatches(sets[0], { batchSize: size, random: uniform(seed) }));
    },
    measure: async (x) => [await lossOf(sets[0], x), await lossOf(sets[1], x)],
    close: () => model.dispose(),
  };
}

/** @param {number} seed */
export const convolutional = (seed) =>
  onnxTask(cnn(seed), [digitFeeds(training, [1, 28, 28]), digitFeeds(heldOut, [1, 28, 28])], batchSize, seed);

/** @param {number} seed */
export const dense = (seed) =>
  onnxTask(
    mlp([784, 128, 10], { seed }),
    [digitFeeds(training, [784]), digitFeeds(heldOut, [784])],
    batchSize,
    seed,
  );

/** @param {number} seed */
export const text = (seed) =>
  onnxTask(characterModel(seed), [characters(2048, 32, 1), characters(512, 32, 2)], 32, seed);

/** @param {number} seed @returns {Promise<Task>} */
export async function pinn(seed) {
  return {
    problem: () => resampledPoisson(seed),
    measure: async (x) => [poissonError(x)],
    close() {},
  };
}

/**
 * Makes the task of the convolutional network in tfjs wasm.
 *
 * @param {number} seed
 * @returns {Promise<Task>}
 */
export async function convolutionalInTfjs(seed) {
  await import('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend('wasm');
  enableWasmConv();
  tf.enableProdMode();
  const onnx = await trainable(ort, cnn(seed), { loss: 'softmaxCrossEntropy' });
  const p0 = onnx.params.copyInto(onnx.params.zeros());
  await onnx.dispose();
  const none = tfjsImages(training.pixels.subarray(0, 784), training.labels.subarray(0, 1));
  let batch = none;
  const model = tfjsCnnOn(p0, () => batch);
  const start = model.p0.slice();
  /** Returns samples in an order that is repeated in each epoch. @param {number[]} order */
  const gather = (order) => {
    const pixels = new Float32Array(order.length * 784);
    order.forEach((k, i) => pixels.set(training.pixels.subarray(784 * k, 784 * (k + 1)), 784 * i));
    return tfjsImages(
      pixels,
      Int32Array.from(order, (k) => training.labels[k]),
    );
  };
  /** @param {ReturnType<typeof tfjsImages>} next */
  const take = (next) => {
    if (batch !== none) tf.dispose(batch);
    batch = next;
  };
  return {
    problem() {
      model.params.copyFrom(start);
      const random = uniform(seed);
      const order = Array.from(training.labels.keys());
      let at = Infinity;
      return {
        ...model,
        p0: start,
        nextBatch() {
          if (at + batchSize > order.length) {
            for (let i = order.length - 1; i > 0; i--) {
              const j = Math.floor(random() * (i + 1));
              [order[i], order[j]] = [order[j], order[i]];
            }
            at = 0;
          }
          take(gather(order.slice(at, at + batchSize)));
          at += batchSize;
        },
      };
    },
    async measure(x) {
      const means = [];
      for (const { pixels, labels } of [training, heldOut]) {
        let sum = 0;
        for (let from = 0; from < labels.length; from += 1000) {
          const some = labels.subarray(from, from + 1000);
          take(tfjsImages(pixels.subarray(784 * from, 784 * (from + some.length)), some));
          sum += some.length * model.fg(x, null);
        }
        means.push(sum / labels.length);
      }
      take(none);
      return means;
    },
    close: () => tf.disposeVariables(),
  };
}
