import { adam, bfgs, conjugateGradient, cosineDecay, lbfgs, minimize, newtonCG, slbfgs } from 'quasi-newton';
import { logistic } from './problems/logistic.js';
import { median, printTable } from '../examples/lib/report.js';

export const title = 'Logistic regression on handwritten digits: full batch and mini-batches';

const SAMPLES = 3000;
const BATCH = 256;
const PASSES = 20;

/** Gap to the minimum after as many passes over the data. */
export function run() {
  const { fullBatch, miniBatches } = logistic(SAMPLES);
  const { f: minimum } = minimize(fullBatch, lbfgs(), { gtol: 1e-9, maxIterations: 3000 });
  console.log(`${SAMPLES} images, 785 parameters, f* = ${minimum.toPrecision(10)}\n`);

  console.log('Full batch: evaluations of f and ∇f until f − f* is below');
  const gaps = [1e-2, 1e-4, 1e-6];
  /** @type {(string | number)[][]} */
  const rows = [['solver', ...gaps.map((gap) => gap.toExponential(0))]];
  for (const [name, solver] of /** @type {const} */ ([
    ['lbfgs()', lbfgs()],
    ['bfgs()', bfgs()],
    ['conjugateGradient()', conjugateGradient()],
    ['newtonCG(), differences', newtonCG()],
    ['slbfgs()', slbfgs()],
    ['adam({ learningRate: 0.01 })', adam({ learningRate: 0.01 })],
    ['adam({ learningRate: 0.05 })', adam({ learningRate: 0.05 })],
  ])) {
    const { trace } = minimize(fullBatch, solver, { maxEvaluations: 600, gtol: 1e-9 });
    rows.push([name, ...gaps.map((gap) => trace.find(({ f }) => f - minimum < gap)?.evaluations ?? '> 600')]);
  }
  printTable(rows[0], rows.slice(1));

  console.log(
    `\nMini-batches of ${BATCH}: f − f* after the evaluations of ${PASSES} passes over the data (median of 3 seeds)`,
  );
  const batches = Math.round((PASSES * SAMPLES) / BATCH);
  /** @type {(string | number)[][]} */
  const stochastic = [['solver', 'gap', 'evaluations']];
  for (const [name, solver] of /** @type {const} */ ([
    ['adam, 0.01, cosine', adam({ learningRate: cosineDecay({ from: 0.01, steps: batches }) })],
    ['adam, 0.003, cosine', adam({ learningRate: cosineDecay({ from: 0.003, steps: batches }) })],
    ['adam, 0.03, cosine', adam({ learningRate: cosineDecay({ from: 0.03, steps: batches }) })],
    ['lbfgs, same batch, damped', lbfgs({ memory: 10, damping: true })],
    ['slbfgs', slbfgs()],
  ])) {
    const results = [1, 2, 3].map((seed) => {
      const result = minimize(miniBatches(BATCH, seed), solver, {
        maxIterations: Infinity,
        maxEvaluations: batches,
        gtol: 0,
        storeTrace: false,
      });
      return { gap: fullBatch.fg(result.x, null) - minimum, evaluations: result.evaluations.f };
    });
    stochastic.push([
      name,
      median(results.map(({ gap }) => gap)).toExponential(1),
      median(results.map(({ evaluations }) => evaluations)),
    ]);
  }
  printTable(stochastic[0], stochastic.slice(1));
  console.log(
    'A step of Adam is one evaluation, of the others at least two: f and ∇f of one batch at both its ends.',
  );
}
