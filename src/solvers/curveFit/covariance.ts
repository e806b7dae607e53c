import { dot } from '../../core/vector.ts';
import { inverseFactor, nullSpace } from './qr.ts';
import type { FitSolution } from './solveFit.ts';
import type { ParameterSet } from './parameters.ts';

/** Uncertainty of the parameters that vary. */
export interface Uncertainty {
  /**
   * Vectors u, `[n]` each, over the parameters that vary: Σ u·uᵀ is the generalized inverse of JᵀJ. They are 0 for
   * parameters that a bound holds. Products with the inverse itself would cancel where parameters are correlated.
   */
  readonly factor: readonly Float64Array[];
  /** Directions of the parameters that the data do not determine, `[n]` each, relative to the columns of J */
  readonly loose: readonly Float64Array[];
  /** Lengths of the columns of J, `[n]`; 0 for parameters that a bound holds */
  readonly norms: Float64Array;
}

/** Least share of an undetermined direction at which a parameter counts as undetermined. */
const SHARE = 1e-4;

/** Computes the uncertainty of the parameters from the Jacobian at a solution. */
export function uncertaintyOf({ qr, free }: FitSolution, n: number): Uncertainty {
  const spread = (values: Float64Array): Float64Array => {
    const out = new Float64Array(n);
    free.forEach((j, k) => (out[j] = values[k]));
    return out;
  };
  return {
    factor: inverseFactor(qr).map(spread),
    loose: nullSpace(qr).map(spread),
    norms: spread(qr.norms),
  };
}

/**
 * Standard error of a function of the parameters: s·√(gᵀ(JᵀJ)⁻¹g), or Infinity if the data do not determine it. Computed
 * without squares of the columns of J, which may overflow or underflow.
 *
 * @param g - its gradient with respect to the parameters that vary, `[n]`
 * @param s - standard deviation of a residual; Infinity if there are no degrees of freedom to derive it from
 */
export function standardErrorOf({ factor, loose, norms }: Uncertainty, g: Float64Array, s: number): number {
  const n = g.length;
  const scaled = g.map((value, j) => (norms[j] > 0 ? value / norms[j] : 0));
  const length = Math.hypot(...scaled);
  for (const direction of loose) {
    let along = 0;
    for (let j = 0; j < n; j++) along += scaled[j] * direction[j];
    if (Math.abs(along) > SHARE * length * Math.hypot(...direction)) return Infinity;
  }
  return Math.hypot(...factor.map((u) => scaledBy(s, dot(u, g))));
}

/** Returns factor·value: 0 for a value of 0, even if the factor is infinite, as without degrees of freedom. */
export const scaledBy = (factor: number, value: number): number => (value === 0 ? 0 : factor * value);

/** Returns s·uᵀg for each vector u of the factor. The product of the images of g and h is their covariance, s²·gᵀ(JᵀJ)⁻¹h. */
export const imageOf = ({ factor }: Pick<Uncertainty, 'factor'>, g: Float64Array, s: number): Float64Array =>
  Float64Array.from(factor, (u) => s * dot(u, g));

/** Derivatives of all parameters with respect to those that vary, a gradient `[n]` for each. */
export function gradientsOf(
  { names, varied, tied, expand }: ParameterSet,
  theta: Float64Array,
): Float64Array[] {
  const gradients = names.map(() => new Float64Array(varied.length));
  varied.forEach((j, k) => (gradients[j][k] = 1));
  if (tied.length === 0) return gradients;
  theta.forEach((value, k) => {
    const step = 6e-6 * (Math.abs(value) || 1);
    const [above, below] = [step, -step].map((move) =>
      expand(theta.map((v, l) => (l === k ? value + move : v))),
    );
    for (const j of tied) gradients[j][k] = (above[j] - below[j]) / (2 * step);
  });
  return gradients;
}
