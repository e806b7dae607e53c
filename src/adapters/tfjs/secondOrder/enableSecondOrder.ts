import * as tf from '@tensorflow/tfjs';
import { gradientRules } from './gradients.ts';

let enabled = false;

/** Whether {@link enableSecondOrder} has been called. */
export const secondOrderEnabled = (): boolean => enabled;

/**
 * Gives the problems that are made from here on exact products with their Hessian, `hessianVector`: for
 * `newtonCG`, for {@link hessianVectorProduct}, for the curvature of landscapes.
 *
 * tfjs itself differentiates twice silently wrong, for one reason, which is put right for the products asked
 * for here; what is added for all of the page are gradients of operations that had none, comparisons and
 * the backward parts of convolution and pooling. Where an operation still has no second derivative, the
 * product throws and names it. Kinks (ReLU, max pooling) count with the curvature on either side of them.
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
  if (enabled) return;
  for (const [kernelName, gradient] of Object.entries(gradientRules)) {
    if (!tf.getGradient(kernelName)) tf.registerGradient({ kernelName, ...gradient });
  }
  enabled = true;
}
