import * as tf from '@tensorflow/tfjs';
import { guard } from '../guard/guard.ts';
import { discardTape } from '../internals/engine.ts';

/** Those of `variables` that `closure` depends on. Running it leaves nothing behind. */
export function connectedVariables(
  closure: () => tf.Scalar,
  variables: readonly tf.Variable[],
): tf.Variable[] {
  const guarded = guard(closure, { own: new Set(), model: null, keepFirst: false });
  try {
    return tf.tidy(() => {
      const { grads } = tf.variableGrads(guarded.loss, [...variables]);
      return variables.filter(({ name }) => grads[name]);
    });
  } catch (error) {
    discardTape();
    throw error;
  } finally {
    tf.dispose(guarded.release());
  }
}
