import * as tf from '@tensorflow/tfjs';

/** 100 samples of sin on [−π, π], `[100, 1]` each. */
export function sineData() {
  const x = tf.linspace(-Math.PI, Math.PI, 100).reshape([100, 1]);
  return { x, y: x.sin() };
}

/**
 * The network 1-5-5-1 with tanh: 46 parameters, Glorot uniform, biases 0.
 *
 * @param {number} seed
 */
export function sineNet(seed) {
  const dense = (/** @type {number} */ units, /** @type {number} */ layer, /** @type {object} */ rest) =>
    tf.layers.dense({
      units,
      kernelInitializer: tf.initializers.glorotUniform({ seed: 100 * seed + layer }),
      ...rest,
    });
  return tf.sequential({
    layers: [
      dense(5, 1, { activation: 'tanh', inputShape: [1] }),
      dense(5, 2, { activation: 'tanh' }),
      dense(1, 3, {}),
    ],
  });
}
