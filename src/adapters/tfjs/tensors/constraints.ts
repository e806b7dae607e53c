import type * as tf from '@tensorflow/tfjs';

type LayerVariable = tf.layers.Layer['trainableWeights'][number];

/** The trainable weights of a model that a layer has put a constraint on (`kernelConstraint`, …). */
export function constrainedWeights(model: tf.LayersModel): LayerVariable[] {
  return model.trainableWeights.filter(({ constraint }) => constraint != null);
}

/** Writes the nearest allowed values into all weights of a model that have a constraint; null if none has. */
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
