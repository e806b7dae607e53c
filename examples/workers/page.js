import * as tf from '@tensorflow/tfjs';
import { modelOf } from './modelOf.js';

const element = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const show = (/** @type {string} */ id, /** @type {string} */ text) => {
  element(id).textContent = text;
};

/** @type {Worker | null} */
let worker = null;
element('start').addEventListener('click', () => {
  worker?.terminate();
  document.body.dataset.state = 'training';
  worker = new Worker(new URL('webWorker.js', import.meta.url), { type: 'module' });
  worker.addEventListener('message', ({ data }) => void receive(data));
  worker.addEventListener('error', ({ message }) => show('message', message));
});
element('stop').addEventListener('click', () => {
  document.body.dataset.stopAsked = String(performance.now());
  worker?.postMessage('stop');
});

/** @param {import('./train.js').ProgressMessage | import('./train.js').EndMessage} message */
async function receive(message) {
  if (message.kind === 'progress') {
    show('epoch', String(message.epoch));
    show('loss', message.loss.toExponential(2));
    return;
  }
  document.body.dataset.ended = String(performance.now());
  const { topology, weights } = message;
  const model = await modelOf(topology, weights);
  const prediction = /** @type {tf.Tensor} */ (model.predict(tf.tensor2d([[1]])));
  show('prediction', String(prediction.dataSync()[0]));
  show('message', message.message);
  document.body.dataset.state = message.kind;
}
