import { adoptRows, kernelsFor } from '../core/kernels/placement.ts';
import type { MoveSums } from '../core/kernels/kernels.ts';
import { rowsOf, slotsOf, type PairRing } from './pairRing.ts';

/** The inner products of a ring's pairs, by which an estimate is applied without vectors between. */
export interface Gram {
  /** sᵢᵀyⱼ of slots i and j, for j not older than i, `[m + 1, m + 1]` */
  readonly sy: Float64Array;
  /** yᵢᵀyⱼ of slots i and j, `[m + 1, m + 1]` */
  readonly yy: Float64Array;
  /** sᵢᵀg and yᵢᵀg of each slot i at 2i and 2i + 1, with the gradient of the last direction, `[2(m + 1)]` */
  readonly slopes: Float64Array;
  /** What a direction has of each s and y, the newest first, `[2m]`. */
  readonly factors: Float64Array;
  /** Scratch, `[2m]`. */
  readonly products: Float64Array;
  /** Of the newest pair, while its products with the others are still to be had. */
  newest: NewestPair | null;
}

/**
 * What is known of a pair from its recording: sᵀy, yᵀy, and sᵀg and yᵀg with the gradient where its step ended.
 *
 * These two are not to be relied on, and NaN, where the step did not begin at the gradient of the last direction,
 * or y is not the change of the gradient.
 */
export type NewestPair = Pick<MoveSums, 'sy' | 'yy' | 'sg' | 'yg'>;

/** @param m - number of pairs */
export const gramOf = (m: number): Gram => ({
  sy: new Float64Array((m + 1) ** 2),
  yy: new Float64Array((m + 1) ** 2),
  slopes: new Float64Array(2 * (m + 1)),
  factors: new Float64Array(2 * m),
  products: new Float64Array(2 * m),
  newest: null,
});

/**
 * Takes the products of all pairs with `gradient` into `gram.slopes`, in one pass over the pairs, and with them those
 * of the newest pair with all others: as y = ∇fₖ₊₁ − ∇fₖ, they are by what the slopes have changed. Where `gradient`
 * is not the one at which the newest pair ended, but that of another batch or a part of it, they take another pass.
 *
 * Each pair kept must have been the newest here once.
 *
 * @returns the slots of the pairs, the newest first
 * @see Byrd, Nocedal & Schnabel (1994), Representations of quasi-Newton matrices and their use in limited memory
 *   methods, Math. Programming 63, section 3, doi:10.1007/BF01582063
 */
export function takeSlopes(ring: PairRing, gram: Gram, gradient: Float64Array): number[] {
  const { sy, yy, slopes, products, newest } = gram;
  adoptRows(ring.rows);
  const slots = slotsOf(ring);
  const rows = rowsOf(ring, slots);
  const kernels = kernelsFor(rows[0]);
  kernels.project(rows, gradient, products);
  const endsHere = newest !== null && products[0] === newest.sg && products[1] === newest.yg;
  for (let row = 0; row < rows.length; row++) {
    const at = 2 * slots[row >> 1] + (row % 2);
    const before = slopes[at];
    slopes[at] = products[row];
    products[row] -= before;
  }
  if (newest === null) return slots;
  if (endsHere) [products[0], products[1]] = [newest.sy, newest.yy];
  else kernels.project(rows, rows[1], products);
  gram.newest = null;
  const width = ring.rows.length / 2;
  for (let age = 0; age < slots.length; age++) {
    const i = slots[age];
    sy[i * width + slots[0]] = products[2 * age];
    yy[i * width + slots[0]] = yy[slots[0] * width + i] = products[2 * age + 1];
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
 * @param biggs - Biggs's factor of each pair, by slot
 * @param gamma - H₀ = γI
 * @returns gradientᵀout
 * @see Nocedal & Wright (2006), Algorithm 7.4, for the recursion; Chen, Wang & Zhou (2014), Large-scale L-BFGS
 *   using MapReduce, NIPS 27, for its form without vectors
 */
export function gramDirection(
  ring: PairRing,
  gram: Gram,
  tau: Float64Array,
  biggs: Float64Array,
  gamma: number,
  gradient: Float64Array,
  out: Float64Array,
): number {
  const slots = takeSlopes(ring, gram, gradient);
  const { sy, yy, slopes, factors, products: alpha } = gram;
  const width = tau.length;

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
    let sq = c * slopes[2 * i];
    for (let newer = 0; newer < age; newer++) sq += factors[2 * newer + 1] * sy[i * width + slots[newer]];
    alpha[age] = sq / sy[i * width + i];
    factors[2 * age + 1] = -alpha[age];
    scale(1 / Math.sqrt(tau[i]));
  }
  scale(gamma);
  for (let age = slots.length - 1; age >= 0; age--) {
    const i = slots[age];
    scale(1 / Math.sqrt(tau[i]));
    let yr = c * slopes[2 * i + 1];
    for (let k = 0; k < slots.length; k++) yr += factors[2 * k + 1] * yy[i * width + slots[k]];
    for (let older = age + 1; older < slots.length; older++)
      yr += factors[2 * older] * sy[slots[older] * width + i];
    factors[2 * age] += alpha[age] / biggs[i] - yr / sy[i * width + i];
  }
  return combinePairs(ring, gram, slots, c, gradient, out);
}
