/**
 * Checked products: computed at several steps of the differences, to detect kinks and rounding errors.
 *
 * @module
 */
import { distance, dot, norm2 } from '../../core/vector.ts';
import type { Asks } from '../../core/question.ts';
import type { CurvaturePoint } from './curvatureAt.ts';

/** H v, with products to estimate its error. */
export interface CheckedProduct {
  /** `[n]`. */
  readonly product: Float64Array;
  /** Products at neighboring steps for comparison; none if products are exact. */
  readonly others: readonly Float64Array[];
}

/**
 * Multiplies H by a vector, and checks the product.
 *
 * With differences, the product is computed at each step of the ladder. Of the two neighboring steps that agree best, the
 * finer one gives the product; it is compared with its coarser neighbor and the next two finer steps. If f is smooth,
 * these differ only by rounding. Near kinks of a ReLU network they keep differing, because each step crosses other kinks.
 */
export function* checkedProduct({ hessian, rungs }: CurvaturePoint, v: Float64Array): Asks<CheckedProduct> {
  const n = v.length;
  if (rungs.length === 0) {
    const product = new Float64Array(n);
    yield* hessian.times(v, product);
    return { product, others: [] };
  }
  const products: Float64Array[] = [];
  for (const rung of rungs) {
    const product = new Float64Array(n);
    yield* rung.times(v, product);
    products.push(product);
  }
  let best = 1;
  let least = Infinity;
  for (let k = 1; k < products.length; k++) {
    const apart = distance(products[k - 1], products[k]);
    if (apart < least) [best, least] = [k, apart];
  }
  return { product: products[best], others: [products[best - 1], ...products.slice(best + 1, best + 3)] };
}

/** A unit vector as an approximate eigenvector, judged by a separate product. */
export interface CheckedPair {
  /** vᵀHv. */
  readonly value: number;
  /** ‖Hv − λv‖. */
  readonly residual: number;
  /** Largest ‖Hv − Hv at a neighboring step‖; 0 for exact products. */
  readonly doubt: number;
  /** Bound on the distance from `value` to an eigenvalue: residual, doubt and rounding. */
  readonly error: number;
}

/**
 * Multiplies a Ritz vector again, and judges it by its own residual.
 *
 * @param v - unit vector, `[n]`
 * @param largest - largest |λ| known, the unit of rounding errors
 */
export function* checkedPair(point: CurvaturePoint, v: Float64Array, largest: number): Asks<CheckedPair> {
  const { product, others } = yield* checkedProduct(point, v);
  const doubt = others.reduce((most, other) => Math.max(most, distance(product, other)), 0);
  const value = dot(v, product);
  for (let i = 0; i < v.length; i++) product[i] -= value * v[i];
  const residual = norm2(product);
  const rounding = roundingOf(point) * Math.max(largest, Math.abs(value));
  return { value, residual, doubt, error: residual + doubt + rounding };
}

/** Relative rounding error of a product. */
const roundingOf = ({ precision }: CurvaturePoint) => (precision === 'float32' ? 2 ** -20 : 2 ** -48);
