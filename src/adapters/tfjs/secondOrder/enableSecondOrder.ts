import * as tf from '@tensorflow/tfjs';
import { correctNested } from '../internals/nestedGradients.ts';
import { secondOrderEnabled, setSecondOrderEnabled } from '../internals/secondOrderEnabled.ts';
import { gradientRules } from './gradients.ts';

/**
 * Makes second derivatives exact: a loss may take gradients inside of it (`tf.grad` and the like, as a PINN does),
 * and problems made from here on have exact products with their Hessian, `hessianVector`, for `newtonCG`, for
 * {@link hessianVectorProduct} and for the curvature of landscapes.
 *
 * TensorFlow.js alone differentiates twice silently wrong: where a gradient needs the output of an operation (tanh,
 * exp, softmax, …), that output counts as a constant. This call corrects that for the whole page, also for
 * `tf.variableGrads` and other optimizers, and adds gradients of operations that had none: comparisons and the
 * backward parts of convolution and pooling. Where an operation still has no second derivative, an error names it.
 * Kinks (ReLU, max pooling) count with the curvature on either side of them.
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
