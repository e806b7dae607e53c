// Runs in a browser, on the built package.
import * as ort from 'onnxruntime-web';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { trainable } from 'quasi-newton/onnx';
import { mlp } from '../../../../examples/lib/mlp.js';

ort.env.wasm.numThreads = 1;

/**
 * Trains a small network.
 *
 * @param {'wasm' | 'webgpu'} target
 * @param {boolean} [proxy] - whether ONNX Runtime works in a worker of its own
 * @returns the losses of each iteration, and what the written model and `predict` give of the first sample
 */
export async function train(target, proxy = false) {
  ort.env.wasm.proxy = proxy;
  const model = await trainable(ort, mlp([2, 8, 3]), { loss: 'softmaxCrossEntropy', target });
  const samples = 60;
  const x = new Float32Array(2 * samples).map((_, i) => Math.sin(7 * i));
  const labels = Array.from({ length: samples }, (_, i) => (x[2 * i] > 0 ? 0 : x[2 * i + 1] > 0 ? 1 : 2));
  const problem = model.problem({
    x: { data: x, dims: [samples, 2] },
    target: { data: labels, dims: [samples] },
  });
  const { trace } = await minimizeAsync(problem, lbfgs(), { maxIterations: 30 });
  const { y } = await model.predict({ x: { data: x.subarray(0, 2), dims: [1, 2] } });
  const session = await ort.InferenceSession.create(model.toBytes());
  const written = await session.run({ x: new ort.Tensor('float32', x.slice(0, 2), [1, 2]) });
  const result = {
    losses: trace.map(({ f }) => f),
    predicted: Array.from(y.data, Number),
    written: Array.from(/** @type {Float32Array} */ (written.y.data)),
  };
  await Promise.all([session.release(), model.dispose()]);
  return result;
}
