// The two figures of FluxOptTools.jl, reproduced: the sine problem's loss against epochs for Adam, SLBFGS and
// BFGS over ten seeds, and the time of an iteration relative to Adam's.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { boxplot, convergence } from 'quasi-newton/landscape';
import { BFGSOptimizer, LBFGSOptimizer, SLBFGSOptimizer, SSBroydenOptimizer } from 'quasi-newton/tfjs';
import { median, printTable } from '../examples/lib/report.js';
import { sineData, sineNet, trainSine } from '../examples/lib/sine.js';

export const title = 'The sine problem: losses and times beside the published ones';

const seeds = 10;
const iterations = 500;
const fullBatch = true;

/**
 * `published`: median final loss and median relative time as published by FluxOptTools.jl.
 *
 * @type {{ name: string, optimizer: () => tf.Optimizer, published?: { loss: number, time: number } }[]}
 */
const methods = [
  { name: 'Adam, rate 0.2', optimizer: () => tf.train.adam(0.2), published: { loss: 2.1e-3, time: 1 } },
  { name: 'Adam, rate 0.05', optimizer: () => tf.train.adam(0.05) },
  { name: 'Adam, rate 0.01', optimizer: () => tf.train.adam(0.01) },
  {
    name: 'SLBFGS, transposed',
    optimizer: () =>
      new SLBFGSOptimizer({
        fullBatch,
        memory: 15,
        lambda: 5e-4,
        alphaMax: 0.85,
        shrink: 0.2,
        transposed: true,
      }),
    published: { loss: 4.2e-4, time: 2.4 },
  },
  { name: 'SLBFGS', optimizer: () => new SLBFGSOptimizer({ fullBatch }) },
  { name: 'L-BFGS', optimizer: () => new LBFGSOptimizer({ fullBatch }) },
  {
    name: 'BFGS',
    optimizer: () => new BFGSOptimizer({ fullBatch }),
    published: { loss: 1.9e-7, time: 3.2 },
  },
  { name: 'SSBroyden', optimizer: () => new SSBroydenOptimizer({ fullBatch }) },
];

/** Returns the published figures of a method; the SLBFGS of FluxOptTools.jl is the transposed one. @param {string} name */
const publishedOf = (name) =>
  methods.find((method) => method.name === (name === 'SLBFGS' ? 'SLBFGS, transposed' : name))?.published;

/** Prints the table and writes the two figures. */
export async function run() {
  tf.enableProdMode();
  await tf.setBackend('cpu');
  const data = sineData();
  /** @type {Record<string, { losses: number[], milliseconds: number }[]>} */
  const runs = Object.fromEntries(methods.map(({ name }) => [name, []]));
  // Seed 0 warms up and does not count.
  for (let seed = 0; seed <= seeds; seed++) {
    for (const { name, optimizer } of methods) {
      const result = trainSine(sineNet(seed), optimizer(), data, iterations);
      if (seed > 0) runs[name].push(result);
    }
  }

  const adam = methods[0].name;
  const relative = (/** @type {string} */ name) =>
    runs[name].map(({ milliseconds }, i) => milliseconds / runs[adam][i].milliseconds);
  const finals = (/** @type {string} */ name) => runs[name].map(({ losses }) => losses[iterations]);
  printTable(
    ['Method', 'Final loss, median', 'lowest', 'highest', 'Published', 'Time / Adam', 'Published'],
    methods.map(({ name, published }) => [
      name,
      median(finals(name)).toExponential(1),
      Math.min(...finals(name)).toExponential(1),
      Math.max(...finals(name)).toExponential(1),
      published?.loss.toExponential(1) ?? '',
      median(relative(name)).toFixed(2),
      published?.time.toFixed(1) ?? '',
    ]),
  );
  console.log(
    `\n${seeds} seeds, ${iterations} iterations, float32, tfjs cpu. The published figures are of Julia, in float64.`,
  );

  save(
    'ancestor-loss.svg',
    convergence(
      ['Adam, rate 0.2', 'SLBFGS', 'BFGS'].map((name) => ({
        name,
        reference: publishedOf(name)?.loss,
        runs: runs[name].map(({ losses }) => ({ x: losses.map((_, i) => i), y: losses })),
      })),
      {
        title: 'The sine problem, ten seeds',
        xlabel: 'epoch',
        ylabel: 'mean squared error',
        reference: 'published',
      },
    ),
  );
  save(
    'ancestor-time.svg',
    boxplot(
      ['Adam, rate 0.2', 'SLBFGS', 'L-BFGS', 'BFGS'].map((name) => ({
        name,
        values: relative(name),
        reference: publishedOf(name)?.time,
      })),
      {
        title: 'Time of an iteration',
        ylabel: 'relative to Adam',
        ylims: [0, 3.5],
        reference: 'published',
      },
    ),
  );
}

/**
 * @param {string} name
 * @param {{ toSVG(): string }} plot
 */
function save(name, plot) {
  writeFileSync(fileURLToPath(new URL(`results/${name}`, import.meta.url)), plot.toSVG());
}
