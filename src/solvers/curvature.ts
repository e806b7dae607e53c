import type { MoveSums } from '../core/kernels/kernels.ts';
import type { Row } from '../core/kernels/rows.ts';
import type { Setting } from '../core/solver.ts';
import type { LineState } from './searchAlong.ts';

/** Whether f is exact enough to learn curvature from its values. */
export const hasExactValues = ({ precision, stochastic = false }: Setting): boolean =>
  precision === 'float64' && !stochastic;

/** The smallest cosine of the angle between s and y that is not their rounding. */
const MIN_COSINE = 2 ** -52;

/**
 * Whether a pair has curvature to learn from: sᵀy > minCosine·‖s‖‖y‖, a test that no scale of f or x sways.
 *
 * Roots before their product, which could overflow.
 */
export const isCurved = (
  { sy, yy, ss }: Pick<MoveSums, 'sy' | 'yy' | 'ss'>,
  minCosine = MIN_COSINE,
): boolean => sy > minCosine * Math.sqrt(ss) * Math.sqrt(yy);

/** The products of a step's pair s = xₖ₊₁ − xₖ, y = ∇fₖ₊₁ − ∇fₖ + stretch·s. */
export interface PairProducts {
  readonly sy: number;
  readonly yy: number;
  readonly ss: number;
  /** What the modified secant equation adds to y, in units of s; 0 without it. */
  readonly stretch: number;
}

/**
 * Computes the products without storing the pair, so that it can be refused before it displaces another.
 *
 * @param modified - whether y is that of the modified secant equation
 */
export function pairProducts(step: LineState, modified = false): PairProducts {
  const { x, gradient, trial, trialGradient } = step;
  let sy = 0;
  let yy = 0;
  let ss = 0;
  let slopes = 0;
  for (let i = 0; i < x.length; i++) {
    const s = trial[i] - x[i];
    const y = trialGradient[i] - gradient[i];
    sy += s * y;
    yy += y * y;
    ss += s * s;
    slopes += s * (trialGradient[i] + gradient[i]);
  }
  return productsOf(step, { sy, yy, ss, slopes }, modified);
}

/** The products of the pair of which `sums` are known. */
export function productsOf(step: LineState, sums: MoveSums, modified: boolean): PairProducts {
  const { sy, yy, ss } = sums;
  const stretch = modified ? secantStretch(step, sums) : 0;
  return {
    sy: sy + stretch * ss,
    yy: yy + stretch * (2 * sy + stretch * ss),
    ss,
    stretch,
  };
}

/** A change of f below this part of it is too noisy to learn from. */
const TRUSTED_CHANGE = 1e-7;

/**
 * θ/sᵀs of the modified secant equation, which takes the values of f in as well as its gradients, so that
 * sᵀy is sᵀ∇²f(xₖ₊₁)s to one order more.
 *
 * Departure from the paper: θ is left out where f has hardly changed or θ is large, and may take away no
 * more than 0.9 of sᵀy.
 *
 * @see Zhang, Deng & Chen (1999), New quasi-Newton equation and related methods for unconstrained
 *   optimization, JOTA 102(1), doi:10.1023/A:1021898630001
 */
function secantStretch({ f, trialF }: LineState, { sy, ss, slopes }: MoveSums): number {
  const theta = 6 * (f - trialF) + 3 * slopes;
  const trusted = Math.abs(f - trialF) > TRUSTED_CHANGE * Math.abs(f) && Math.abs(theta) < 10 * sy;
  return trusted ? Math.max(-0.9 * sy, theta) / ss : 0;
}

/** Writes y = ∇fₖ₊₁ − ∇fₖ + stretch·s and s = xₖ₊₁ − xₖ, `[n]` each. */
export function writePair(
  { x, gradient, trial, trialGradient }: LineState,
  stretch: number,
  s: Row,
  y: Row,
): void {
  for (let i = 0; i < x.length; i++) {
    const si = trial[i] - x[i];
    s[i] = si;
    y[i] = trialGradient[i] - gradient[i] + stretch * si;
  }
}
