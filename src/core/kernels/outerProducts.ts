/**
 * Symmetric matrices as sums of outer products. While the terms are few, a product with a vector takes two passes over their
 * vectors, less than one over half of a matrix.
 *
 * @module
 */
import { scaleInto } from '../vector.ts';
import { allocateRows, kernelsForAll } from './placement.ts';
import type { Kernels, RowSelection } from './kernels.ts';
import type { Row } from './rows.ts';
import type { Update } from './triangle.ts';

/** `A = diagonal·I + Σ aₖuₖuₖᵀ + bₖ(uₖvₖᵀ + vₖuₖᵀ) + cₖvₖvₖᵀ`, `[n, n]`; plain data. */
export interface OuterProducts {
  diagonal: number;
  /** Number of terms. */
  count: number;
  /** a, b and c of each term, with room for as many terms as the sum may have. */
  readonly factors: Float64Array;
  /** u and v of each term, alternately, in parts with a memory of their own; null for those not needed yet. */
  readonly parts: (Row[] | null)[];
}

/** Number of terms of the first part. Each part but the last doubles the room of all before. */
const FIRST = 32;

/** Returns the part that holds a term, and the first term of a part. */
const partWith = (term: number): number => (term < FIRST ? 0 : 1 + Math.floor(Math.log2(term / FIRST)));
const startOf = (part: number): number => (part === 0 ? 0 : FIRST * 2 ** (part - 1));

/** Returns an empty sum, to which up to `most` terms can be added. */
export const outerProducts = (most: number): OuterProducts => ({
  diagonal: 0,
  count: 0,
  factors: new Float64Array(3 * most),
  parts: Array.from({ length: most === 0 ? 0 : 1 + partWith(most - 1) }, () => null),
});

/** `A ← diagonal·I`; releases the vectors. */
export function clearProducts(sum: OuterProducts, diagonal: number): void {
  sum.diagonal = diagonal;
  sum.count = 0;
  sum.parts.fill(null);
}

/** True if no term can be added. */
export const isFull = ({ count, factors }: OuterProducts): boolean => 3 * count === factors.length;

/**
 * Adds an update to scale·A. The vectors are copied.
 *
 * @param sum - not full
 */
export function addProducts(sum: OuterProducts, scale: number, { factors: added, u, v }: Update): void {
  const { factors, parts, count } = sum;
  sum.diagonal *= scale;
  for (let k = 0; k < 3 * count; k++) factors[k] *= scale;
  factors.set(added, 3 * count);
  const p = partWith(count);
  const start = startOf(p);
  const end = Math.min(startOf(p + 1), factors.length / 3);
  const rows = (parts[p] ??= allocateRows(u.length, 2 * (end - start), 'float64'));
  rows[2 * (count - start)].set(u);
  rows[2 * (count - start) + 1].set(v);
  sum.count++;
}

/** `out ← Ax`; `out` may be `x`. */
export function multiplyProducts(sum: OuterProducts, x: Float64Array, out: Float64Array): void {
  const { diagonal, factors } = sum;
  const parts = partsOf(sum);
  if (parts.length === 0) return scaleInto(diagonal, x, out);
  for (const { selected, first, numbers, kernels } of parts) {
    kernels.project(selected, x, numbers);
    weigh(factors, first, numbers, selected.order.length);
  }
  for (const { selected, first, numbers, kernels } of parts) {
    kernels.combine(selected, numbers, first === 0 ? diagonal : 1, first === 0 ? x : out, out);
  }
}

/** Returns the terms. */
export function termsOf({ count, factors, parts }: OuterProducts): Update[] {
  return Array.from({ length: count }, (_, term) => {
    const p = partWith(term);
    const at = 2 * (term - startOf(p));
    const [u, v] = (parts[p] as Float64Array[]).slice(at, at + 2);
    const [a, b, c] = factors.subarray(3 * term);
    return { factors: [a, b, c], u, v };
  });
}

/** The terms of a part, from the `first` on. */
interface Part {
  readonly selected: RowSelection;
  readonly first: number;
  /** A number for each row, and for those to come. */
  readonly numbers: Float64Array;
  readonly kernels: Kernels;
}

/** Parts by their rows, which are plain data and cannot refer to kernels. */
const known = new WeakMap<Row[], Part>();

/** Returns the parts that have terms. */
function partsOf({ parts, count }: OuterProducts): Part[] {
  const inUse: Part[] = [];
  for (let p = 0; startOf(p) < count; p++) {
    const rows = parts[p] as Row[];
    const length = Math.min(2 * (count - startOf(p)), rows.length);
    const before = known.get(rows);
    const part =
      before?.selected.order.length === length ? before : newPart(rows, length, startOf(p), before);
    known.set(rows, part);
    inUse.push(part);
  }
  return inUse;
}

const newPart = (rows: Row[], length: number, first: number, before: Part | undefined): Part => ({
  selected: { rows, order: Array.from({ length }, (_, k) => k) },
  first,
  numbers: before?.numbers ?? new Float64Array(rows.length),
  kernels: before?.kernels ?? kernelsForAll(rows),
});

/** Turns the numbers uᵀx and vᵀx of some terms into those by which Ax contains u and v. */
function weigh(factors: Float64Array, first: number, numbers: Float64Array, length: number): void {
  for (let at = 0, k = 3 * first; at < length; at += 2, k += 3) {
    const u = numbers[at];
    const v = numbers[at + 1];
    numbers[at] = factors[k] * u + factors[k + 1] * v;
    numbers[at + 1] = factors[k + 1] * u + factors[k + 2] * v;
  }
}
