import * as ort from 'onnxruntime-node';
import { bfgs, lbfgs, levenbergMarquardt, minimizeAsync, sequence } from 'quasi-newton';
import { trainable } from 'quasi-newton/onnx';
import { mlp, randomNumbers } from '../examples/lib/mlp.js';
import { median } from '../examples/lib/report.js';

export const title = 'Levenberg–Marquardt on a regression network in ONNX Runtime';

const samples = 1000;
const seconds = Number(process.env.SECONDS ?? 5);
const marks = [0.25, 0.5, 1, 2, 5, 10, 20].filter((mark) => mark <= seconds);
const seeds = [1, 2, 3, 4, 5];
const solvers = {
  'levenbergMarquardt()': levenbergMarquardt(),
  'lbfgs() 200, then it': sequence({ solver: lbfgs(), iterations: 200 }, levenbergMarquardt()),
  'lbfgs()': lbfgs(),
  'bfgs()': bfgs(),
};

/** Loss of a 10-64-64-1 tanh network (4,929 weights) after equal times. */
export async function run() {
  console.log(
    `10-64-64-1, ${samples} samples, mean square, float64, ${seconds} s each; medians of ${seeds.length} starts and data.`,
  );
  for (const noise of [0, 0.1]) {
    console.log(noise === 0 ? '\nWithout noise:' : `\nWith noise of ±${noise}:`);
    console.log(
      'solver'.padEnd(22),
      ...marks.map((mark) => `${mark} s`.padStart(9)),
      'iterations'.padStart(11),
    );
    for (const [name, solver] of Object.entries(solvers)) {
      /** @type {Awaited<ReturnType<typeof follow>>[]} */
      const runs = [];
      for (const seed of seeds) runs.push(await follow(seed, noise, solver));
      console.log(
        name.padEnd(22),
        ...marks.map((_, k) =>
          median(runs.map(({ losses }) => losses[k]))
            .toExponential(1)
            .padStart(9),
        ),
        String(median(runs.map(({ iterations }) => iterations))).padStart(11),
      );
    }
  }
}

/**
 * Losses of a run at the marks, and its iterations.
 *
 * @param {number} seed @param {number} noise @param {import('quasi-newton').Solver} solver
 */
async function follow(seed, noise, solver) {
  const random = randomNumbers(10 + seed);
  const x = Array.from({ length: samples * 10 }, () => 2 * random() - 1);
  const target = Array.from({ length: samples }, (_, i) => {
    const [a, b, c, d] = x.slice(10 * i, 10 * i + 4);
    return Math.sin(3 * a * b) + c * c - Math.abs(d) + noise * (2 * random() - 1);
  });
  const feeds = { x: { data: x, dims: [samples, 10] }, target: { data: target, dims: [samples, 1] } };
  const model = await trainable(ort, mlp([10, 64, 64, 1], { seed }), { loss: 'mse', precision: 'float64' });
  const hasResiduals = solver.name === 'levenbergMarquardt' || solver.name === 'sequence';
  const problem = hasResiduals ? model.leastSquares(feeds) : model.problem(feeds);
  const limits = { maxTime: seconds, maxIterations: Infinity, gtol: 0 };
  const { trace, iterations } = await minimizeAsync(problem, solver, limits);
  await model.dispose();
  const losses = marks.map((mark) =>
    trace.reduce((least, { f, elapsed }) => (elapsed <= mark ? Math.min(least, f) : least), Infinity),
  );
  return { losses, iterations };
}
