import type { Move, MoveSums } from '../core/kernels/kernels.ts';
import type { Row } from '../core/kernels/rows.ts';
import type { Setting } from '../core/solver.ts';

/** Returns true if f is exact enough to learn curvature from its values. */
export const hasExactValues = ({ precision, stochastic = false }: Setting): boolean =>
  precision === 'float64' && !stochastic;

/** Sums over a pair that determine its curvature. */
export type Curvature = Pick<MoveSums, 'sy' | 'yy' | 'ss'>;

/** Smallest cosine of the angle between s and y that is not mere rounding. */
const MIN_COSINE = 2 ** -52;

/**
 * Returns true if a pair has positive curvature, sᵀy > minCosine·‖s‖‖y‖, whatever the scales of f and x.
 *
 * Multiplies square roots, because the product of the squares could overflow.
 */
export const isCurved = ({ sy, yy, ss }: Curvature, minCosine = MIN_COSINE): boolean =>
  sy > minCosine * Math.sqrt(ss) * Math.sqrt(yy) && Math.min(sy, yy, ss) >= SMALLEST;

/** Smallest number of full precision: a smaller product has underflown. */
const SMALLEST = 2 ** -1022;

/** Name of a scale γ of H₀ = γI: sᵀy/yᵀy, sᵀs/sᵀy, √(sᵀs/yᵀy), or 1. */
export type ScalingName = 'short' | 'long' | 'geometric' | 'none';

/**
 * Scales γ of H₀ = γI by name.
 *
 * @see Barzilai & Borwein (1988), Two-point step size gradient methods, IMA J. Numer. Anal. 8,
 *   doi:10.1093/imanum/8.1.141, for the first two
 */
export const scalings: Readonly<Record<ScalingName, (pair: Curvature) => number>> = {
  short: ({ sy, yy }) => sy / yy,
  long: ({ sy, ss }) => ss / sy,
  geometric: ({ ss, yy }) => Math.sqrt(ss / yy),
  none: () => 1,
};

/** Sums over a step's pair that a dense method needs. */
export type PairSums = Pick<MoveSums, 'sy' | 'yy' | 'ss' | 'sg'>;

/** Computes the sums of a move without storing its pair. */
export function pairSums({ x, gradient, trial, trialGradient }: Move): PairSums {
  const sums = { sy: 0, yy: 0, ss: 0, sg: 0 };
  for (let i = 0; i < x.length; i++) {
    const s = trial[i] - x[i];
    const y = trialGradient[i] - gradient[i];
    sums.sy += s * y;
    sums.yy += y * y;
    sums.ss += s * s;
    sums.sg += s * trialGradient[i];
  }
  return sums;
}

/** f at both ends of a step. */
interface Values {
  readonly f: number;
  readonly trialF: number;
}

/** A smaller relative change of f is too noisy to learn from. */
const TRUSTED_CHANGE = 1e-7;

/** Limits of Biggs's factor. */
const FACTORS = { least: 0.1, most: 2 };

/**
 * Computes Biggs's factor t: t·sᵀy is the curvature sᵀ∇²f(xₖ₊₁)s of the cubic through f and ∇f at both ends
 * of the step, one order more accurate than sᵀy. BFGS with y′ = ty is BFGS with its term ssᵀ/sᵀy divided by
 * t.
 *
 * Departures from the paper: the limits of t are narrower, and t is 1 if f has hardly changed.
 *
 * @see Biggs (1973), A note on minimization algorithms which make use of non-quadratic properties of the
 *   objective function, J. Inst. Maths Applics 12, doi:10.1093/imamat/12.3.337; Yuan (1991), A modified BFGS
 *   algorithm for unconstrained optimization, IMA J. Numer. Anal. 11, doi:10.1093/imanum/11.3.325
 */
export function biggsFactor({ f, trialF }: Values, { sy, sg }: PairSums): number {
  if (!(sy > 0 && Math.abs(f - trialF) > TRUSTED_CHANGE * Math.abs(f))) return 1;
  const t = (6 * (f - trialF + sg)) / sy - 2;
  return Math.max(FACTORS.least, Math.min(FACTORS.most, t));
}

/** Writes s = xₖ₊₁ − xₖ and y = t·(∇fₖ₊₁ − ∇fₖ), `[n]` each. */
export function writePair({ x, gradient, trial, trialGradient }: Move, t: number, s: Row, y: Row): void {
  for (let i = 0; i < x.length; i++) {
    s[i] = trial[i] - x[i];
    y[i] = t * (trialGradient[i] - gradient[i]);
  }
}
