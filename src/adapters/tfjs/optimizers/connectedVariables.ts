import * as tf from '@tensorflow/tfjs';
import { guard } from '../guard/guard.ts';
import { explainGradientError } from '../tensors/gradientErrors.ts';
import { discardTape } from '../internals/engine.ts';
import { guardNested } from '../internals/nestedGradients.ts';

/** Returns those of `variables` that `closure` depends on. The closure is run without lasting effects. */
export function connectedVariables(
  closure: () => tf.Scalar,
  variables: readonly tf.Variable[],
): tf.Variable[] {
  const guarded = guard(closure, { own: new Set(), model: null, keepFirst: false });
  try {
    return tf.tidy(() => {
      const { grads } = guardNested(() => tf.variableGrads(guarded.loss, [...variables]));
      return variables.filter(({ name }) => grads[name]);
    });
  } catch (error) {
    discardTape();
    throw explainGradientError(error);
  } finally {
    tf.dispose(guarded.release());
  }
}

/** Returns true for two lists of the same variables in the same order. */
export function sameList(a: readonly tf.Variable[], b: readonly tf.Variable[]): boolean {
  return a.length === b.length && a.every((variable, i) => variable === b[i]);
}

/** True for variables that a gradient can train. */
export const isTrainable = ({ trainable, dtype }: tf.Variable): boolean => trainable && dtype === 'float32';

/**
 * Returns the variables of a list that a gradient can train.
 *
 * @throws Error if there are none
 */
export function trainableOf(className: string, list: readonly tf.Variable[]): tf.Variable[] {
  const variables = list.filter(isTrainable);
  if (variables.length > 0) return variables;
  throw new Error(
    list.length === 0
      ? `${className}: there is nothing to train; build the model first, and set trainable = true on a layer with weights.`
      : `${className}: none of the ${list.length} variables is trainable and float32; set trainable = true on those to train.`,
  );
}
