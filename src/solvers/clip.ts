import { norm2, normInf } from '../core/vector.ts';

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
