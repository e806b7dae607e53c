import { integerIn } from '../core/options.ts';
import { allocateRows, kernelsForAll } from '../core/kernels/placement.ts';
import type { Kernels, Move, MoveSums, RowSelection } from '../core/kernels/kernels.ts';
import type { Iterate } from '../core/solver.ts';
import type { Row, Storage } from '../core/kernels/rows.ts';

/**
 * The last m pairs s = xₖ₊₁ − xₖ, y = ∇fₖ₊₁ − ∇fₖ, in a ring of m + 1 slots, one of which is always free for
 * the next pair.
 */
export interface PairRing {
  /** s and y of slot i at 2i and 2i + 1, `[n]` each. */
  readonly rows: Row[];
  /** Number of pairs. */
  count: number;
  /** The free slot. */
  next: number;
  /** Inner products of the pairs; null if the estimate works with the vectors themselves. */
  readonly gram: Gram | null;
}

/** The inner products of a ring's pairs, which let an estimate be applied through coefficients. */
export interface Gram {
  /** sᵢᵀyⱼ of slots i and j, where j is not older than i, `[m + 1, m + 1]`. */
  readonly sy: Float64Array;
  /** yᵢᵀyⱼ of slots i and j, `[m + 1, m + 1]`. */
  readonly yy: Float64Array;
  /** sᵢᵀg and yᵢᵀg of each slot i at 2i and 2i + 1, with the gradient of the last direction, `[2(m + 1)]`. */
  readonly slopes: Float64Array;
  /** Coefficients of each s and y in a direction, from the newest pair to the oldest, `[2m]`. */
  readonly factors: Float64Array;
  /** Scratch, `[2m]`. */
  readonly products: Float64Array;
  /** Sums of the newest pair, until its products with the other pairs are known; then null. */
  newest: NewestPair | null;
  /**
   * Gradient whose products with all pairs but the newest begin `products`, from the pass that recorded that pair. Copies
   * of a state lack it, since the gradient of a run that is resumed may be another.
   */
  [PROJECTED]?: Float64Array | undefined;
}

/**
 * Sums over a pair when it was recorded: sᵀy, yᵀy, and sᵀg and yᵀg with the gradient where its step ended.
 *
 * The last two are NaN if the products with the other pairs cannot be derived from changes of the slopes:
 * because H was not applied to the gradient at the start of the step, or y is not the change of the gradient.
 */
export type NewestPair = Pick<MoveSums, 'sy' | 'yy' | 'sg' | 'yg'>;

/** Rule of the option for the number of pairs, whose inner products are m² numbers. */
export const memoryRule = integerIn(1, 1e4);

/** Returns the default number of pairs for n unknowns. */
export function defaultMemory(n: number): number {
  if (n <= 500) return 100;
  if (n <= 2000) return 50;
  return n >= 1e6 ? 10 : 20;
}

/** Returns an empty ring for m pairs of n unknowns, without products. */
export const pairRing = (n: number, m: number, storage: Storage = 'float64'): PairRing => ({
  rows: allocateRows(n, 2 * (m + 1), storage),
  count: 0,
  next: 0,
  gram: null,
});

/** Returns the products of a ring of m pairs, to be filled in. */
export const gramOf = (m: number): Gram => ({
  sy: new Float64Array((m + 1) ** 2),
  yy: new Float64Array((m + 1) ** 2),
  slopes: new Float64Array(2 * (m + 1)),
  factors: new Float64Array(2 * m),
  products: new Float64Array(2 * m),
  newest: null,
});

/** Returns the slot of the newest pair, or of the oldest. */
export function endSlot({ rows, count, next }: PairRing, end: 'newest' | 'oldest'): number {
  const slots = rows.length / 2;
  return (next - (end === 'newest' ? 1 : count) + slots) % slots;
}

/** Returns the slots of the pairs, the newest first. */
export function slotsOf({ rows, count, next }: PairRing): number[] {
  const slots: number[] = [];
  for (let age = 1; age <= count; age++) slots.push(next >= age ? next - age : next - age + rows.length / 2);
  return slots;
}

/** Arrays that the pair of a step may overwrite: those of the point and gradient where the step began. */
export type Place = Pick<Iterate, 'x' | 'gradient'>;

/** Returns the place if it lies in the memory of the rows, so that it can become rows of the ring; otherwise null. */
export function placeOver({ rows }: PairRing, place: Place): Place | null {
  const { buffer } = rows[0];
  const isBeside = place.x.buffer === buffer && place.gradient.buffer === buffer;
  return isBeside && rows[0] instanceof Float64Array ? place : null;
}

/** Key of what copies of a state leave out. */
const PROJECTED = Symbol('projected');

/**
 * Writes the pair of a step into the free slot, or over a place, and returns its sums; {@link keepPair} may follow,
 * and after it {@link exchangeRows} if the pair lies in a place.
 *
 * @param isNext - true if {@link takeSlopes} follows with the gradient where the step ends, unchanged: then its
 *   products with the other pairs are computed in the same pass
 */
export function recordPair(ring: PairRing, step: Move, place: Place | null = null, isNext = false): MoveSums {
  const { rows, next, gram } = ring;
  if (gram?.newest) takeSlopes(ring, gram, step.gradient);
  const kernels = kernelsForAll(rows);
  const [s, y] = place ? [place.x, place.gradient] : [rows[2 * next], rows[2 * next + 1]];
  if (gram === null || !isNext) return kernels.record(step, s, y);
  // The new pair takes the place of the oldest, if the ring is full.
  const count = Math.min(ring.count, rows.length / 2 - 2);
  const sums = kernels.record(step, s, y, selectPairs(ring, count), gram.products);
  gram[PROJECTED] = step.trialGradient;
  return sums;
}

/**
 * Makes the arrays of a place, which hold the pair of `slot`, rows of that slot. The place gets those of the oldest
 * pair, which has just been dropped, in exchange, and the free slot those of `slot`: its own are never written, so that
 * they take no memory.
 */
export function exchangeRows({ rows, next }: PairRing, slot: number, place: Place): void {
  const unwritten = [rows[2 * slot], rows[2 * slot + 1]];
  [rows[2 * slot], rows[2 * slot + 1]] = [place.x, place.gradient];
  [place.x, place.gradient] = [rows[2 * next], rows[2 * next + 1]] as Float64Array[];
  [rows[2 * next], rows[2 * next + 1]] = unwritten;
}

/**
 * Makes the recorded pair the newest. If the ring is full, the slot of the oldest pair becomes the free one.
 */
export function keepPair(ring: PairRing, newest: NewestPair): void {
  const slots = ring.rows.length / 2;
  const { gram } = ring;
  if (gram) gram.newest = newest;
  ring.next = (ring.next + 1) % slots;
  ring.count = Math.min(ring.count + 1, slots - 1);
}

/** Forgets all pairs. */
export function clearPairs(ring: PairRing): void {
  [ring.count, ring.next] = [0, 0];
  if (ring.gram) ring.gram.newest = null;
}

/**
 * Writes the products of all pairs with `gradient` into `gram.slopes`, in one pass over the pairs, and adds
 * those of the newest pair with all others: since y = ∇fₖ₊₁ − ∇fₖ, these are the changes of the slopes. If
 * `gradient` is not the one at the end of the newest pair's step, but that of another batch or of a part of
 * it, they take a second pass.
 *
 * Must be called once for each pair while it is the newest.
 *
 * @see Byrd, Nocedal & Schnabel (1994), Representations of quasi-Newton matrices and their use in limited memory
 *   methods, Math. Programming 63, section 3, doi:10.1007/BF01582063
 */
export function takeSlopes(ring: PairRing, gram: Gram, gradient: Float64Array): Pairs {
  const { sy, yy, slopes, products, newest } = gram;
  const kernels = kernelsForAll(ring.rows);
  const { rows, order } = selectPairs(ring, ring.count);
  const slots = slotsOf(ring);
  const pairs = { rows, order, slots, kernels };
  if (newest !== null && gram[PROJECTED] === gradient) {
    products.copyWithin(2, 0, order.length - 2);
    [products[0], products[1]] = [newest.sg, newest.yg];
  } else kernels.project(pairs, gradient, products);
  if (gram[PROJECTED]) gram[PROJECTED] = undefined;
  const endsHere = newest !== null && products[0] === newest.sg && products[1] === newest.yg;
  for (let k = 0; k < order.length; k++) {
    const at = order[k];
    const before = slopes[at];
    slopes[at] = products[k];
    products[k] -= before;
  }
  if (newest === null) return pairs;
  if (endsHere) [products[0], products[1]] = [newest.sy, newest.yy];
  else kernels.project(pairs, ring.rows[order[1]], products);
  gram.newest = null;
  const width = ring.rows.length / 2;
  const row = slots[0] * width;
  for (let age = 0; age < slots.length; age++) {
    const i = slots[age];
    sy[i * width + slots[0]] = products[2 * age];
    yy[i * width + slots[0]] = yy[row + i] = products[2 * age + 1];
  }
  return pairs;
}

/**
 * `out ← c·g + Σ aᵢsᵢ + bᵢyᵢ` over the pairs, where `gram.factors` holds aᵢ and bᵢ alternately; returns
 * gᵀout. With a step, also `trial ← x + out`.
 */
export function combinePairs(
  pairs: Pairs,
  { factors }: Gram,
  c: number,
  g: Float64Array,
  out: Float64Array,
  step?: Pick<Move, 'x' | 'trial'>,
): number {
  return pairs.kernels.combine(pairs, factors, c, g, out, step);
}

/** The pairs of a ring, the newest first: s and y of each slot, alternately. */
export interface Pairs extends RowSelection {
  readonly slots: readonly number[];
  readonly kernels: Kernels;
}

/** Selects s and y of the newest pairs, the newest first. */
function selectPairs({ rows, next }: PairRing, count: number): RowSelection {
  const order: number[] = [];
  for (let age = 1; age <= count; age++) {
    const s = 2 * (next - age) + (next >= age ? 0 : rows.length);
    order.push(s, s + 1);
  }
  return { rows, order };
}
