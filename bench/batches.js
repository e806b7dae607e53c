// Mini-batches: Adam and SOAP, each at several rates, with warm-up and cosine decay or schedule-free, for three seeds.
// `npm run bench -- batches`
import { adam, levenbergMarquardt, minimizeAsync, soap, warmup, warmupCosine } from 'quasi-newton';
import { median, printTable } from '../examples/lib/report.js';
import * as tasks from './lib/batchTasks.js';

export const title = 'Mini-batches: SOAP beside Adam';

const seeds = [1, 2, 3];

/** Warm-up steps of a full run; shorter runs have proportionally fewer. */
const WARM_UP = 50;

/** @typedef {(rate: number, steps: number, share: number) => import('quasi-newton').Solver<any>} Method */
/**
 * @param {(options: { learningRate: import('quasi-newton').Schedule }) => import('quasi-newton').Solver<any>} make
 * @returns {Method}
 */
const cosine = (make) => (peak, steps, share) =>
  make({ learningRate: warmupCosine({ peak, steps, warmup: Math.round(share * WARM_UP) }) });
/** @type {(rate: number) => import('quasi-newton').Schedule} */
const constant = (rate) => warmup({ steps: WARM_UP, after: rate });

/** @type {Record<string, Method>} */
const methods = {
  adam: cosine(adam),
  'adam, β₂ 0.95': cosine((options) => adam({ ...options, beta2: 0.95 })),
  soap: cosine(soap),
  'soap, maxSide 32': cosine((options) => soap({ ...options, maxSide: 32 })),
  'soap, both sides': cosine((options) => soap({ ...options, oneSided: false })),
  'soap, both sides, maxSide 32': cosine((options) => soap({ ...options, oneSided: false, maxSide: 32 })),
  'adam, weight decay 0.3': cosine((options) => adam({ ...options, weightDecay: 0.3 })),
  'soap, weight decay 0.3': cosine((options) => soap({ ...options, weightDecay: 0.3 })),
  'adam, schedule-free': (rate) => adam({ learningRate: constant(rate), scheduleFree: true }),
  'soap, schedule-free': (rate) => soap({ learningRate: constant(rate), scheduleFree: true }),
  'soap, both sides, schedule-free': (rate) =>
    soap({ learningRate: constant(rate), scheduleFree: true, oneSided: false }),
  levenbergMarquardt: () => levenbergMarquardt(),
  'soap, β₂ 0.99, frequency 2': cosine((options) => soap({ ...options, beta2: 0.99, frequency: 2 })),
};

/**
 * A network, its number of steps, and the runs: method, fraction of the steps, rates (0 for none).
 *
 * @typedef {{
 *   open: (seed: number) => Promise<tasks.Task>,
 *   steps: number,
 *   measures: string[],
 *   runs: [method: string, share: number, rates: number[]][],
 * }} Experiment
 */
const losses = ['Training loss', 'Held-out loss'];
const rates = [0.02, 0.03, 0.04, 0.06, 0.08];
const epoch = tasks.stepsPerEpoch;

/** @type {Record<string, Experiment>} */
const experiments = {
  'Digits, convolutional, 9226 parameters, ONNX Runtime': {
    open: tasks.convolutional,
    steps: 5 * epoch,
    measures: losses,
    runs: [
      ['adam', 1, rates],
      ['adam, β₂ 0.95', 1, rates],
      ['soap', 1, rates],
      ['soap, maxSide 32', 1, [0.03, 0.04]],
      ['soap', 0.66, [0.03, 0.04]],
      ['adam, weight decay 0.3', 1, [0.03]],
      ['soap, weight decay 0.3', 1, [0.03]],
      ['adam, schedule-free', 1, [0.08]],
      ['soap, schedule-free', 1, [0.03]],
      ['soap, schedule-free', 0.6, [0.03]],
    ],
  },
  'Digits, 784-128-10, 101770 parameters, ONNX Runtime': {
    open: tasks.dense,
    steps: 3 * epoch,
    measures: losses,
    runs: [
      ['adam', 1, [0.005, 0.01, 0.02, 0.03, 0.04]],
      ['adam, β₂ 0.95', 1, [0.005, 0.01, 0.02, 0.03, 0.04]],
      ['soap', 1, [0.005, 0.01, 0.02, 0.03, 0.04]],
      ['soap, maxSide 32', 1, [0.03, 0.04]],
      ['soap, both sides', 1, [0.02, 0.03, 0.04]],
      ['soap, both sides, maxSide 32', 1, [0.02, 0.03, 0.04]],
      ['soap', 0.71, [0.04]],
      ['soap, both sides, maxSide 32', 0.69, [0.03]],
      ['adam, weight decay 0.3', 1, [0.03]],
      ['soap, weight decay 0.3', 1, [0.03]],
      ['adam, schedule-free', 1, [0.03, 0.04]],
      ['soap, schedule-free', 1, [0.01, 0.02, 0.03]],
      ['soap, both sides, schedule-free', 1, [0.01, 0.03]],
      ['soap, schedule-free', 0.6, [0.03]],
      ['soap, both sides, schedule-free', 0.6, [0.03]],
    ],
  },
};

/** Prints a table for each experiment. */
export const run = () => runExperiments(experiments);

/** Prints a table for each experiment: medians over the seeds. @param {Record<string, Experiment>} some */
export async function runExperiments(some) {
  for (const [name, experiment] of Object.entries(some)) {
    /** @type {Map<string, { values: number[], seconds: number }[]>} */
    const results = new Map();
    for (const seed of seeds) {
      const task = await experiment.open(seed);
      // Rates alternate within a seed, so that load on the machine affects all of them equally.
      for (const [method, share, tried] of experiment.runs) {
        const steps = Math.round(share * experiment.steps);
        for (const rate of tried) {
          const key = `${method}, ${steps} steps${rate > 0 ? `, rate ${rate}` : ''}`;
          results.set(key, [
            ...(results.get(key) ?? []),
            await train(task, methods[method](rate, steps, share), steps),
          ]);
        }
      }
      await task.close();
    }
    report(name, experiment.measures, results);
    console.log();
  }
}

/**
 * @param {tasks.Task} task
 * @param {import('quasi-newton').Solver<any>} solver
 * @param {number} steps
 */
async function train(task, solver, steps) {
  const { x, elapsed } = await minimizeAsync(task.problem(), solver, {
    maxIterations: steps,
    gtol: 0,
    storeTrace: false,
  });
  return { values: await task.measure(x), seconds: elapsed };
}

/**
 * @param {string} name
 * @param {string[]} measures
 * @param {Map<string, { values: number[], seconds: number }[]>} results
 */
function report(name, measures, results) {
  printTable(
    [name, measures[0], 'Least', 'Most', ...measures.slice(1), 'Seconds', 'Least'],
    Array.from(results, ([key, runs]) => {
      const [first, ...others] = measures.map((_, i) => runs.map(({ values }) => values[i]));
      const seconds = runs.map((result) => result.seconds);
      return [
        key,
        ...[median(first), Math.min(...first), Math.max(...first)].map((value) => value.toExponential(1)),
        ...others.map((values) => median(values).toExponential(1)),
        median(seconds).toFixed(2),
        Math.min(...seconds).toFixed(2),
      ];
    }),
  );
}
