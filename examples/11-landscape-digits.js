// One classifier of handwritten digits as a tfjs model and as an ONNX model: both give the same landscape, along
// filter-normalized directions (Li et al. 2018). Also draws the accuracy. Writes out/landscape-digits*.svg.
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import * as ort from 'onnxruntime-node';
import { lbfgs } from 'quasi-newton';
import { contourf, landscape, landscapeAsync } from 'quasi-newton/landscape';
import { trainable } from 'quasi-newton/onnx';
import { fitFullBatch, modelProblem } from 'quasi-newton/tfjs';
import { digits } from './lib/digits.js';
import { digitNet, digitNetAsOnnx } from './lib/landscapeDigits.js';
import { landscapeBar } from './lib/progress.js';
import { saveFigure } from './lib/report.js';

const quick = process.env.QUICK === '1';
const samples = quick ? 50 : 300;
const npoints = quick ? 7 : 31;

tf.enableProdMode();
await tf.setBackend('wasm');
const { x, y } = digits(0, samples);
const net = digitNet();
const { f } = fitFullBatch(net, x, y, { solver: lbfgs(), maxIterations: quick ? 5 : 25 });
console.log(`\nDigits: ${samples} images, MLP 784-16-10, training loss ${f.toExponential(2)}\n`);

const labels = y.argMax(1);
const accuracy = () =>
  tf.tidy(() => {
    const output = /** @type {tf.Tensor} */ (net.predict(x));
    return output.argMax(1).equal(labels).mean().dataSync()[0];
  });
const options = /** @type {const} */ ({ npoints, normalize: 'filter', ignore: ['bias'], seed: 3 });
const here = landscape(modelProblem(net, x, y), {
  ...options,
  metrics: { accuracy },
  onProgress: landscapeBar('Landscape in tfjs'),
});

const model = await trainable(ort, digitNetAsOnnx(net), { loss: 'softmaxCrossEntropy' });
const feeds = {
  pixels: { data: x.dataSync(), dims: [samples, 784] },
  target: { data: BigInt64Array.from(labels.dataSync(), BigInt), dims: [samples] },
};
const start = performance.now();
const there = await landscapeAsync(model.problem(feeds), options);
const seconds = (performance.now() - start) / 1000;
await model.dispose();

const apart = Math.max(...there.z.map((z, cell) => Math.abs(z - here.z[cell]) / (here.z[cell] + 1e-3)));
console.log(
  `ONNX: ${there.z.length} points in ${seconds.toFixed(1)} s; tfjs and ONNX differ by ${apart.toExponential(1)} of the loss + 0.001 at most.`,
);

const shared = /** @type {const} */ ({ zscale: 'log', zlabel: 'cross-entropy' });
saveFigure('landscape-digits.svg', contourf(here, { ...shared, title: 'Digits, in tfjs' }));
saveFigure('landscape-digits-onnx.svg', contourf(there, { ...shared, title: 'Digits, in ONNX Runtime' }));
saveFigure(
  'landscape-digits-accuracy.svg',
  contourf(here, { metric: 'accuracy', color: 'viridis', title: 'Accuracy on the same plane' }),
);
