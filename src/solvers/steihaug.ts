/**
 * The trust-region subproblem by conjugate gradients: an approximate minimizer of gᵀz + zᵀHz/2 in ‖z‖ ≤ Δ.
 *
 * All vectors are in units of the typical sizes S of the unknowns: z = S⁻¹·(step in x), g = S∇f, H = S∇²fS, and g and H
 * are divided by ‖g‖∞, so that no square leaves the range of float64.
 *
 * @see Steihaug (1983), SIAM J. Numer. Anal. 20(3), doi:10.1137/0720042; Nocedal & Wright (2006), Numerical
 *   Optimization, 2nd ed., Algorithm 7.2
 * @module
 */
import { addScaled, dot, scaleInto } from '../core/vector.ts';
import type { Asks } from '../core/question.ts';

/** Vectors of the conjugate-gradient iteration, `[n]` each. */
export interface RegionVectors {
  /** g. */
  readonly slope: Float64Array;
  /** z, the result. */
  readonly step: Float64Array;
  /** g + Hz. */
  readonly residual: Float64Array;
  readonly direction: Float64Array;
  /** H·direction. */
  readonly product: Float64Array;
}

/** Limits of the solution. */
export interface RegionLimits {
  /** Δ; 0 to choose it after the first product. */
  readonly radius: number;
  /** Fraction of ‖g‖ that the residual must fall below. */
  readonly forcing: number;
  readonly maxProducts: number;
  /** Returns Δ from the length of the model's minimizer along −g, which is infinite if the model has none. */
  readonly firstRadius: (cauchy: number) => number;
}

/** Solution of the subproblem; z itself is in `step`. */
export interface RegionStep {
  /** Decrease that the model predicts, −gᵀz − zᵀHz/2. */
  readonly predicted: number;
  /** ‖z‖. */
  readonly length: number;
  readonly radius: number;
  /** True if the step ends on the boundary. */
  readonly onBoundary: boolean;
}

/**
 * `step ←` the approximate minimizer.
 *
 * @param multiply - `product ← H·direction`
 */
export function* solveInRegion(
  { slope, step, residual, direction, product }: RegionVectors,
  { radius: given, forcing, maxProducts, firstRadius }: RegionLimits,
  multiply: () => Asks<void>,
): Asks<RegionStep> {
  let radius = given;
  step.fill(0);
  residual.set(slope);
  scaleInto(-1, slope, direction);
  let square = dot(residual, residual);
  const tolerance = forcing * Math.sqrt(square);
  let predicted = 0;
  for (let k = 0; k < maxProducts; k++) {
    yield* multiply();
    const curvature = dot(direction, product);
    const alpha = square / curvature;
    if (radius === 0) radius = firstRadius(curvature > 0 ? alpha * Math.sqrt(square) : Infinity);
    // Negative curvature, or a step that leaves the region: stop at its boundary.
    const leaves = !(curvature > 0) || lengthAfter(step, alpha, direction) >= radius;
    const tau = leaves ? toBoundary(step, direction, radius) : alpha;
    // Along the direction the model's slope is rᵀd = −‖r‖².
    predicted += tau * square - (tau * tau * curvature) / 2;
    addScaled(step, tau, direction, step);
    if (leaves) return { predicted, length: radius, radius, onBoundary: true };
    addScaled(residual, alpha, product, residual);
    const next = dot(residual, residual);
    if (Math.sqrt(next) <= tolerance) break;
    scaleInto(next / square, direction, direction);
    addScaled(direction, -1, residual, direction);
    square = next;
  }
  return { predicted, length: Math.sqrt(dot(step, step)), radius, onBoundary: false };
}

/** Returns ‖z + αd‖. */
function lengthAfter(z: Float64Array, alpha: number, d: Float64Array): number {
  return Math.sqrt(dot(z, z) + alpha * (2 * dot(z, d) + alpha * dot(d, d)));
}

/** Returns the τ ≥ 0 with ‖z + τd‖ = Δ. */
function toBoundary(z: Float64Array, d: Float64Array, radius: number): number {
  const dd = dot(d, d);
  const zd = dot(z, d);
  const room = Math.max(0, radius * radius - dot(z, z));
  return room / (zd + Math.sqrt(zd * zd + dd * room));
}
