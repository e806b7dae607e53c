import { float32Matrices } from './float32Matrices.ts';
import { float64Matrices } from './float64Matrices.ts';
import { padded } from './padding.ts';
import { simdMatrices, type MatrixMemory } from './simdMatrices.ts';
import { newVectors } from './vectorMemory.ts';
import { KERNEL_LENGTH } from '../vector.ts';
import type { Precision } from '../problem.ts';

/** Returns the length of a side, padded with zeros for SIMD in float32. */
export const paddedSide = (side: number, precision: Precision): number =>
  precision === 'float32' ? padded(side) : side;

/**
 * Allocates a heap of zeros with its operations, and vectors of zeros: in float32 in one WebAssembly memory, if they are long
 * and there is SIMD. Results do not depend on that.
 *
 * @param length - numbers of the heap
 * @param n - length of the vectors
 */
export function newMatrices(precision: Precision, length: number, n: number, count: number): MatrixMemory {
  const fast = precision === 'float32' && n >= KERNEL_LENGTH ? simdMatrices(length, n, count) : null;
  if (fast) return fast;
  const matrices =
    precision === 'float32'
      ? float32Matrices(new Float32Array(length))
      : float64Matrices(new Float64Array(length));
  return { matrices, vectors: newVectors(n, count) };
}
