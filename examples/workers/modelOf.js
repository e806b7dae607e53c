import * as tf from '@tensorflow/tfjs';

/**
 * Returns the model that a worker has sent.
 *
 * @param {object} topology - from `model.toJSON(null, false)`
 * @param {Float32Array[]} weights - from `model.getWeights()`
 */
export async function modelOf(topology, weights) {
  const json = /** @type {Parameters<typeof tf.models.modelFromJSON>[0]} */ ({ modelTopology: topology });
  const model = await tf.models.modelFromJSON(json);
  const shapes = model.getWeights().map(({ shape }) => shape);
  model.setWeights(weights.map((values, i) => tf.tensor(values, shapes[i])));
  return model;
}
