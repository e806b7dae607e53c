// Runs in a browser, on the built package: a model trains, and its landscape is drawn meanwhile.
import * as tf from '@tensorflow/tfjs';
import * as ort from 'onnxruntime-web';
import { adam, minimizeAsync } from 'quasi-newton';
import { contourf, liveLandscape, liveLandscapeAsync, surface } from 'quasi-newton/landscape';
import { trainable } from 'quasi-newton/onnx';
import { modelProblem } from 'quasi-newton/tfjs';
import { mlp } from '../../../examples/lib/mlp.js';

ort.env.wasm.numThreads = 1;

const element = /** @type {HTMLElement} */ (document.querySelector('#figure'));
const draws = { contourf, surface };
const inputs = Float32Array.from({ length: 64 }, (_, i) => -2 + i / 16);

/** Trains with `model.fit` until so many pictures are drawn. @param {number} updates @param {keyof typeof draws} draw */
export async function trainTfjs(updates, draw) {
  await tf.setBackend('cpu');
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 12, activation: 'tanh', inputShape: [1] }),
      tf.layers.dense({ units: 12, activation: 'tanh' }),
      tf.layers.dense({ units: 1 }),
    ],
  });
  model.compile({ loss: 'meanSquaredError', optimizer: tf.train.adam(0.005) });
  const x = tf.tensor2d(inputs, [64, 1]);
  const y = tf.tensor2d(
    inputs.map((value) => Math.sin(3 * value)),
    [64, 1],
  );
  const live = liveLandscape(modelProblem(model, x, y), { to: element, draw: draws[draw] });
  // The first steps compile what the engine runs.
  await model.fit(x, y, { epochs: 3, verbose: 0 });
  const start = performance.now();
  /** @type {(epoch: number, logs?: tf.Logs) => Promise<void>} */
  const onEpochEnd = async () => {
    await live.onBatchEnd();
    if (live.updates >= updates) model.stopTraining = true;
  };
  await model.fit(x, y, { epochs: 100_000, verbose: 0, callbacks: { onEpochEnd } });
  const seconds = (performance.now() - start) / 1000;
  await live.finish();
  return { updates: live.updates, seconds };
}

/** The same with ONNX Runtime and `minimizeAsync`. @param {number} updates @param {keyof typeof draws} draw */
export async function trainOnnx(updates, draw) {
  const model = await trainable(ort, mlp([1, 12, 12, 2]), { loss: 'softmaxCrossEntropy', target: 'wasm' });
  const labels = Array.from(inputs, (value) => (Math.sin(3 * value) > 0 ? 1 : 0));
  const problem = model.problem({
    x: { data: inputs, dims: [64, 1] },
    target: { data: labels, dims: [64] },
  });
  const live = liveLandscapeAsync(problem, { to: element, draw: draws[draw] });
  // The sessions for values and gradients are created at first use.
  await problem.fg(problem.p0, null);
  await minimizeAsync(problem, adam({ learningRate: 0.003 }), { maxIterations: 3 });
  const start = performance.now();
  await minimizeAsync(live.problem, adam({ learningRate: 0.003 }), {
    maxIterations: 1_000_000,
    gtol: 0,
    callback(progress) {
      live.callback(progress);
      return live.updates >= updates;
    },
  });
  const seconds = (performance.now() - start) / 1000;
  await live.finish();
  const result = { updates: live.updates, seconds };
  await model.dispose();
  return result;
}
