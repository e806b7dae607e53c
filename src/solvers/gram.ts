import { ROWS } from '../core/kernels/arena.ts';
import { kernelsFor } from '../core/kernels/kernels.ts';
import { adoptRows } from '../core/kernels/rows.ts';
import { rowsOf, slotsOf, type PairRing } from './pairRing.ts';

/** The inner products of a ring's pairs, by which an estimate is applied without vectors between. */
export interface Gram {
  /** sᵢᵀyⱼ of slots i and j, for j not older than i, `[m + 1, m + 1]` */
  readonly sy: Float64Array;
  /** yᵢᵀyⱼ of slots i and j, `[m + 1, m + 1]` */
  readonly yy: Float64Array;
  /** sᵢᵀy, sᵢᵀg, yᵢᵀy, yᵢᵀg with the newest y, the newest pair first, `[4m]` */
  readonly products: Float64Array;
  /** What a direction has of each s and y, the newest first, and zeros to make whole groups of rows, `[2m + …]`. */
  readonly factors: Float64Array;
  /** What the newest y still wants of its s. */
  stretch: number;
  /** Whether the newest pair's products are still to be had. */
  pending: boolean;
}

/** @param m - number of pairs */
export const gramOf = (m: number): Gram => ({
  sy: new Float64Array((m + 1) ** 2),
  yy: new Float64Array((m + 1) ** 2),
  products: new Float64Array(4 * m),
  factors: new Float64Array(2 * m + ROWS),
  stretch: 0,
  pending: false,
});

/**
 * Takes the products of all pairs with the newest pair and with `gradient`: one pass over the pairs. Each pair
 * kept must have been the newest here once.
 *
 * @returns the slots of the pairs, the newest first
 */
export function takeProducts(ring: PairRing, gram: Gram, gradient: Float64Array): number[] {
  const { products, sy, yy, stretch, pending } = gram;
  adoptRows(ring.rows);
  const slots = slotsOf(ring);
  const rows = rowsOf(ring, slots);
  const [s, y] = rows;
  kernelsFor(s).project(rows, { s, y, stretch }, gradient, products);
  Object.assign(gram, { stretch: 0, pending: false });
  if (!pending) return slots;
  const [newest] = slots;
  const width = ring.rows.length / 2;
  for (let age = 0; age < slots.length; age++) {
    const i = slots[age];
    sy[i * width + newest] = products[4 * age];
    yy[i * width + newest] = yy[newest * width + i] = products[4 * age + 2];
  }
  return slots;
}

/** `out ← c·g + Σ aᵢsᵢ + bᵢyᵢ` over `slots`, with a and b in turn in `gram.factors`; returns gᵀout. */
export function combinePairs(
  ring: PairRing,
  { factors }: Gram,
  slots: readonly number[],
  c: number,
  g: Float64Array,
  out: Float64Array,
): number {
  const rows = rowsOf(ring, slots);
  return kernelsFor(rows[0]).combine(rows, factors, c, g, out);
}

/**
 * `out ← −H·gradient`: the two-loop recursion on the coefficients of its vectors instead of the vectors
 * themselves, so that the pairs are read twice, in order, whatever their number.
 *
 * @param tau - by what H is divided before each pair, by slot
 * @param gamma - H₀ = γI
 * @returns gradientᵀout
 * @see Nocedal & Wright (2006), Algorithm 7.4, for the recursion; Chen, Wang & Zhou (2014), Large-scale L-BFGS
 *   using MapReduce, NIPS 27, for its form without vectors
 */
export function gramDirection(
  ring: PairRing,
  gram: Gram,
  tau: Float64Array,
  gamma: number,
  gradient: Float64Array,
  out: Float64Array,
): number {
  const slots = takeProducts(ring, gram, gradient);
  const { sy, yy, products, factors } = gram;
  const width = tau.length;
  const alpha = new Float64Array(slots.length);

  // The vector of the recursion is c·g + Σ factors₂ₖ·s + factors₂ₖ₊₁·y, k the age of the pair.
  factors.fill(0);
  let c = -1;
  const scale = (factor: number) => {
    if (factor === 1) return;
    for (let k = 0; k < factors.length; k++) factors[k] *= factor;
    c *= factor;
  };
  for (let age = 0; age < slots.length; age++) {
    const i = slots[age];
    let sq = c * products[4 * age + 1];
    for (let newer = 0; newer < age; newer++) sq += factors[2 * newer + 1] * sy[i * width + slots[newer]];
    alpha[age] = sq / sy[i * width + i];
    factors[2 * age + 1] = -alpha[age];
    scale(1 / Math.sqrt(tau[i]));
  }
  scale(gamma);
  for (let age = slots.length - 1; age >= 0; age--) {
    const i = slots[age];
    scale(1 / Math.sqrt(tau[i]));
    let yr = c * products[4 * age + 3];
    for (let k = 0; k < slots.length; k++) yr += factors[2 * k + 1] * yy[i * width + slots[k]];
    for (let older = age + 1; older < slots.length; older++)
      yr += factors[2 * older] * sy[slots[older] * width + i];
    factors[2 * age] += alpha[age] - yr / sy[i * width + i];
  }
  return combinePairs(ring, gram, slots, c, gradient, out);
}
