// TensorFlow.js's own examples with only the optimizer replaced: the final result of each, and the number of leaked
// tensors.
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { enableWasmConv, LBFGSOptimizer, SOAPOptimizer } from 'quasi-newton/tfjs';
import { printTable } from '../examples/lib/report.js';
import { examples } from './lib/tensorflowExamples.js';

export const title = "TensorFlow.js's examples with other optimizers";

export async function run() {
  await tf.setBackend('wasm');
  enableWasmConv();
  const rows = [];
  for (const { name, own, train } of examples) {
    // With `applyGradients`, as in cart-pole, a step is as long as the learning rate.
    const learningRate = name.startsWith('cart-pole') ? 0.3 : 0.03;
    const optimizers = [
      own,
      () => new LBFGSOptimizer({ learningRate }),
      () => new SOAPOptimizer({ learningRate: 0.03 }),
    ];
    const cells = [];
    let left = 0;
    for (const [k, make] of optimizers.entries()) {
      const before = tf.memory().numTensors;
      const optimizer = make();
      const value = await train(optimizer);
      optimizer.dispose();
      if (k > 0) left += tf.memory().numTensors - before;
      cells.push(value.toPrecision(3));
    }
    rows.push([name, own().getClassName(), ...cells, left]);
  }
  printTable(
    ['example', 'its optimizer', 'with it', 'LBFGSOptimizer', 'SOAPOptimizer', 'tensors left'],
    rows,
  );
}
