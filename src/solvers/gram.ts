import { kernelsFor } from '../core/kernels/pairs.ts';
import type { Pairs } from '../core/kernels/rows.ts';

/** Inner products of the pairs, `[m, m]` each, and scratch. */
export interface Gram {
  /** sᵢᵀyⱼ, for j not older than i. */
  readonly sy: Float64Array;
  /** yᵢᵀyⱼ */
  readonly yy: Float64Array;
  /** sᵢᵀy, sᵢᵀg, yᵢᵀy, yᵢᵀg with the newest y, `[4m]` */
  readonly products: Float64Array;
  /** What the direction has of each s and of each y, `[m]` each. */
  readonly a: Float64Array;
  readonly b: Float64Array;
  /** Whether the newest pair's products are still to be had. */
  pending: boolean;
}

/** The pairs in a ring, and what the recursion does with them. */
export interface GramPairs extends Pairs {
  readonly gram: Gram;
  readonly tau: Float64Array;
  readonly coefficients: Float64Array;
  readonly count: number;
  readonly next: number;
}

export const gramOf = (m: number): Gram => ({
  sy: new Float64Array(m * m),
  yy: new Float64Array(m * m),
  products: new Float64Array(4 * m),
  a: new Float64Array(m),
  b: new Float64Array(m),
  pending: false,
});

/**
 * Takes the products of all pairs with the newest pair and with `gradient`: one pass over the pairs.
 */
export function takeProducts({ s, y, gram, count, next }: GramPairs, gradient: Float64Array): void {
  const m = gram.a.length;
  const newest = (next - 1 + m) % m;
  kernelsFor({ s, y }).project({ s, y }, count, newest, gradient, gram.products);
  if (!gram.pending) return;
  for (let i = 0; i < count; i++) {
    gram.sy[i * m + newest] = gram.products[4 * i];
    gram.yy[i * m + newest] = gram.yy[newest * m + i] = gram.products[4 * i + 2];
  }
  gram.pending = false;
}

/**
 * `out ← −H·gradient`: the two-loop recursion on the coefficients of its vectors instead of the vectors
 * themselves, so that the pairs are read twice, in order, whatever their number.
 *
 * @param gamma - H₀ = γI
 * @see Nocedal & Wright (2006), Algorithm 7.4, for the recursion; Chen, Wang & Zhou (2014), Large-scale L-BFGS
 *   using MapReduce, NIPS 27, for its form without vectors
 */
export function gramDirection(
  pairs: GramPairs,
  gamma: number,
  gradient: Float64Array,
  out: Float64Array,
): void {
  const { gram, tau, coefficients, count, next } = pairs;
  const { sy, yy, products, a, b } = gram;
  const m = a.length;
  const slotOf = (age: number) => (next - age + m) % m;
  takeProducts(pairs, gradient);

  a.fill(0);
  b.fill(0);
  let c = -1;
  const scale = (factor: number) => {
    for (let i = 0; i < count; i++) {
      a[i] *= factor;
      b[i] *= factor;
    }
    c *= factor;
  };
  for (let age = 1; age <= count; age++) {
    const i = slotOf(age);
    let sq = c * products[4 * i + 1];
    for (let newer = 1; newer < age; newer++) sq += b[slotOf(newer)] * sy[i * m + slotOf(newer)];
    coefficients[i] = sq / sy[i * m + i];
    b[i] = -coefficients[i];
    if (tau[i] !== 1) scale(1 / Math.sqrt(tau[i]));
  }
  scale(gamma);
  for (let age = count; age >= 1; age--) {
    const i = slotOf(age);
    if (tau[i] !== 1) scale(1 / Math.sqrt(tau[i]));
    let yr = c * products[4 * i + 3];
    for (let j = 0; j < count; j++) yr += b[j] * yy[i * m + j];
    for (let older = count; older > age; older--) yr += a[slotOf(older)] * sy[slotOf(older) * m + i];
    a[i] += coefficients[i] - yr / sy[i * m + i];
  }
  kernelsFor(pairs).combine(pairs, count, { a, b, c }, gradient, out);
}
