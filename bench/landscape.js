// Time of a landscape relative to its forward passes. In tfjs on wasm, it is compared with as many passes at one point, and
// with passes at the landscape's own points, which take longer: XNNPACK repacks weights whenever they change, and the wasm
// backend's tanh takes 7 ns for |x| < 0.1 or |x| > 20, but up to 14 ns in between. In ONNX Runtime, it is compared with
// one run per point. Then the same grid on a pool of workers. All alternate.
import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import * as ort from 'onnxruntime-node';
import { landscape, landscapeAsync, workerPool } from 'quasi-newton/landscape';
import { trainable } from 'quasi-newton/onnx';
import { optfuns } from 'quasi-newton/tfjs';
import { mlp } from '../examples/lib/mlp.js';
import { median, printTable } from '../examples/lib/report.js';
import network from './lib/landscapeProblem.js';

export const title = 'Landscapes beside bare forward passes';

/** Widths and samples, and the number of rounds in tfjs. */
const networks = [
  { widths: [1, 5, 5, 1], samples: 100, turns: 41 },
  { widths: [1, 16, 16, 1], samples: 100, turns: 41 },
  { widths: [10, 64, 64, 1], samples: 200, turns: 21 },
  { widths: [784, 32, 10], samples: 1000, turns: 9 },
];

/**
 * Prints three tables; times are microseconds per point, medians over the rounds. The last column of the first table
 * uses minimum times instead of medians, which is more reliable on a busy machine.
 */
export async function run() {
  await tf.setBackend('wasm');
  tf.enableProdMode();
  printTable(
    [
      'tfjs on wasm',
      'At one point',
      'At its points',
      'landscape',
      '÷ at one point',
      '÷ at its points',
      'of the quickest',
    ],
    networks.map(inTfjs),
  );
  console.log('');
  const rows = [];
  for (const which of networks.slice(0, 3)) rows.push(await inOnnx(which));
  printTable(
    ['ONNX Runtime, one thread', 'Run by run', 'landscape', '÷ run by run', 'Without batches'],
    rows,
  );
  console.log('');
  printTable(['Worker pool', 'Milliseconds', 'Speed-up'], await onPool());
}

/** @param {typeof networks[number]} network */
function inTfjs({ widths, samples, turns }) {
  // Few points make short turns, so that load on the machine affects all equally.
  const npoints = 15;
  const x = tf.randomUniform([samples, widths[0]], -1, 1, 'float32', 1);
  const y = tf.randomUniform([samples, widths[widths.length - 1]], -1, 1, 'float32', 2);
  const net = tf.sequential({
    layers: widths.slice(1).map((units, i) =>
      tf.layers.dense({
        units,
        ...(i < widths.length - 2 && { activation: 'tanh' }),
        ...(i === 0 && { inputShape: [widths[0]] }),
      }),
    ),
  });
  const loss = () => tf.losses.meanSquaredError(y, /** @type {tf.Tensor} */ (net.apply(x))).asScalar();
  const problem = optfuns(loss, net);
  const { params, p0 } = problem;
  const points = npoints ** 2;
  const value = () => tf.tidy(() => loss().dataSync()[0]);
  // The same points with a clock around each pass: the time of this landscape's passes alone.
  let bare = 0;
  const clocked = {
    p0,
    params,
    fg(/** @type {Float64Array} */ point) {
      params.copyFrom(point);
      const start = performance.now();
      const f = value();
      bare += performance.now() - start;
      return f;
    },
  };
  /** @type {number[]} */
  const bareTimes = [];
  const [asTheyAre, , grid] = inTurns(turns, [
    () => {
      for (let k = 0; k < points; k++) value();
    },
    () => {
      bare = 0;
      landscape(clocked, { npoints });
      bareTimes.push((1000 * bare) / points);
    },
    () => landscape(problem, { npoints }),
  ]).map((times) => times.map((time) => (1000 * time) / points));
  const passes = bareTimes.slice(1);
  tf.dispose([x, y]);
  net.dispose();
  return [
    `${widths.join('-')}, ${samples} samples`,
    median(asTheyAre).toFixed(0),
    median(passes).toFixed(0),
    median(grid).toFixed(0),
    ratio(grid, asTheyAre),
    ratio(grid, passes),
    (Math.min(...grid) / Math.min(...passes)).toFixed(2),
  ];
}

/** @param {typeof networks[number]} network */
async function inOnnx({ widths, samples }) {
  const npoints = 31;
  const rounds = 9;
  const model = await trainable(ort, mlp(widths, { seed: 1 }), {
    loss: 'mse',
    sessionOptions: { intraOpNumThreads: 1, interOpNumThreads: 1 },
  });
  const problem = model.problem({
    x: { data: numbers(samples * widths[0]), dims: [samples, widths[0]] },
    target: {
      data: numbers(samples * widths[widths.length - 1]),
      dims: [samples, widths[widths.length - 1]],
    },
  });
  const { p0, fg, params } = problem;
  const points = npoints ** 2;
  /** @type {[number[], number[], number[]]} */
  const all = [[], [], []];
  const contestants = [
    async () => {
      for (let k = 0; k < points; k++) await fg(p0, null);
    },
    () => landscapeAsync(problem, { npoints }),
    () => landscapeAsync({ p0, fg, params }, { npoints }),
  ];
  for (const contestant of contestants) await contestant();
  for (let round = 0; round < rounds; round++) {
    for (const [k, contestant] of contestants.entries()) {
      const start = performance.now();
      await contestant();
      all[k].push((1000 * (performance.now() - start)) / points);
    }
  }
  await model.dispose();
  const [runByRun, grid, single] = all;
  return [
    `${widths.join('-')}, ${samples} samples`,
    median(runByRun).toFixed(0),
    median(grid).toFixed(0),
    ratio(grid, runByRun),
    ratio(single, runByRun),
  ];
}

/** @param {number} n */
const numbers = (n) => Float32Array.from({ length: n }, (_, i) => Math.sin(12.9 * i));

async function onPool() {
  const problem = network();
  const module = new URL('./lib/landscapeProblem.js', import.meta.url);
  const threads = [...new Set([1, 2, availableParallelism()])];
  /** @type {number[][]} */
  const all = [[], ...threads.map(() => [])];
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    landscape(problem, { npoints: 101 });
    all[0].push(performance.now() - start);
    for (const [k, count] of threads.entries()) {
      const executor = workerPool(module, { threads: count });
      const begun = performance.now();
      await landscapeAsync(problem, { npoints: 101, executor });
      all[k + 1].push(performance.now() - begun);
    }
  }
  const names = ['none', ...threads.map((count) => `${count} thread${count > 1 ? 's' : ''}`)];
  return names.map((name, k) => [
    name,
    median(all[k]).toFixed(0),
    (median(all[0]) / median(all[k])).toFixed(2),
  ]);
}

/**
 * Times several tasks, in ms, which alternate; the first round is not counted.
 *
 * @param {number} turns
 * @param {(() => unknown)[]} tasks
 */
function inTurns(turns, tasks) {
  for (const task of tasks) task();
  /** @type {number[][]} */
  const all = tasks.map(() => []);
  for (let round = 0; round < turns; round++) {
    for (const [k, task] of tasks.entries()) {
      const start = performance.now();
      task();
      all[k].push(performance.now() - start);
    }
  }
  return all;
}

/**
 * Returns the median of the ratios within each round: a slow round is slow for both.
 *
 * @param {number[]} a
 * @param {number[]} b
 */
function ratio(a, b) {
  return median(a.map((value, k) => value / b[k])).toFixed(2);
}
