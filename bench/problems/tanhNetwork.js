import { uniform } from './random.js';

/**
 * Makes a fully connected network, with tanh in its hidden layers and a linear output, and its mean squared error on a
 * fixed set of points. Parameters are ordered layer by layer: weights `[in, out]` row by row, then biases.
 *
 * @param {readonly number[]} widths - of the layers, the input's first
 * @param {Float64Array} inputs - `[points, widths[0]]`
 * @param {Float64Array} targets - `[points, widths[last]]`
 * @returns {{ n: number, fg: import('quasi-newton').Objective }}
 */
export function tanhNetwork(widths, inputs, targets) {
  const layers = widths.length - 1;
  const points = inputs.length / widths[0];
  const offsets = [0];
  for (let l = 0; l < layers; l++) offsets.push(offsets[l] + (widths[l] + 1) * widths[l + 1]);
  const activations = widths.map((width, l) => (l === 0 ? inputs : new Float64Array(points * width)));
  const deltas = widths.map((width) => new Float64Array(points * width));

  return {
    n: offsets[layers],
    fg(x, gradient) {
      for (let l = 0; l < layers; l++) forward(x, l);
      const output = activations[layers];
      const delta = deltas[layers];
      let sum = 0;
      for (let i = 0; i < output.length; i++) {
        const r = output[i] - targets[i];
        sum += r * r;
        delta[i] = (2 * r) / output.length;
      }
      if (gradient) {
        gradient.fill(0);
        for (let l = layers - 1; l >= 0; l--) backward(x, gradient, l);
      }
      return sum / output.length;
    },
  };

  /**
   * @param {Float64Array} x
   * @param {number} l
   */
  function forward(x, l) {
    const [from, to] = [widths[l], widths[l + 1]];
    const [a, b] = [activations[l], activations[l + 1]];
    const bias = offsets[l] + from * to;
    for (let p = 0; p < points; p++) {
      for (let j = 0; j < to; j++) {
        let z = x[bias + j];
        for (let i = 0; i < from; i++) z += a[p * from + i] * x[offsets[l] + i * to + j];
        b[p * to + j] = l === layers - 1 ? z : Math.tanh(z);
      }
    }
  }

  /**
   * @param {Float64Array} x
   * @param {Float64Array} gradient
   * @param {number} l
   */
  function backward(x, gradient, l) {
    const [from, to] = [widths[l], widths[l + 1]];
    const a = activations[l];
    const delta = deltas[l + 1];
    const bias = offsets[l] + from * to;
    for (let p = 0; p < points; p++) {
      for (let j = 0; j < to; j++) gradient[bias + j] += delta[p * to + j];
      for (let i = 0; i < from; i++) {
        const value = a[p * from + i];
        let sum = 0;
        for (let j = 0; j < to; j++) {
          const d = delta[p * to + j];
          gradient[offsets[l] + i * to + j] += value * d;
          sum += d * x[offsets[l] + i * to + j];
        }
        if (l > 0) deltas[l][p * from + i] = sum * (1 - value * value);
      }
    }
  }
}

/**
 * Glorot-uniform weights and zero biases for {@link tanhNetwork}.
 *
 * @param {readonly number[]} widths
 * @param {number} seed
 */
export function glorot(widths, seed) {
  const next = uniform(seed);
  /** @type {number[]} */
  const x = [];
  for (let l = 0; l + 1 < widths.length; l++) {
    const [from, to] = [widths[l], widths[l + 1]];
    const limit = Math.sqrt(6 / (from + to));
    for (let i = 0; i < from * to; i++) x.push(limit * (2 * next() - 1));
    for (let j = 0; j < to; j++) x.push(0);
  }
  return Float64Array.from(x);
}
