import type { LineState } from './searchAlong.ts';

/** A pair counts only if sᵀy > eps·yᵀy: relative, so that no scale of f or x is favoured. */
export const CURVATURE_EPSILON = 2 ** -52;

/** The products of a step's pair s = xₖ₊₁ − xₖ, y = ∇fₖ₊₁ − ∇fₖ. */
export interface PairProducts {
  readonly sy: number;
  readonly yy: number;
  readonly ss: number;
}

/** Computes them without storing the pair, so that it can be refused before it displaces another. */
export function pairProducts({ x, gradient, trial, trialGradient }: LineState): PairProducts {
  let sy = 0;
  let yy = 0;
  let ss = 0;
  for (let i = 0; i < x.length; i++) {
    const s = trial[i] - x[i];
    const y = trialGradient[i] - gradient[i];
    sy += s * y;
    yy += y * y;
    ss += s * s;
  }
  return { sy, yy, ss };
}
