// Trains in a worker thread, so that this thread stays free. Run `npm run build`, then `node examples/workers/node.js`.
// Ctrl-C stops the training, not the program.
import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import { modelOf } from './modelOf.js';

/** @typedef {import('./train.js').ProgressMessage | import('./train.js').EndMessage} Message */

const worker = new Worker(new URL('nodeWorker.js', import.meta.url));
process.once('SIGINT', () => worker.postMessage('stop'));
worker.on('message', (message) => void receive(message));

/** @param {Message} message */
async function receive(message) {
  if (message.kind === 'progress') {
    const { epoch, loss } = message;
    if (epoch % 20 === 0) console.log(`epoch ${epoch}: loss ${loss.toExponential(2)}`);
    return;
  }
  const { topology, weights } = message;
  const model = await modelOf(topology, weights);
  console.log(message.message);
  const prediction = /** @type {tf.Tensor} */ (model.predict(tf.tensor2d([[1]])));
  console.log(`sin(1) is about ${prediction.dataSync()[0]}`);
}
