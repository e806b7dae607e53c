// Trains a digit classifier exported by torch in ONNX Runtime: L-BFGS compared with Adam on real digits. Writes
// out/trained.onnx, which is then loaded like any other model and tested on held-out digits, and out/onnx-digits.svg.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import { adam, lbfgs, minimizeAsync } from 'quasi-newton';
import { convergence } from 'quasi-newton/landscape';
import { trainable } from 'quasi-newton/onnx';
import { mnist } from './lib/mnist.js';
import { progressBar } from './lib/progress.js';
import { printTable, saveFigure } from './lib/report.js';

const quick = process.env.QUICK === '1';
const samples = quick ? 200 : 2000;
const seconds = quick ? 1 : 6;

const file = readFileSync(new URL('models/digits.onnx', import.meta.url));
const training = mnist(0, samples);
const heldOut = mnist(660, quick ? 200 : 2000);
const feeds = {
  pixels: { data: training.pixels, dims: [samples, 784] },
  target: { data: training.labels, dims: [samples] },
};

console.log(
  `\nHandwritten digits in ONNX Runtime: MLP 784-32-10 exported by torch, ${samples} training images, ${heldOut.labels.length} held out, ${seconds} s each\n`,
);
const methods = [
  { name: 'Adam, rate 0.01', solver: adam({ learningRate: 0.01 }), l2: 0 },
  { name: 'L-BFGS', solver: lbfgs(), l2: 0 },
  { name: 'L-BFGS, weight decay', solver: lbfgs(), l2: 3e-3 },
];
const bar = progressBar('Reading digits', 100 * methods.length);
const runs = [];
for (const [i, { name, solver, l2 }] of methods.entries()) {
  const model = await trainable(ort, file, { loss: 'softmaxCrossEntropy', l2 });
  const result = await minimizeAsync(model.problem(feeds), solver, {
    maxTime: seconds,
    maxIterations: 100_000,
    callback: ({ elapsed }) => bar.at(100 * (i + Math.min(1, elapsed / seconds))),
  });
  bar.at(100 * (i + 1));
  runs.push({ name, result, accuracy: await accuracyOf(model.toBytes()), bytes: model.toBytes() });
  await model.dispose();
}
bar.done();

mkdirSync('out', { recursive: true });
const { bytes, accuracy } = runs[2];
writeFileSync('out/trained.onnx', bytes);

const targets = [1e-1, 1e-2, 1e-3, 1e-4];
printTable(
  [
    'Method',
    'Evaluations',
    ...targets.map((target) => `s to loss ${target}`),
    'Final loss',
    'Held-out accuracy',
  ],
  runs.map(({ name, result, accuracy }) => [
    name,
    String(result.evaluations.f),
    ...targets.map((target) => result.trace.find(({ f }) => f <= target)?.elapsed.toFixed(1) ?? '–'),
    result.f.toExponential(1),
    percent(accuracy),
  ]),
);
console.log(
  '\nThe third loss includes the penalty on the weights, so it stays high; the penalty improves the held-out accuracy.',
);
console.log(
  `\nout/trained.onnx, the third model, loaded in a plain InferenceSession, recognizes ${percent(accuracy)} of the held-out digits (${percent(await accuracyOf(file))} before training).`,
);
saveFigure(
  'onnx-digits.svg',
  convergence(
    runs.slice(0, 2).map(({ name, result }) => ({
      name,
      runs: [{ x: result.trace.map(({ elapsed }) => elapsed), y: result.trace.map(({ f }) => f) }],
    })),
    {
      title: `${samples} digits, 25 450 parameters, in ONNX Runtime`,
      xlabel: 'seconds',
      ylabel: 'training loss (cross-entropy)',
    },
  ),
);

/**
 * Returns the fraction of held-out digits that a model's file classifies correctly, in a separate session.
 *
 * @param {Uint8Array} bytes
 */
async function accuracyOf(bytes) {
  const { pixels, labels } = heldOut;
  const session = await ort.InferenceSession.create(bytes);
  const { logits } = await session.run({ pixels: new ort.Tensor('float32', pixels, [labels.length, 784]) });
  await session.release();
  const scores = /** @type {Float32Array} */ (logits.data);
  const right = labels.filter((label, i) => {
    const row = scores.subarray(10 * i, 10 * i + 10);
    return row.indexOf(Math.max(...row)) === label;
  });
  return right.length / labels.length;
}

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}
