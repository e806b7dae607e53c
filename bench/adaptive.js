// Adaptive grids beside whole ones: evaluations, and the largest error as it is and as the grid itself estimates it.
// A classifier of 2-8-8-2 in each backend, at four places of its training; where a fifth of the
// points does not reach a quarter of a band, with half of them too.
import * as tf from '@tensorflow/tfjs';
import * as ort from 'onnxruntime-node';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { landscapeAsync } from 'quasi-newton/landscape';
import { trainable } from 'quasi-newton/onnx';
import { modelProblem } from 'quasi-newton/tfjs';
import { mlp } from '../examples/lib/mlp.js';
import { printTable } from '../examples/lib/report.js';

/** @import { AsyncProblem, Problem } from 'quasi-newton' */
/** @import { LandscapeData } from 'quasi-newton/landscape' */

export const title = 'Adaptive grids beside whole ones';

const npoints = 65;
const inputs = Float32Array.from({ length: 80 }, (_, i) => Math.sin(3 * i) + Math.cos(i / 7));
const labels = Array.from({ length: 40 }, (_, i) => (inputs[2 * i] * inputs[2 * i + 1] > 0 ? 1 : 0));

const dense = (/** @type {number} */ units, /** @type {number} */ seed, /** @type {object} */ more) =>
  tf.layers.dense({ units, kernelInitializer: tf.initializers.glorotUniform({ seed }), ...more });

/** @type {Record<string, () => Promise<AsyncProblem | Problem>>} */
const problems = {
  async tfjs() {
    const model = tf.sequential({
      layers: [
        dense(8, 1, { inputShape: [2], activation: 'tanh' }),
        dense(8, 2, { activation: 'relu' }),
        dense(2, 3, { activation: 'softmax' }),
      ],
    });
    model.compile({ loss: 'categoricalCrossentropy', optimizer: 'sgd' });
    const classes = tf.oneHot(tf.tensor1d(labels, 'int32'), 2).toFloat();
    return modelProblem(model, tf.tensor2d(inputs, [40, 2]), classes);
  },
  async 'ONNX Runtime'() {
    const model = await trainable(ort, mlp([2, 8, 8, 2]), { loss: 'softmaxCrossEntropy' });
    return model.problem({ x: { data: inputs, dims: [40, 2] }, target: { data: labels, dims: [40] } });
  },
};

/** Iterations of L-BFGS before, seed of the plane, and the scale that it is drawn in. */
const places = /** @type {const} */ ([
  { name: 'start, linear', iterations: 0, seed: 2, scale: 'linear' },
  { name: 'trained, linear', iterations: 8, seed: 4, scale: 'linear' },
  { name: 'trained, log', iterations: 8, seed: 5, scale: 'log' },
  { name: 'minimum, log', iterations: 25, seed: 5, scale: 'log' },
]);

/** Prints a table; errors are in color bands, 20 between robust limits of the whole grid. */
export async function run() {
  await tf.setBackend('cpu');
  const rows = [];
  for (const [backend, make] of Object.entries(problems)) {
    for (const { name, iterations, seed, scale } of places) {
      const problem = await make();
      const center =
        iterations === 0
          ? problem.p0
          : (await minimizeAsync(problem, lbfgs(), { maxIterations: iterations })).x;
      const options = { npoints, seed, center, normalize: /** @type {const} */ ('filter') };
      const whole = await landscapeAsync(problem, options);
      for (const budget of [0.2, 0.5]) {
        const some = await landscapeAsync(problem, { ...options, adaptive: { scale, budget } });
        rows.push([`${backend}, ${name}`, `${100 * budget} %`, ...compared(some, whole, scale)]);
        if (some.adaptive?.reached) break;
      }
    }
  }
  printTable(
    ['65 × 65 points', 'Budget', 'Evaluated', 'Largest error', 'Estimated', 'Mean', 'Within ¼ band'],
    rows,
  );
}

/**
 * Share of evaluations, true and estimated errors.
 *
 * @param {LandscapeData} some
 * @param {LandscapeData} whole
 * @param {'linear' | 'log'} scale
 */
function compared(some, whole, scale) {
  const { adaptive } = some;
  if (adaptive === undefined) throw new Error('there is no report of the adaptive grid');
  const shown = (/** @type {number} */ z) => (scale === 'log' ? Math.log10(z) : z);
  const truth = Array.from(whole.z, shown);
  const band = bandOf(truth.toSorted((a, b) => a - b));
  const errors = truth.map((value, cell) => Math.abs(value - shown(some.z[cell])) / band);
  return [
    `${((100 * adaptive.evaluations) / adaptive.of).toFixed(1)} %`,
    Math.max(...errors).toFixed(2),
    adaptive.estimatedError.toFixed(2),
    (errors.reduce((sum, error) => sum + error, 0) / errors.length).toFixed(3),
    adaptive.reached ? 'said' : 'not said',
  ];
}

/** @param {readonly number[]} sorted */
function bandOf(sorted) {
  const at = (/** @type {number} */ p) => sorted[Math.round(p * (sorted.length - 1))];
  const reach = at(0.98) - at(0.02);
  return (Math.min(at(1), at(0.98) + reach) - Math.max(at(0), at(0.02) - reach)) / 20;
}
