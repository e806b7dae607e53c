import type { Precision } from './problem.ts';

/** Distance from 1 to the next larger number: twice the largest rounding error. */
export const EPSILON: Readonly<Record<Precision, number>> = { float32: 2 ** -23, float64: 2 ** -52 };
