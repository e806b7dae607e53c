/** Trains two copies of a network, one with Adam and one with L-BFGS, and draws their progress. */
import * as tf from '@tensorflow/tfjs';
import { LBFGSOptimizer } from 'quasi-newton/tfjs';
import { drawFits, drawLosses } from './draw.js';

/**
 * A network in training.
 *
 * @typedef {object} Learner
 * @property {string} name
 * @property {string} key - its class in the style sheet
 * @property {tf.Sequential} model
 * @property {() => number} step - one iteration; returns the loss before it
 * @property {() => number} evaluationsOfStep
 * @property {number} evaluations
 * @property {number} iterations
 * @property {number} seconds
 * @property {{ evaluations: number, loss: number }[]} path
 */

const SAMPLES = 128;
const form = /** @type {HTMLFormElement} */ (document.querySelector('form'));
const button = /** @type {HTMLButtonElement} */ (form.querySelector('button'));
const progress = /** @type {HTMLProgressElement} */ (form.querySelector('progress'));
const rows = /** @type {HTMLElement} */ (document.querySelector('tbody'));
const lossFigure = /** @type {SVGElement} */ (document.querySelector('#loss'));
const fitFigure = /** @type {SVGElement} */ (document.querySelector('#fit'));

// The cpu backend is fastest for tensors this small: no round trip to the graphics card.
await tf.setBackend('cpu');

const inputs = Float32Array.from({ length: SAMPLES }, (_, i) => -2 + (4 * i) / (SAMPLES - 1));
const targets = inputs.map((x) => Math.sin(3 * x) + 0.4 * Math.cos(7 * x));
const x = tf.tensor2d(inputs, [SAMPLES, 1]);
const y = tf.tensor2d(targets, [SAMPLES, 1]);

/** @param {number} seed */
function network(seed) {
  /** @type {(units: number, layer: number, rest?: object) => tf.layers.Layer} */
  const dense = (units, layer, rest) =>
    tf.layers.dense({
      units,
      kernelInitializer: tf.initializers.glorotUniform({ seed: 10 * seed + layer }),
      ...rest,
    });
  return tf.sequential({
    layers: [
      dense(16, 1, { inputShape: [1], activation: 'tanh' }),
      dense(16, 2, { activation: 'tanh' }),
      dense(1, 3),
    ],
  });
}

/** @type {(name: string, key: string, optimizer: tf.Optimizer, seed: number, cost: () => number) => Learner} */
function learner(name, key, optimizer, seed, evaluationsOfStep) {
  const model = network(seed);
  const loss = () => tf.losses.meanSquaredError(y, /** @type {tf.Tensor} */ (model.apply(x)));
  const step = () => {
    const value = /** @type {tf.Scalar} */ (optimizer.minimize(/** @type {() => tf.Scalar} */ (loss), true));
    const [before] = value.dataSync();
    value.dispose();
    return before;
  };
  return { name, key, model, step, evaluationsOfStep, evaluations: 0, iterations: 0, seconds: 0, path: [] };
}

/** @type {(seed: number, rate: number) => Learner[]} */
function learners(seed, rate) {
  const lbfgs = new LBFGSOptimizer({ fullBatch: true });
  // The networks of the previous run.
  tf.disposeVariables();
  return [
    learner(`Adam, ${rate}`, 'adam', tf.train.adam(rate), seed, () => 1),
    learner('L-BFGS', 'lbfgs', lbfgs, seed, () => lbfgs.progress?.evaluations ?? 1),
  ];
}

/** Takes steps until a learner has used its share of evaluations. @param {Learner} one @param {number} due */
function advance(one, due) {
  const start = performance.now();
  while (one.evaluations < due) {
    const loss = one.step();
    one.path.push({ evaluations: one.evaluations, loss });
    one.iterations++;
    one.evaluations += one.evaluationsOfStep();
  }
  one.seconds += (performance.now() - start) / 1000;
}

/** @param {Learner[]} both @param {number} total */
function show(both, total) {
  drawLosses(lossFigure, both, total);
  const fits = both.map(({ key, model }) => ({
    key,
    values: tf.tidy(() => /** @type {tf.Tensor} */ (model.predict(x)).dataSync()),
  }));
  drawFits(fitFigure, inputs, targets, fits);
  rows.replaceChildren(
    ...both.map(({ name, key, path, evaluations, iterations, seconds }) => {
      const row = document.createElement('tr');
      const cells = [
        name,
        path.at(-1)?.loss.toExponential(2) ?? '',
        evaluations,
        iterations,
        seconds.toFixed(2),
      ];
      row.append(
        ...cells.map((text, i) => {
          const cell = document.createElement('td');
          cell.textContent = String(text);
          if (i === 0) {
            cell.className = 'swatch';
            cell.style.setProperty('--color', `var(--${key})`);
          }
          return cell;
        }),
      );
      return row;
    }),
  );
}

async function train() {
  const fields = new FormData(form);
  const total = Number(fields.get('evaluations'));
  const both = learners(Number(fields.get('seed')), Number(fields.get('rate')));
  button.disabled = true;
  document.body.dataset.state = 'training';
  const FRAMES = 60;
  for (let frame = 1; frame <= FRAMES; frame++) {
    const due = Math.round((total * frame) / FRAMES);
    for (const one of both) advance(one, due);
    progress.value = frame / FRAMES;
    show(both, total);
    await tf.nextFrame();
  }
  button.disabled = false;
  document.body.dataset.state = 'done';
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void train();
});
document.body.dataset.state = 'ready';
