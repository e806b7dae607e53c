// A network with 46 parameters learns the sine function. Compares Adam, L-BFGS and BFGS over ten seeds, all called
// through `tf.Optimizer.minimize`. Writes out/sine.svg.
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import { BFGSOptimizer, LBFGSOptimizer } from 'quasi-newton/tfjs';
import { convergence } from 'quasi-newton/landscape';
import { progressBar } from './lib/progress.js';
import { median, printTable, saveFigure } from './lib/report.js';
import { sineData, sineNet, trainSine } from './lib/sine.js';

const quick = process.env.QUICK === '1';
const seeds = quick ? 2 : 10;
const iterations = quick ? 50 : 500;

tf.enableProdMode();
await tf.setBackend('cpu');
const data = sineData();

/** Adam's rates span the range in which it does best; which one wins changes with the seeds. */
const methods = [
  { name: 'Adam, rate 0.01', optimizer: () => tf.train.adam(0.01) },
  { name: 'Adam, rate 0.05', optimizer: () => tf.train.adam(0.05) },
  { name: 'Adam, rate 0.2', optimizer: () => tf.train.adam(0.2) },
  { name: 'L-BFGS', optimizer: () => new LBFGSOptimizer({ fullBatch: true }) },
  { name: 'BFGS', optimizer: () => new BFGSOptimizer({ fullBatch: true }) },
];

console.log(
  `\nThe sine problem: MLP 1-5-5-1, ${iterations} iterations, ${seeds} seeds, float32, backend ${tf.getBackend()}\n`,
);
const bar = progressBar('Fitting the sine', methods.length * seeds);
/** @type {Map<string, { losses: number[], milliseconds: number, evaluations: number }[]>} */
const runs = new Map(methods.map(({ name }) => [name, []]));
for (let seed = 1; seed <= seeds; seed++) {
  // Methods alternate within each seed, so that load on the machine affects all of them equally.
  for (const { name, optimizer } of methods) {
    runs.get(name)?.push(trainSine(sineNet(seed), optimizer(), data, iterations));
    bar.step();
    await setImmediate(); // or a bar that is written to a file, by a timer, would not move
  }
}
bar.done();

const best = Math.min(...methods.slice(0, 3).map(({ name }) => finalLoss(name)));
const adamTime = time(methods[0].name);
printTable(
  [
    'Method',
    'Median final loss',
    'Below best Adam',
    'Evaluations/iteration',
    'ms/iteration',
    'Relative to Adam',
  ],
  methods.map(({ name }) => [
    name,
    finalLoss(name).toExponential(1),
    `${Number((best / finalLoss(name)).toPrecision(3))} ×`,
    median(runsOf(name).map(({ evaluations }) => evaluations / iterations)).toFixed(2),
    time(name).toFixed(2),
    `${(time(name) / adamTime).toFixed(2)} ×`,
  ]),
);
saveFigure(
  'sine.svg',
  convergence(
    methods.map(({ name }) => ({
      name,
      runs: runsOf(name).map(({ losses }) => ({ x: losses.map((_, i) => i), y: losses })),
    })),
    {
      title: 'Learning the sine: 46 parameters, ten seeds',
      xlabel: 'iteration',
      ylabel: 'mean squared error',
    },
  ),
);

/** @param {string} name */
function runsOf(name) {
  return runs.get(name) ?? [];
}

/** @param {string} name */
function finalLoss(name) {
  return median(runsOf(name).map(({ losses }) => losses[losses.length - 1]));
}

/** @param {string} name */
function time(name) {
  return median(runsOf(name).map(({ milliseconds }) => milliseconds));
}
