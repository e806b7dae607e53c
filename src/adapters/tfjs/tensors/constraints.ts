import type * as tf from '@tensorflow/tfjs';

type LayerVariable = tf.layers.Layer['trainableWeights'][number];

/** Returns the trainable weights of a model that have a layer constraint (`kernelConstraint`, …). */
export function constrainedWeights(model: tf.LayersModel): LayerVariable[] {
  return model.trainableWeights.filter(({ constraint }) => constraint != null);
}

/**
 * Returns a function that projects all constrained weights of a model onto their constraints; null if there
 * are none.
 */
export function constraintProjection(model: tf.LayersModel): (() => void) | null {
  const weights = constrainedWeights(model);
  if (weights.length === 0) return null;
  return () => {
    for (const weight of weights) {
      const variable = weight.read() as tf.Variable;
      const allowed = weight.constraint.apply(variable);
      variable.assign(allowed);
      allowed.dispose();
    }
  };
}
