/**
 * Losses that limit the influence of outliers, as transforms of residuals: ρ(r) = s(r)² with s(r) ≈ r for small r.
 *
 * A sum of robust losses is then again a sum of squares, for every solver.
 *
 * @module
 */

/** Loss of a residual: its square, or a function that grows more slowly for residuals larger than `scale`. */
export type RobustLoss = 'linear' | 'huber' | 'softL1' | 'cauchy' | 'arctan';

/** ρ(z) of z = (r/scale)², and ρ′(z). */
interface Rho {
  readonly value: (z: number) => number;
  readonly slope: (z: number) => number;
}

/**
 * The losses, with ρ(z) ≈ z at 0.
 *
 * @see Triggs, McLauchlan, Hartley & Fitzgibbon (2000), Bundle adjustment: a modern synthesis, section 3.3,
 *   doi:10.1007/3-540-44480-7_21
 */
const losses: Record<Exclude<RobustLoss, 'linear'>, Rho> = {
  huber: {
    value: (z) => (z <= 1 ? z : 2 * Math.sqrt(z) - 1),
    slope: (z) => (z <= 1 ? 1 : 1 / Math.sqrt(z)),
  },
  softL1: {
    // 2(√(1 + z) − 1) without cancellation.
    value: (z) => (2 * z) / (Math.sqrt(1 + z) + 1),
    slope: (z) => 1 / Math.sqrt(1 + z),
  },
  cauchy: { value: (z) => Math.log1p(z), slope: (z) => 1 / (1 + z) },
  arctan: { value: (z) => Math.atan(z), slope: (z) => 1 / (1 + z * z) },
};

/** Names of the losses. */
export const robustLosses = ['linear', ...Object.keys(losses)];

/**
 * Replaces residuals by s(r) = sign(r)·scale·√ρ((r/scale)²), and the rows of their Jacobian by s′(r)·∂r/∂x.
 *
 * @param residuals - `[m]`, changed in place
 * @param jacobian - `[m, n]` row by row, changed in place, or null; a column of ones gives the factors s′(r)
 */
export function makeRobust(
  loss: Exclude<RobustLoss, 'linear'>,
  scale: number,
  residuals: Float64Array,
  jacobian: Float64Array | null,
): void {
  const { value, slope } = losses[loss];
  const n = jacobian === null ? 0 : jacobian.length / residuals.length;
  for (let i = 0; i < residuals.length; i++) {
    const u = residuals[i] / scale;
    const z = u * u;
    const root = Math.sqrt(value(z));
    residuals[i] = Math.sign(u) * scale * root;
    if (jacobian === null) continue;
    // s′ = ρ′(z)·u / √ρ(z), which tends to 1 at u = 0.
    const factor = root > 0 ? (slope(z) * Math.abs(u)) / root : 1;
    for (let at = i * n; at < (i + 1) * n; at++) jacobian[at] *= factor;
  }
}
