// Seconds to the training loss that a tuned Adam reaches in 500 full-batch epochs: Adam and L-BFGS in tfjs on cpu and on
// wasm, and L-BFGS in ONNX Runtime, all with the same network, starting weights and digits.
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import * as ort from 'onnxruntime-node';
import { adam, lbfgs, minimize, minimizeAsync } from 'quasi-newton';
import { trainable } from 'quasi-newton/onnx';
import { enableWasmConv } from 'quasi-newton/tfjs';
import { mlp } from '../examples/lib/mlp.js';
import { mnist } from '../examples/lib/mnist.js';
import { printTable } from '../examples/lib/report.js';
import { tfjsDigits } from './lib/tfjsDigits.js';

export const title = 'Time to the training loss of tuned Adam';

const epochs = 500;
const samples = 500;
const widths = [784, 32, 10];
const rates = [0.003, 0.01, 0.03];

/** Prints the table. */
export async function run() {
  tf.enableProdMode();
  const { pixels, labels } = mnist(0, samples);
  const model = await trainable(ort, mlp(widths, { seed: 1 }), { loss: 'softmaxCrossEntropy' });
  const onnx = model.problem({
    x: { data: pixels, dims: [samples, widths[0]] },
    target: { data: labels, dims: [samples] },
  });
  const options = { maxIterations: epochs, gtol: 0 };

  // The target is the lowest loss of the best rate. It is found in ONNX Runtime, which is fastest and computes the same loss.
  const adams = [];
  for (const learningRate of rates) {
    adams.push({ learningRate, ...(await minimizeAsync(onnx, adam({ learningRate }), options)) });
  }
  const best = adams.reduce((a, b) => (b.f < a.f ? b : a));
  const target = best.f;
  console.log(
    `${widths.join('-')}, ${samples} digits. The target is ${target.toExponential(2)}, Adam's with rate ${best.learningRate} after ${epochs} epochs.\n`,
  );

  const until = { ...options, callback: (/** @type {{ f: number }} */ { f }) => f <= target };
  /** @type {string[][]} */
  const rows = [];
  /** @type {(name: string, result: import('quasi-newton').SolveResult) => number} */
  const row = (name, { elapsed, iterations, evaluations, f }) => {
    rows.push([name, elapsed.toFixed(2), String(iterations), String(evaluations.f), f.toExponential(2)]);
    return elapsed;
  };
  /** @type {Record<string, number>} */
  const seconds = {};
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    if (backend === 'wasm') enableWasmConv();
    const problem = tfjsDigits(onnx.p0, widths, pixels, labels);
    problem.fg(problem.p0, problem.params.zeros());
    seconds[`L-BFGS ${backend}`] = row(`tfjs ${backend}, L-BFGS`, minimize(problem, lbfgs(), until));
    const solver = adam({ learningRate: best.learningRate });
    seconds[`Adam ${backend}`] = row(`tfjs ${backend}, Adam`, minimize(problem, solver, until));
  }
  seconds.onnx = row('ONNX Runtime, L-BFGS', await minimizeAsync(onnx, lbfgs(), until));
  row('ONNX Runtime, Adam', await minimizeAsync(onnx, adam({ learningRate: best.learningRate }), until));
  await model.dispose();

  printTable(['', 'Seconds', 'Iterations', 'Evaluations', 'Loss'], rows);
  const times = (/** @type {string} */ slow, /** @type {string} */ fast) =>
    `${(seconds[slow] / seconds[fast]).toFixed(0)} ×`;
  console.log(
    `\nL-BFGS is faster than Adam by ${times('Adam cpu', 'L-BFGS cpu')} on cpu and ${times('Adam wasm', 'L-BFGS wasm')} on wasm; ` +
      `in ONNX Runtime faster than Adam in tfjs by ${times('Adam cpu', 'onnx')} (cpu) and ${times('Adam wasm', 'onnx')} (wasm).`,
  );
}
