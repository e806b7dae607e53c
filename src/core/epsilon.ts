import type { Precision } from './problem.ts';

/** Distance from 1 to the next larger number: twice the largest rounding error. */
export const EPSILON: Readonly<Record<Precision, number>> = { float32: 2 ** -23, float64: 2 ** -52 };

/**
 * Relative difference up to which two computations of one number agree: rounding of long sums, and of products that a user
 * takes by differences, stays below.
 */
export const AGREEMENT: Readonly<Record<Precision, number>> = { float32: 1e-3, float64: 1e-6 };
