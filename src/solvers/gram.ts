import { ROWS } from '../core/kernels/arena.ts';
import { integerIn } from '../core/options.ts';
import { kernelsFor, type MoveSums } from '../core/kernels/kernels.ts';
import { adoptRows, type Row } from '../core/kernels/rows.ts';
import type { LineState } from './searchAlong.ts';

/** Inner products of the pairs, and scratch. */
export interface Gram {
  /** sᵢᵀyⱼ, for j not older than i, `[m, m]` */
  readonly sy: Float64Array;
  /** yᵢᵀyⱼ, `[m, m]` */
  readonly yy: Float64Array;
  /** sᵢᵀy, sᵢᵀg, yᵢᵀy, yᵢᵀg with the newest y, `[4m]` */
  readonly products: Float64Array;
  /** What the direction has of each s and y, and zeros to make whole groups of rows, `[2m + …]`. */
  readonly factors: Float64Array;
  /** Slots that have held a pair. */
  filled: number;
  /** What the newest y still wants of its s. */
  stretch: number;
  /** Whether the newest pair's products are still to be had. */
  pending: boolean;
}

/** The rule of an option that numbers the pairs; their inner products are m² numbers. */
export const memoryRule = integerIn(1, 1e4);

/** The last m pairs s = xₖ₊₁ − xₖ, y = ∇fₖ₊₁ − ∇fₖ, in a ring. */
export interface PairRing {
  /** s and y of slot i at 2i and 2i + 1, `[n]` each; an empty slot has zeros. */
  readonly rows: Row[];
  /** Where n is large: the pairs' inner products, by which an estimate is applied without vectors between. */
  readonly gram: Gram | null;
  /** Number of pairs. */
  count: number;
  /** Slot of the next pair. */
  next: number;
}

/** A ring with its inner products. */
export interface GramPairs extends PairRing {
  readonly gram: Gram;
}

export const gramOf = (m: number): Gram => ({
  sy: new Float64Array(m * m),
  yy: new Float64Array(m * m),
  products: new Float64Array(4 * m),
  factors: new Float64Array(2 * m + ROWS),
  filled: 0,
  stretch: 0,
  pending: false,
});

/**
 * Writes the pair of a step over the oldest one, for {@link keepPair} or {@link dropPair} to follow, and
 * computes its products.
 */
export function recordPair(pairs: GramPairs, step: LineState): MoveSums {
  const { rows, gram, next } = pairs;
  adoptRows(rows);
  if (gram.pending) takeProducts(pairs, step.gradient);
  return kernelsFor(rows[0]).record(step, rows[2 * next], rows[2 * next + 1]);
}

/**
 * Makes the pair just written the newest one.
 *
 * @param stretch - what y still wants of s
 */
export function keepPair(pairs: PairRing, stretch = 0): void {
  const { rows, gram, next } = pairs;
  const m = rows.length / 2;
  if (gram) Object.assign(gram, { filled: Math.max(gram.filled, next + 1), pending: true, stretch });
  pairs.next = (next + 1) % m;
  pairs.count = Math.min(pairs.count + 1, m);
}

/** Leaves the recorded pair's slot empty: the oldest pair is lost. */
export function dropPair(pairs: GramPairs): void {
  const { rows, gram, next } = pairs;
  const m = rows.length / 2;
  rows[2 * next].fill(0);
  rows[2 * next + 1].fill(0);
  for (let i = 0; i < m; i++) gram.sy[i * m + next] = gram.yy[i * m + next] = gram.yy[next * m + i] = 0;
  pairs.count = Math.min(pairs.count, m - 1);
}

/** Empties the ring. */
export function forgetPairs(pairs: PairRing): void {
  Object.assign(pairs, { count: 0, next: 0 });
  if (pairs.gram) Object.assign(pairs.gram, { filled: 0, pending: false, stretch: 0 });
}

/** Takes the products of all pairs with the newest pair and with `gradient`: one pass over the pairs. */
export function takeProducts({ rows, gram, next }: GramPairs, gradient: Float64Array): void {
  const { products, sy, yy, filled } = gram;
  const m = rows.length / 2;
  const newest = (next - 1 + m) % m;
  const pair = { s: rows[2 * newest], y: rows[2 * newest + 1], stretch: gram.stretch };
  kernelsFor(rows[0]).project(rows.slice(0, 2 * filled), pair, gradient, products);
  gram.stretch = 0;
  if (!gram.pending) return;
  for (let i = 0; i < filled; i++) {
    sy[i * m + newest] = products[4 * i];
    yy[i * m + newest] = yy[newest * m + i] = products[4 * i + 2];
  }
  gram.pending = false;
}

/** `out ← c·g + Σ aᵢsᵢ + bᵢyᵢ`, with a and b in turn in `gram.factors`; returns gᵀout. */
export function combinePairs(
  { rows, gram }: GramPairs,
  c: number,
  g: Float64Array,
  out: Float64Array,
): number {
  return kernelsFor(rows[0]).combine(rows.slice(0, 2 * gram.filled), gram.factors, c, g, out);
}

/**
 * `out ← −H·gradient`: the two-loop recursion on the coefficients of its vectors instead of the vectors
 * themselves, so that the pairs are read twice, in order, whatever their number.
 *
 * @param gamma - H₀ = γI
 * @returns gradientᵀout
 * @see Nocedal & Wright (2006), Algorithm 7.4, for the recursion; Chen, Wang & Zhou (2014), Large-scale L-BFGS
 *   using MapReduce, NIPS 27, for its form without vectors
 */
export function gramDirection(
  pairs: GramPairs & { readonly tau: Float64Array; readonly coefficients: Float64Array },
  gamma: number,
  gradient: Float64Array,
  out: Float64Array,
): number {
  const { gram, tau, coefficients, count, next } = pairs;
  const { sy, yy, products, factors } = gram;
  const m = tau.length;
  adoptRows(pairs.rows);
  const slots = Array.from({ length: count }, (_, age) => (next - 1 - age + m) % m);
  takeProducts(pairs, gradient);

  factors.fill(0);
  let c = -1;
  const scale = (factor: number) => {
    if (factor === 1) return;
    for (let k = 0; k < factors.length; k++) factors[k] *= factor;
    c *= factor;
  };
  for (let age = 0; age < count; age++) {
    const i = slots[age];
    let sq = c * products[4 * i + 1];
    for (let newer = 0; newer < age; newer++) sq += factors[2 * slots[newer] + 1] * sy[i * m + slots[newer]];
    coefficients[i] = sq / sy[i * m + i];
    factors[2 * i + 1] = -coefficients[i];
    scale(1 / Math.sqrt(tau[i]));
  }
  scale(gamma);
  for (let age = count - 1; age >= 0; age--) {
    const i = slots[age];
    scale(1 / Math.sqrt(tau[i]));
    let yr = c * products[4 * i + 3];
    for (const j of slots) yr += factors[2 * j + 1] * yy[i * m + j];
    for (let older = count - 1; older > age; older--)
      yr += factors[2 * slots[older]] * sy[slots[older] * m + i];
    factors[2 * i] += coefficients[i] - yr / sy[i * m + i];
  }
  return combinePairs(pairs, c, gradient, out);
}
