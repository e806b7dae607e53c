import { integerIn } from '../core/options.ts';
import { adoptRows, allocateRows, kernelsFor } from '../core/kernels/placement.ts';
import type { MoveSums } from '../core/kernels/kernels.ts';
import type { Row, Storage } from '../core/kernels/rows.ts';
import type { LineState } from './searchAlong.ts';

/** The last m pairs s = xₖ₊₁ − xₖ, y = ∇fₖ₊₁ − ∇fₖ, in a ring of m + 1 slots: one is always free for the next. */
export interface PairRing {
  /** s and y of slot i at 2i and 2i + 1, `[n]` each. */
  readonly rows: Row[];
  /** Number of pairs. */
  count: number;
  /** The free slot. */
  next: number;
}

/** The rule of an option that numbers the pairs; their inner products are m² numbers. */
export const memoryRule = integerIn(1, 1e4);

/** An empty ring for m pairs. */
export const pairRing = (n: number, m: number, storage: Storage = 'float64'): PairRing => ({
  rows: allocateRows(n, 2 * (m + 1), storage),
  count: 0,
  next: 0,
});

/** The slots of the pairs, the newest first. */
export function slotsOf({ rows, count, next }: PairRing): number[] {
  const slots: number[] = [];
  for (let age = 1; age <= count; age++) slots.push(next >= age ? next - age : next - age + rows.length / 2);
  return slots;
}

/** s and y of each of `slots` in turn. */
export function rowsOf(ring: PairRing, slots: readonly number[]): Row[] {
  const rows: Row[] = [];
  for (const slot of slots) rows.push(ring.rows[2 * slot], ring.rows[2 * slot + 1]);
  return rows;
}

/** Writes the pair of a step into the free slot, and computes its products; {@link keepPair} may follow. */
export function recordPair({ rows, next }: PairRing, step: LineState): MoveSums {
  adoptRows(rows);
  return kernelsFor(rows[0]).record(step, rows[2 * next], rows[2 * next + 1]);
}

/** Makes the recorded pair the newest; the oldest gives way to the next where the ring is full. */
export function keepPair(ring: PairRing): void {
  const slots = ring.rows.length / 2;
  ring.next = (ring.next + 1) % slots;
  ring.count = Math.min(ring.count + 1, slots - 1);
}
