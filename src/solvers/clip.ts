import { norm2, normInf } from '../core/vector.ts';
import type { Precision } from '../core/problem.ts';

/** Factor that limits the norm of a gradient, and the norm of the result. */
export interface Clipped {
  readonly clip: number;
  /** Infinite if its square overflows; NaN if the gradient is not finite. */
  readonly norm: number;
}

/**
 * Returns the factor that limits the Euclidean norm of a gradient to `clipNorm`.
 *
 * @param gradient - `[n]`; the squares of its elements may overflow
 */
export function clipTo(gradient: Float64Array, clipNorm: number): Clipped {
  const norm = norm2(gradient);
  if (norm <= clipNorm) return { clip: 1, norm };
  if (norm < Infinity) return { clip: clipNorm / norm, norm: clipNorm };
  const largest = normInf(gradient);
  const clip = clipNorm / largest / norm2(gradient.map((value) => value / largest));
  return clip >= 1 ? { clip: 1, norm } : { clip, norm: clip < 1 ? clipNorm : NaN };
}

/** The step that a solver refuses; see {@link refuse}. */
export interface Refusal {
  readonly kind: 'failed';
  readonly termination: 'nonFinite';
  readonly cause?: string;
}

/**
 * Counts and returns the failure of a step whose gradient is not finite, or so long that its second moments would overflow.
 * They would stay infinite, and the elements would never move again.
 *
 * @param gradient - `[n]`
 */
export function refuse(state: { skipped: number }, gradient: Float64Array): Refusal {
  state.skipped++;
  const largest = normInf(gradient);
  if (!Number.isFinite(largest)) return { kind: 'failed', termination: 'nonFinite' };
  const cause = `The gradient has an element of magnitude ${largest.toExponential(1)}, whose square is too large for the second moments. Give a clipNorm, or scale f.`;
  return { kind: 'failed', termination: 'nonFinite', cause };
}

/** Gradients as long as this have squares beyond the range of the arithmetic. */
export const LARGEST_NORM: Record<Precision, number> = { float64: 2 ** 511, float32: 2 ** 60 };
