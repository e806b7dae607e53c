// Training in ONNX Runtime compared with tfjs wasm, with torch, with the loss alone and with a bare `session.run`; then 1,000
// digits to a loss of 1e-3. The candidates alternate, so that load on the machine affects all of them equally; each turn
// is a few consecutive evaluations, as a solver makes them.
import * as tf from '@tensorflow/tfjs';
import * as ort from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { trainable } from 'quasi-newton/onnx';
import { mlp } from '../examples/lib/mlp.js';
import { mnist } from '../examples/lib/mnist.js';
import { enableWasmConv } from 'quasi-newton/tfjs';
import { median, printTable } from '../examples/lib/report.js';
import { cnn, tfjsCnn } from './lib/cnn.js';
import { trainingMemory } from './lib/trainingMemory.js';
import { tfjsDigits } from './lib/tfjsDigits.js';
import { againstTorch } from './lib/againstTorch.js';
import { times, typical } from './lib/turns.js';

export const title = 'Training in ONNX Runtime';

/** Session options of ONNX Runtime. @type {Record<string, object>} */
const settings = { 'one thread': { intraOpNumThreads: 1 }, 'two threads': { intraOpNumThreads: 2 } };
/** Prints the tables, and returns them as rows. */
export async function run() {
  // First, while no other backend lives in the process.
  const overhead = [...(await againstBare([784, 128, 10], 256)), ...(await againstBare([2, 8, 1], 20))];
  const speed = await againstTfjs();
  printTable(
    ['784-128-10, 256 digits', 'Loss and gradients, ms', 'Least', 'Faster than tfjs wasm', 'Least'],
    speed,
  );
  console.log();
  const convolutions = await convolutional();
  printTable(
    [
      'Convolutional, 128 digits',
      'Loss, ms',
      'Least',
      'And gradients, ms',
      'Least',
      'Ratio',
      'Faster than tfjs wasm',
      'Least',
    ],
    convolutions,
  );
  console.log();
  const torch = await againstTorch();
  if (torch !== null) {
    printTable(
      [
        'One thread',
        'Loss, least ms',
        'And gradients',
        'Least',
        'Ratio',
        `torch ${torch.version}, ms`,
        'Least',
        'Of torch',
        'Least',
      ],
      torch.rows,
    );
    console.log();
  }
  printTable(['Network', 'Session', 'Bare run, µs', 'fg, µs', 'Added, µs', 'Added'], overhead);
  console.log();
  const frozen = await frozenLayers();
  printTable(['Head of the convolutional network, 600 digits', 'Evaluations', 'Loss', 'Seconds'], frozen);
  console.log();
  const training = await trainDigits();
  printTable(['1,000 digits', 'Iterations', 'Evaluations', 'Loss', 'Seconds'], training);
  console.log();
  const memory = trainingMemory();
  printTable(
    [
      'One evaluation, 32 samples',
      'Parameters',
      'Weights, MB',
      'First session, MB',
      'Peak beyond the model, MB',
      'Weights',
      'Without float64',
    ],
    [memory],
  );
  return { speed, convolutions, overhead, frozen, training, memory };
}

/** Loss and gradients of a batch of digits in tfjs wasm, without and with `enableWasmConv()`, and in ONNX Runtime. */
async function againstTfjs() {
  await import('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend('wasm');
  // Its idle threads would keep spinning while the others are timed.
  web.env.wasm.numThreads = 1;
  const { pixels, labels } = mnist(0, 256);
  const models = await Promise.all([
    ...Object.values(settings).map((sessionOptions) => digitModel(ort, sessionOptions)),
    digitModel(web, {}),
  ]);
  const problems = models.map((model) => model.problem(digitFeeds(pixels, labels)));
  const inTfjs = tfjsDigits(problems[0].p0, [784, 128, 10], pixels, labels);
  const gradient = new Float64Array(inTfjs.p0.length);
  const [tfjs, ...onnx] = await times(
    25,
    [inTfjs, ...problems].map(
      ({ p0, fg }) =>
        () =>
          fg(p0, gradient),
    ),
    5,
  );
  await Promise.all(models.map((model) => model.dispose()));
  // It cannot be undone, so this is timed after the others.
  enableWasmConv();
  const { p0, fg } = inTfjs;
  const [mended] = await times(25, [() => fg(p0, gradient)], 5);
  return [
    ['tfjs wasm', ...typical(tfjs), '', ''],
    ['tfjs wasm, enableWasmConv()', ...typical(mended), ...faster(tfjs, mended)],
    ...[...Object.keys(settings), 'wasm'].map((name, i) =>
      [`ONNX Runtime, ${name}`].concat(typical(onnx[i]), faster(tfjs, onnx[i])),
    ),
  ];
}

/**
 * Returns the speed-up in the median round, and by the minimum times.
 *
 * @param {number[]} slow
 * @param {number[]} fast
 */
const faster = (slow, fast) =>
  [median(fast.map((time, round) => slow[round] / time)), Math.min(...slow) / Math.min(...fast)].map(
    (ratio) => `${ratio.toFixed(0)} ×`,
  );

/** The loss of a convolutional network without and with its gradients; in tfjs wasm with `enableWasmConv()`. */
async function convolutional() {
  const { pixels, labels } = mnist(0, 128);
  const models = await Promise.all(
    Object.values(settings).map((sessionOptions) =>
      trainable(ort, cnn(), { loss: 'softmaxCrossEntropy', sessionOptions }),
    ),
  );
  const problems = models.map((model) =>
    model.problem({
      x: { data: pixels, dims: [labels.length, 1, 28, 28] },
      target: { data: labels, dims: [labels.length] },
    }),
  );
  const inTfjs = tfjsCnn(problems[0].p0, pixels, labels);
  // p0 copies the current parameters: it is read once, outside the timed part.
  const contestants = [inTfjs, ...problems].map(({ p0, fg }) => ({ p0, fg }));
  const gradient = new Float64Array(inTfjs.p0.length);
  const loss = contestants.map(
    ({ p0, fg }) =>
      () =>
        fg(p0, null),
  );
  const both = contestants.map(
    ({ p0, fg }) =>
      () =>
        fg(p0, gradient),
  );
  const measured = await times(10, [...loss, ...both], 3);
  await Promise.all(models.map((model) => model.dispose()));
  const names = [
    'tfjs wasm, enableWasmConv()',
    ...Object.keys(settings).map((name) => `ONNX Runtime, ${name}`),
  ];
  return names.map((name, i) => {
    const [alone, full] = [measured[i], measured[names.length + i]];
    const ratio = Math.min(...full) / Math.min(...alone);
    const times = i === 0 ? ['', ''] : faster(measured[names.length], full);
    return [name].concat(typical(alone), typical(full), ratio.toFixed(1), times);
  });
}

/**
 * @param {import('quasi-newton/onnx').Ort} runtime
 * @param {object} sessionOptions
 */
function digitModel(runtime, sessionOptions) {
  return trainable(runtime, mlp([784, 128, 10]), { loss: 'softmaxCrossEntropy', sessionOptions });
}

/**
 * @param {Float32Array} pixels
 * @param {Int32Array} labels
 */
function digitFeeds(pixels, labels) {
  return { x: { data: pixels, dims: [labels.length, 784] }, target: { data: labels, dims: [labels.length] } };
}

/**
 * Measures what `fg` of a problem adds to `session.run` of the same session with the same feeds. Each has many turns in a
 * row, since a run after one of the other's would read parameters that the other wrote.
 *
 * @param {number[]} sizes
 * @param {number} samples
 */
async function againstBare(sizes, samples) {
  const outputs = sizes[sizes.length - 1];
  const x = new Float32Array(samples * sizes[0]).map((_, i) => Math.sin(i));
  const target = new Float32Array(samples * outputs).map((_, i) => Math.cos(i));
  const rows = [];
  for (const [name, sessionOptions] of Object.entries(settings)) {
    const { runtime, bare } = recording();
    const model = await trainable(runtime, mlp(sizes), { loss: 'mse', sessionOptions });
    const { p0, fg } = model.problem({
      x: { data: x, dims: [samples, sizes[0]] },
      target: { data: target, dims: [samples, outputs] },
    });
    const gradient = new Float64Array(p0.length);
    await fg(p0, gradient);
    const tasks = [bare, () => fg(p0, gradient)];
    const [alone, through] = await times(p0.length > 1000 ? 60 : 400, tasks, 40);
    rows.push([
      `${sizes.join('-')}, ${p0.length} parameters`,
      name,
      (1000 * median(alone)).toFixed(0),
      (1000 * median(through)).toFixed(0),
      (1000 * median(through.map((time, round) => time - alone[round]))).toFixed(0),
      `${(100 * median(through.map((time, round) => time / alone[round] - 1))).toFixed(0)} %`,
    ]);
    await model.dispose();
  }
  return rows;
}

/** Returns ONNX Runtime, and a function that repeats the last run of its last session. */
function recording() {
  /** @type {{ session?: ort.InferenceSession, run?: [ort.InferenceSession.FeedsType, ort.InferenceSession.FetchesType] }} */
  const last = {};
  const InferenceSession = {
    /** @param {Uint8Array} bytes @param {object} options */
    async create(bytes, options) {
      const session = await ort.InferenceSession.create(bytes, options);
      return {
        /** @param {ort.InferenceSession.FeedsType} feeds @param {ort.InferenceSession.FetchesType} fetches */
        run(feeds, fetches) {
          Object.assign(last, { session, run: [feeds, fetches] });
          return session.run(feeds, fetches);
        },
        release: () => session.release(),
      };
    },
  };
  return { runtime: { ...ort, InferenceSession }, bare: () => last.run && last.session?.run(...last.run) };
}

/** Trains a head on two frozen convolutions, which are computed at every evaluation or only once. */
async function frozenLayers() {
  const rows = [];
  for (const frozen of /** @type {const} */ (['every', 'once'])) {
    const { pixels, labels } = mnist(0, 600);
    const model = await trainable(ort, cnn(), {
      loss: 'softmaxCrossEntropy',
      trainable: ({ name }) => name.startsWith('2.'),
      frozen,
      sessionOptions: settings['one thread'],
    });
    const problem = model.problem({
      x: { data: pixels, dims: [labels.length, 1, 28, 28] },
      target: { data: labels, dims: [labels.length] },
    });
    const { f, evaluations, elapsed } = await minimizeAsync(problem, lbfgs(), { maxIterations: 60 });
    rows.push([`frozen: '${frozen}'`, String(evaluations.f), f.toExponential(1), elapsed.toFixed(2)]);
    await model.dispose();
  }
  return rows;
}

/** Full-batch L-BFGS until the training loss is 1e-3. */
async function trainDigits() {
  const rows = [];
  for (const [name, sessionOptions] of Object.entries(settings)) {
    const model = await digitModel(ort, sessionOptions);
    const { pixels, labels } = mnist(0, 1000);
    const { f, iterations, evaluations, elapsed } = await minimizeAsync(
      model.problem(digitFeeds(pixels, labels)),
      lbfgs(),
      { callback: ({ f }) => f <= 1e-3 },
    );
    rows.push([
      `784-128-10, ${name}`,
      String(iterations),
      String(evaluations.f),
      f.toExponential(1),
      elapsed.toFixed(2),
    ]);
    await model.dispose();
  }
  return rows;
}

if (process.argv[1] === new URL(import.meta.url).pathname) await run();
