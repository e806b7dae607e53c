import { adam, levenbergMarquardt, minimize, sequence, ssbroyden } from 'quasi-newton';
import { poisson, poissonError } from './problems/poisson.js';

export const title = 'Seconds to an accuracy on a Poisson PINN';

const seeds = Array.from({ length: 10 }, (_, seed) => seed);
const targets = [1e-5, 1e-6, 3e-7];
const checkpoints = [100, 300];

const methods = [
  { name: 'levenbergMarquardt()', solver: levenbergMarquardt(), iterations: 300 },
  {
    name: "levenbergMarquardt({ scaling: 'columns' })",
    solver: levenbergMarquardt({ scaling: 'columns' }),
    iterations: 300,
  },
  { name: 'ssbroyden()', solver: ssbroyden(), iterations: 3500 },
  {
    name: 'adam 500, ssbroyden()',
    solver: sequence({ solver: adam({ learningRate: 5e-3 }), iterations: 500 }, ssbroyden()),
    iterations: 3500,
  },
];

/** Median seconds until the relative L2 error is first below each target, and the error after some iterations. */
export function run() {
  console.log(
    '129 parameters, 900 residuals, float64; medians of 10 starts. Errors are looked at every fifth iteration.\n',
  );
  for (const { name, solver, iterations } of methods) {
    const runs = seeds.map((seed) => follow(seed, solver, iterations));
    const seconds = targets.map((target, k) => {
      const times = runs.map(({ hits }) => hits[k]);
      const reached = times.filter(Number.isFinite).length;
      return `${target.toExponential(0)}: ${median(times).toFixed(1)} s (${reached} of 10)`;
    });
    console.log(name.padEnd(44), seconds.join('   '));
    for (const k of checkpoints) {
      const errors = runs.map(({ at }) => at.get(k) ?? NaN);
      if (iterations === 300) {
        console.log(
          `  after ${k} iterations: median ${median(errors).toExponential(1)}, largest ${Math.max(...errors).toExponential(1)}`,
        );
      }
    }
  }
}

/** @param {number} seed @param {import('quasi-newton').Solver} solver @param {number} maxIterations */
function follow(seed, solver, maxIterations) {
  const hits = targets.map(() => Infinity);
  const at = new Map();
  let aside = 0;
  minimize(poisson(seed), solver, {
    maxIterations,
    gtol: 0,
    storeTrace: false,
    callback({ iteration, elapsed, x }) {
      if (iteration % 5 !== 0) return;
      const start = performance.now();
      const error = poissonError(x);
      at.set(iteration, error);
      targets.forEach((target, k) => {
        if (error < target) hits[k] = Math.min(hits[k], elapsed - aside / 1000);
      });
      aside += performance.now() - start;
    },
  });
  return { hits, at };
}

/** @param {readonly number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.floor(sorted.length / 2)]) / 2;
}
