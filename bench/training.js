// Time per iteration on the sine problem, relative to Adam in the same run: through `minimize`, through
// `model.fit` with `fullBatch`, and through plain `model.fit`. The three alternate, so that load on the machine affects
// all of them equally.
import * as tf from '@tensorflow/tfjs';
import { BFGSOptimizer, LBFGSOptimizer } from 'quasi-newton/tfjs';
import { median, printTable } from '../examples/lib/report.js';
import { sineData, sineNet } from '../examples/lib/sine.js';

export const title = 'Time of an iteration beside Adam';

const seeds = 7;
const iterations = 200;

/** @type {Record<string, (fullBatch: boolean) => tf.Optimizer>} */
const methods = {
  Adam: () => tf.train.adam(0.05),
  'L-BFGS': (fullBatch) => new LBFGSOptimizer({ fullBatch }),
  BFGS: (fullBatch) => new BFGSOptimizer({ fullBatch }),
};

/** @typedef {(model: tf.Sequential, optimizer: tf.Optimizer, data: ReturnType<typeof sineData>) => Promise<void>} Way */
/** @type {Record<string, { fullBatch: boolean, train: Way }>} */
const ways = {
  minimize: { fullBatch: true, train: byMinimize },
  'fit, fullBatch': { fullBatch: true, train: byFit },
  fit: { fullBatch: false, train: byFit },
};

/** Prints the table. */
export async function run() {
  tf.enableProdMode();
  const rows = [];
  for (const backend of ['cpu', 'wasm']) {
    if (backend === 'wasm') await import('@tensorflow/tfjs-backend-wasm');
    await tf.setBackend(backend);
    const data = sineData();
    /** @type {Record<string, Record<string, number[]>>} */
    const times = {};
    for (let seed = 0; seed <= seeds; seed++) {
      for (const [way, { fullBatch, train }] of Object.entries(ways)) {
        for (const [method, make] of Object.entries(methods)) {
          const model = sineNet(seed + 1);
          const optimizer = make(fullBatch);
          model.compile({ optimizer, loss: 'meanSquaredError' });
          const start = performance.now();
          await train(model, optimizer, data);
          const time = (performance.now() - start) / iterations;
          model.dispose();
          // The first round warms up.
          if (seed > 0) ((times[way] ??= {})[method] ??= []).push(time);
        }
      }
    }
    for (const [way, byMethod] of Object.entries(times)) {
      const adam = byMethod.Adam;
      rows.push([
        backend,
        way,
        median(adam).toFixed(2),
        ...['L-BFGS', 'BFGS'].map((name) => median(byMethod[name].map((t, i) => t / adam[i])).toFixed(2)),
      ]);
    }
  }
  printTable(['Backend', 'Through', 'Adam, ms/iteration', 'L-BFGS / Adam', 'BFGS / Adam'], rows);
}

/** @type {Way} */
async function byMinimize(model, optimizer, { x, y }) {
  const variables = model.trainableWeights.map((weight) => /** @type {tf.Variable} */ (weight.read()));
  const loss = () => tf.losses.meanSquaredError(y, /** @type {tf.Tensor} */ (model.apply(x))).asScalar();
  for (let i = 0; i < iterations; i++) optimizer.minimize(loss, true, variables)?.dispose();
}

/** @type {Way} */
async function byFit(model, _optimizer, { x, y }) {
  await model.fit(x, y, {
    epochs: iterations,
    batchSize: 100,
    shuffle: false,
    verbose: 0,
    yieldEvery: 'never',
  });
}
