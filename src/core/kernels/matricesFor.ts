import { plainMatrices } from './plainMatrices.ts';
import { simdMatrices } from './simdMatrices.ts';
import type { Precision } from '../problem.ts';
import type { Heap, Matrices } from './matrices.ts';

/** Number of elements that SIMD processes at a time. */
const PADDING = 8;

/** Returns the length of a side padded with zeros for SIMD. */
export const padded = (side: number, precision: Precision): number =>
  precision === 'float32' ? Math.ceil(side / PADDING) * PADDING : side;

/** Heaps of plain arrays, which are kept for the next call. */
const plain: Partial<Record<Precision, Matrices>> = {};

/**
 * Returns a heap of at least `length` numbers with its operations, which use SIMD in float32 if available.
 * All callers share it, so nothing in it outlasts the caller's synchronous work.
 */
export function matricesFor(precision: Precision, length: number): Matrices {
  const fast = precision === 'float32' ? simdMatrices(length) : null;
  if (fast) return fast;
  const present = plain[precision];
  if (present && present.heap.length >= length) return present;
  return (plain[precision] = plainMatrices(newHeap(precision, length)));
}

/** Returns zeros of a precision. */
export const newHeap = (precision: Precision, length: number): Heap =>
  precision === 'float32' ? new Float32Array(length) : new Float64Array(length);
