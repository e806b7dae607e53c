import * as ort from 'onnxruntime-node';
import { trainable } from 'quasi-newton/onnx';
import { mlp } from '../../examples/lib/mlp.js';
import { mnist } from '../../examples/lib/mnist.js';
import { median } from '../../examples/lib/report.js';
import { cnn } from './cnn.js';
import { residualNetwork, separableNetwork } from './imageNetworks.js';
import { openTorch } from './torch.js';
import { times, typical } from './turns.js';

const ratio = (/** @type {number} */ a, /** @type {number} */ b) => (a / b).toFixed(2);

/**
 * Times loss and gradients of networks on one thread, here and in torch, alternating; null if torch is not installed. The
 * networks are the same; weights and pixels differ, which does not affect the time.
 */
export async function againstTorch() {
  const torch = await openTorch();
  if (torch === null) return null;
  const networks = [
    { name: 'mlp', title: '784-128-10, 256 digits', bytes: mlp([784, 128, 10]), samples: 256, shape: [784] },
    { name: 'cnn', title: 'Convolutional, 128 digits', bytes: cnn(), samples: 128 },
    { name: 'residual', title: 'Residual, 64 digits', bytes: residualNetwork(), samples: 64 },
    { name: 'separable', title: 'Separable, 64 digits', bytes: separableNetwork(), samples: 64 },
  ];
  const rows = [];
  for (const { name, title, bytes, samples, shape = [1, 28, 28] } of networks) {
    const { pixels, labels } = mnist(0, samples);
    const model = await trainable(ort, bytes, {
      loss: 'softmaxCrossEntropy',
      sessionOptions: { intraOpNumThreads: 1 },
    });
    const { p0, fg } = model.problem({
      x: { data: pixels, dims: [samples, ...shape] },
      target: { data: labels, dims: [samples] },
    });
    const gradient = new Float64Array(p0.length);
    /** @type {number[][]} */
    const [loss, ours, theirs] = [[], [], []];
    for (let turn = 0; turn < 5; turn++) {
      const measured = await torch.times(name, 6);
      theirs.push(...measured.both);
      const [alone, both] = await times(6, [() => fg(p0, null), () => fg(p0, gradient)]);
      loss.push(...alone);
      ours.push(...both);
    }
    await model.dispose();
    rows.push([
      title,
      Math.min(...loss).toFixed(2),
      ...typical(ours),
      ratio(Math.min(...ours), Math.min(...loss)),
      ...typical(theirs),
      ratio(median(ours), median(theirs)),
      ratio(Math.min(...ours), Math.min(...theirs)),
    ]);
  }
  torch.close();
  return { version: torch.version, rows };
}
