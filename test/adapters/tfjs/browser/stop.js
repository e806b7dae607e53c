/** A page with a button that stops a training on its own thread. */
import * as tf from '@tensorflow/tfjs';
import { fitFullBatchAsync } from 'quasi-newton/tfjs';

/**
 * Adds a button, and trains until it is pressed; then `body` has the milliseconds from the press to the end as
 * `data-delay`, the frames painted meanwhile as `data-frames`, and the reason as `data-outcome`.
 *
 * @param {string} backend
 */
export async function trainUntilStopped(backend) {
  await tf.setBackend(backend);
  const stop = new AbortController();
  const button = Object.assign(document.createElement('button'), { id: 'stop', textContent: 'Stop' });
  let pressed = NaN;
  button.addEventListener('click', () => {
    pressed = performance.now();
    stop.abort(new Error('the button was pressed'));
  });
  document.body.append(button);
  let frames = 0;
  const count = () => {
    frames++;
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
  const x = tf.linspace(-3, 3, 200).reshape([200, 1]);
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 30, activation: 'tanh', inputShape: [1] }),
      tf.layers.dense({ units: 30, activation: 'tanh' }),
      tf.layers.dense({ units: 1 }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  void (async () => {
    let outcome = 'ran to its end';
    try {
      for (;;) await fitFullBatchAsync(model, x, tf.randomNormal([200, 1]), { signal: stop.signal });
    } catch (error) {
      outcome = error instanceof Error ? error.message : String(error);
    }
    Object.assign(document.body.dataset, { delay: performance.now() - pressed, frames, outcome });
  })();
}
