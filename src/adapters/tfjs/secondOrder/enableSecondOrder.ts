import * as tf from '@tensorflow/tfjs';
import { correctNested } from '../internals/nestedGradients.ts';
import { secondOrderEnabled, setSecondOrderEnabled } from '../internals/secondOrderEnabled.ts';
import { gradientRules } from './gradients.ts';

/**
 * Makes second derivatives exact: a loss may contain gradients (`tf.grad` and the like, as in a PINN), and
 * problems created from now on have exact Hessian-vector products, `hessianVector`, for `newtonCG`, {@link
 * hessianVectorProduct} and the curvature of landscapes.
 *
 * By itself, TensorFlow.js computes wrong second derivatives without a warning: if a gradient needs the
 * output of an operation (tanh, exp, softmax, …), that output counts as a constant. This call corrects that
 * for the whole page, including `tf.variableGrads` and other optimizers, and adds gradients of operations
 * that have none: comparisons and the backward parts of convolution and pooling. If an operation still has no
 * second derivative, an error names it. Kinks (ReLU, max pooling) contribute no curvature of their own.
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { minimize, newtonCG } from 'quasi-newton';
 * import { enableSecondOrder, optfuns } from 'quasi-newton/tfjs';
 *
 * enableSecondOrder();
 * const w = tf.variable(tf.tensor1d([1, -2]));
 * const result = minimize(optfuns(() => w.tanh().square().sum(), [w]), newtonCG());
 * ```
 *
 * @see tfjs issues 3252 and 227
 */
export function enableSecondOrder(): void {
  if (secondOrderEnabled()) return;
  for (const [kernelName, gradient] of Object.entries(gradientRules)) {
    if (!tf.getGradient(kernelName)) tf.registerGradient({ kernelName, ...gradient });
  }
  correctNested();
  setSecondOrderEnabled();
}
