/**
 * The pairs of a limited memory restricted to the free elements, as if the elements held by a bound were
 * constants.
 *
 * @module
 */
import type { Row } from '../core/kernels/rows.ts';
import type { Curvature } from './curvature.ts';
import { slotsOf, type PairRing } from './pairRing.ts';

/**
 * Pairs with less than this fraction of sᵀy in the free elements are skipped: their curvature belongs to the held
 * ones.
 */
const LEAST_PART = 2 ** -26;

/**
 * Returns the slots of the pairs with positive curvature in the free elements, the newest first, and 1/sᵀy
 * over these elements, by slot.
 *
 * @param rho - 1/sᵀy over all elements, by slot
 * @param held - indices of the held elements, in order
 */
export function freePairs(
  ring: PairRing,
  { rho }: { readonly rho: Float64Array },
  held: readonly number[],
): { readonly slots: readonly number[]; readonly rho: Float64Array } {
  const free = new Float64Array(rho.length);
  const slots = slotsOf(ring).filter((i) => {
    const whole = 1 / rho[i];
    const sy = whole - productOver(held, ring.rows[2 * i], ring.rows[2 * i + 1]);
    free[i] = 1 / sy;
    return sy > LEAST_PART * whole;
  });
  return { slots, rho: free };
}

/** Returns sᵀy over the elements of these indices. */
function productOver(indices: readonly number[], s: Row, y: Row): number {
  let sum = 0;
  for (const i of indices) sum += s[i] * y[i];
  return sum;
}

/**
 * Returns sᵀy, yᵀy and sᵀs over the free elements.
 *
 * @param held - indices of the others, in order
 */
export function freeSums(s: Row, y: Row, held: readonly number[]): Curvature {
  const sums = { sy: 0, yy: 0, ss: 0 };
  let next = 0;
  for (let i = 0; i < s.length; i++) {
    if (held[next] === i) next++;
    else {
      sums.sy += s[i] * y[i];
      sums.yy += y[i] * y[i];
      sums.ss += s[i] * s[i];
    }
  }
  return sums;
}
