import { AGREEMENT } from './epsilon.ts';
import { dot, norm2 } from './vector.ts';
import type { Precision } from './problem.ts';

/** Two products with one Jacobian. */
export interface ProductPair {
  /** `[n]`, and Jv, `[m]`. */
  readonly v: Float64Array;
  readonly pushed: Float64Array;
  /** `[m]`, and Jᵀu, `[n]`. */
  readonly u: Float64Array;
  readonly pulled: Float64Array;
}

/**
 * Compares uᵀ(Jv) with (Jᵀu)ᵀv, which are equal if both products are those of one matrix.
 *
 * @param size - scale of the difference, at least ‖u‖·‖Jv‖ or ‖v‖·‖Jᵀu‖, whichever is larger
 * @returns the contradiction in a sentence, or null; null too if a product is not finite
 */
export function adjointFault({ v, pushed, u, pulled }: ProductPair, size: number, precision: Precision) {
  const [one, other] = [dot(u, pushed), dot(pulled, v)];
  const scale = Math.max(size, norm2(u) * norm2(pushed), norm2(v) * norm2(pulled));
  if (!(Math.abs(one - other) > AGREEMENT[precision] * scale)) return null;
  return `jacobianVector and vectorJacobian are not products with one Jacobian: for the same u and v, uᵀ(Jv) is ${one.toPrecision(7)} and (Jᵀu)ᵀv ${other.toPrecision(7)}`;
}

/**
 * Refuses products that contradict each other: see {@link adjointFault}.
 *
 * @throws TypeError with what to do
 */
export function checkAdjoint(pair: ProductPair, size: number, precision: Precision): void {
  const fault = adjointFault(pair, size, precision);
  if (fault === null) return;
  throw new TypeError(
    `${fault}. Correct them: checkJacobian(problem) names the elements that are wrong. A problem made by { ...problem, residuals } keeps the products of the old one.`,
  );
}
