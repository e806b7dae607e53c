import { runAndPutBack, runAndPutBackAsync } from './held.ts';
import { hessianAt } from './hessian.ts';
import { checkOptions, either, numberBetween, oneOf, type Rules } from './options.ts';
import { checkLength } from './paramSet.ts';
import { scaleOf, type Scale } from './scale.ts';
import { checkProblem, checkStart } from './start.ts';
import type { AsyncProblem, Problem } from './problem.ts';
import type { Asks } from './question.ts';

/** Options of {@link hessianVectorProduct}. */
export interface HessianVectorOptions {
  /**
   * `'differences'` uses differences of gradients even if the problem has its own products.
   *
   * @defaultValue `'auto'`: the problem's own products if it has them
   */
  readonly method?: 'auto' | 'differences' | undefined;
  /**
   * Step of the differences, in units of max(1, ‖x‖), or of `scale`.
   *
   * @defaultValue `'auto'`: the step of a ladder whose product agrees best with its neighbor's
   */
  readonly epsilon?: number | 'auto' | undefined;
  /**
   * Typical size of the unknowns, one number for all or one for each, `[n]`: a step of 1 moves one of them by
   * its size.
   *
   * @defaultValue max(1, ‖x‖), with a ladder that is extended if no steps agree
   */
  readonly scale?: Scale | undefined;
}

const rulesFor = (n: number): Rules<HessianVectorOptions> => ({
  method: oneOf('auto', 'differences'),
  epsilon: either(numberBetween(0, 1), oneOf('auto')),
  scale: scaleOf(n),
});

/** A Hessian-vector product and its reliability. */
export interface HessianVectorProduct {
  /** ∇²f(x)·v, `[n]`. */
  readonly product: Float64Array;
  /**
   * Relative difference of the products at two neighboring steps: 0 for exact products, 1e-4 and less for a smooth f,
   * above 0.1 if f is too rough for its curvature to be meaningful; NaN if `epsilon` is given.
   */
  readonly agreement: number;
}

/**
 * Computes ∇²f(x)·v: with the problem's own product if it has one, otherwise by central differences of
 * gradients, whose agreement is checked. The problem's own product is compared with a difference, at two
 * evaluations. Afterwards, and after an error, the problem's parameters are as before.
 *
 * @param x - point, `[n]`
 * @param v - direction, `[n]`
 * @throws RangeError if an option or a length is wrong
 * @throws TypeError if `problem` is not a problem, or its hessianVector contradicts the gradients of its fg
 *
 * @example
 * ```js
 * import { hessianVectorProduct } from 'quasi-newton';
 *
 * const quartic = {
 *   p0: Float64Array.of(1, 2),
 *   fg(x, gradient) {
 *     if (gradient) gradient.set([4 * x[0] ** 3, 2 * x[1]]);
 *     return x[0] ** 4 + x[1] ** 2;
 *   },
 * };
 * const { product } = hessianVectorProduct(quartic, quartic.p0, Float64Array.of(1, 1)); // [12, 2]
 * ```
 */
export function hessianVectorProduct(
  problem: Problem,
  x: Float64Array,
  v: Float64Array,
  options: HessianVectorOptions = {},
): HessianVectorProduct {
  return runAndPutBack(multiply('hessianVectorProduct', problem, x, v, options), problem);
}

/** As {@link hessianVectorProduct}, for a problem whose methods may return promises. */
export async function hessianVectorProductAsync(
  problem: AsyncProblem | Problem,
  x: Float64Array,
  v: Float64Array,
  options: HessianVectorOptions = {},
): Promise<HessianVectorProduct> {
  return runAndPutBackAsync(multiply('hessianVectorProductAsync', problem, x, v, options), problem);
}

function* multiply(
  where: string,
  problem: AsyncProblem | Problem,
  x: Float64Array,
  v: Float64Array,
  options: HessianVectorOptions,
): Asks<HessianVectorProduct> {
  checkProblem(where, problem);
  checkStart(where, problem);
  const n = problem.p0.length;
  checkOptions(where, options, rulesFor(n));
  checkLength(`${where}: x`, x, n);
  checkLength(`${where}: v`, v, n);
  const { method = 'auto', epsilon = 'auto', scale } = options;
  const exact = method === 'auto' && problem.hessianVector !== undefined;
  const { precision = 'float64' } = problem;
  const hessian = hessianAt(x, { precision, exact, epsilon, scale, signal: undefined });
  const product = new Float64Array(n);
  yield* hessian.times(v, product);
  return { product, agreement: hessian.agreement };
}
