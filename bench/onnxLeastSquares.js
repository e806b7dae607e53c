import * as ort from 'onnxruntime-node';
import { bfgs, lbfgs, levenbergMarquardt, minimizeAsync } from 'quasi-newton';
import { trainable } from 'quasi-newton/onnx';
import { mlp, randomNumbers } from '../examples/lib/mlp.js';

export const title = 'Levenberg–Marquardt on a regression network in ONNX Runtime';

const samples = 1000;
const seconds = Number(process.env.SECONDS ?? 20);

/** Loss of a 10-64-64-1 tanh network (4,929 weights) after equal times. */
export async function run() {
  const random = randomNumbers(11);
  const x = Array.from({ length: samples * 10 }, () => 2 * random() - 1);
  const target = Array.from({ length: samples }, (_, i) => {
    const [a, b, c, d] = x.slice(10 * i, 10 * i + 4);
    return Math.sin(3 * a * b) + c * c - Math.abs(d);
  });
  const feeds = { x: { data: x, dims: [samples, 10] }, target: { data: target, dims: [samples, 1] } };
  console.log(`10-64-64-1, ${samples} samples, mean square, float64, ${seconds} s each; from one start.\n`);
  const marks = [0.025, 0.05, 0.1, 0.25, 0.5, 1].map((part) => part * seconds);
  console.log(
    'solver'.padEnd(22),
    ...marks.map((mark) => `${mark} s`.padStart(10)),
    'iterations'.padStart(11),
  );
  for (const solver of [levenbergMarquardt(), lbfgs(), bfgs()]) {
    const model = await trainable(ort, mlp([10, 64, 64, 1]), { loss: 'mse', precision: 'float64' });
    const problem = solver.name === 'levenbergMarquardt' ? model.leastSquares(feeds) : model.problem(feeds);
    const { trace, iterations } = await minimizeAsync(problem, solver, {
      maxTime: seconds,
      maxIterations: Infinity,
      gtol: 0,
    });
    const at = (/** @type {number} */ time) =>
      trace.reduce((least, { f, elapsed }) => (elapsed <= time ? Math.min(least, f) : least), Infinity);
    console.log(
      solver.name.padEnd(22),
      ...marks.map((mark) => at(mark).toExponential(1).padStart(10)),
      String(iterations).padStart(11),
    );
    await model.dispose();
  }
}
