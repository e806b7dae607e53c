import * as tf from '@tensorflow/tfjs';

/** 100 samples of sin on [−π, π], `[100, 1]` each. */
export function sineData() {
  const x = tf.linspace(-Math.PI, Math.PI, 100).reshape([100, 1]);
  return { x, y: x.sin() };
}

/**
 * Makes a 1-5-5-1 network with tanh: 46 parameters, Glorot-uniform weights, zero biases.
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

/**
 * Trains with `optimizer.minimize` and disposes of the model. Returns the loss before each iteration and at the end, the
 * time per iteration, and the number of evaluations of the loss.
 *
 * @param {tf.Sequential} model
 * @param {tf.Optimizer} optimizer
 * @param {ReturnType<typeof sineData>} data
 * @param {number} iterations
 */
export function trainSine(model, optimizer, { x, y }, iterations) {
  const variables = model.trainableWeights.map((weight) => /** @type {tf.Variable} */ (weight.read()));
  let evaluations = 0;
  const loss = () => {
    evaluations++;
    return tf.losses.meanSquaredError(y, /** @type {tf.Tensor} */ (model.apply(x))).asScalar();
  };
  const losses = [];
  const start = performance.now();
  for (let i = 0; i < iterations; i++) {
    const value = /** @type {tf.Scalar} */ (optimizer.minimize(loss, true, variables));
    losses.push(value.dataSync()[0]);
    value.dispose();
  }
  const milliseconds = (performance.now() - start) / iterations;
  losses.push(tf.tidy(() => loss().dataSync()[0]));
  model.dispose();
  return { losses, milliseconds, evaluations: evaluations - 1 };
}
