/**
 * Averaging instead of a decaying rate: a solver steps from a base point z, evaluates gradients at y between
 * z and the average x̄ of all z, and returns x̄.
 *
 * @module
 * @see Defazio et al. (2024), The road less scheduled, Algorithm 1, arXiv:2405.15682
 */
import { averageStep, shiftAlong } from '../core/kernels/elementwise.ts';

/** Memory of a schedule-free solver, in addition to its iterate y. */
export interface Averaging {
  /** Base point z that steps start from, `[n]`. */
  readonly base: Float64Array;
  /** Average x̄ of the base points, weighted by the squares of their rates, `[n]`. */
  readonly average: Float64Array;
  /** Sum of the squares of the rates so far. */
  weight: number;
}

/** Returns the initial memory, before the first step, in two vectors of zeros, `[n]`. */
export const newAveraging = ([base, average]: readonly Float64Array[]): Averaging => ({
  base,
  average,
  weight: 0,
});

/**
 * Shifts z and x̄ along with y if other code has moved y: to the start, into constraints, or to other
 * weights.
 *
 * @param beta - y = (1 − β)z + βx̄
 */
export function followShift(
  { base, average }: Averaging,
  y: Float64Array,
  beta: number,
  rounds: boolean,
): void {
  shiftAlong({ y, base, average }, beta, rounds);
}

/**
 * Adds a new base point to the average, and moves y to the point of the next gradient.
 *
 * @returns the largest change of an element of y
 */
export function averageBase(
  averaging: Averaging,
  y: Float64Array,
  rate: number,
  beta: number,
  rounds: boolean,
): number {
  const { base, average } = averaging;
  averaging.weight += rate * rate;
  const share = averaging.weight > 0 ? (rate * rate) / averaging.weight : 1;
  return averageStep({ y, base, average }, beta, share, rounds);
}

/** Writes x̄ into `out`, `[n]`; returns false before the first step. */
export function writeAverage({ average, weight }: Averaging, out: Float64Array, rounds: boolean): boolean {
  for (let i = 0; i < out.length; i++) out[i] = rounds ? Math.fround(average[i]) : average[i];
  return weight > 0;
}
