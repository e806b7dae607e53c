import { dot, scaleInto } from '../core/vector.ts';
import { checkRoom, multiply } from '../core/kernels/symmetric.ts';
import { biggsFactor, hasExactValues, isCurved, pairSums, writePair, type Curvature } from './curvature.ts';
import { diagonalAt, multiplyAt, resetAt, updateAt, type MatrixAt } from './matrixAt.ts';
import type { Descent } from './lineSearchSolver.ts';
import type { Move } from '../core/kernels/kernels.ts';

/**
 * The BFGS estimate H = γM + N of the inverse Hessian, updated from H₀ = γI with all pairs. As in limited
 * memory, the newest pair can set γ at every step.
 */
export interface RescaledMemory {
  /** M = Vₖᵀ⋯V₁ᵀV₁⋯Vₖ with V = I − ρysᵀ: `[n, n]`. */
  readonly scaled: MatrixAt;
  /** N, the terms added by the pairs: `[n, n]`. */
  readonly added: MatrixAt;
  /** Scale of H₀. */
  gamma: number;
  /** Number of pairs learned; at 0 H is the identity. */
  updates: number;
  readonly modifiedSecant: boolean;
  /** Scratch, `[n]` each. */
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly product: Float64Array;
  readonly next: Float64Array;
}

/**
 * Creates a dense BFGS estimate of the inverse Hessian that is rescaled at every step.
 *
 * An iteration takes a product of M and one of N with the new gradient, and a rank-two update of each. Subtraction gives the product with y, and the product of the next updated matrix follows in O(n).
 *
 * @param scalingOf - returns γ from the sums of a pair
 * @param modifiedSecant - true to scale y by Biggs's factor; the default is true if f is exact enough
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., eq. (6.17) and (7.16), which M and N split
 */
export function rescaledInverse(
  scalingOf: (pair: Curvature) => number,
  modifiedSecant: boolean | undefined,
): Descent<RescaledMemory> {
  return {
    check: ({ n }) => checkRoom(n, 2),
    init: (setting) => ({
      scaled: diagonalAt(setting.n, 1),
      added: diagonalAt(setting.n, 0),
      gamma: 1,
      updates: 0,
      modifiedSecant: modifiedSecant ?? hasExactValues(setting),
      s: new Float64Array(setting.n),
      y: new Float64Array(setting.n),
      product: new Float64Array(setting.n),
      next: new Float64Array(setting.n),
    }),
    apply(memory, gradient, out) {
      if (memory.updates === 0) return scaleInto(-1, gradient, out);
      const { gamma, scaled, added } = memory;
      multiplyAt(scaled, gradient);
      multiplyAt(added, gradient);
      for (let i = 0; i < out.length; i++) out[i] = -(gamma * scaled.product[i] + added.product[i]);
    },
    learn(memory, step) {
      const pair = pairSums(step);
      if (!isCurved(pair)) return;
      const t = memory.modifiedSecant ? biggsFactor(step, pair) : 1;
      writePair(step, t, memory.s, memory.y);
      const rho = 1 / (t * pair.sy);
      takeIn(memory, memory.scaled, step, { t, rho, own: 0 });
      takeIn(memory, memory.added, step, { t, rho, own: rho });
      memory.gamma = scalingOf(pair);
      memory.updates++;
    },
    reset(memory) {
      resetAt(memory.scaled, 1);
      resetAt(memory.added, 0);
      memory.updates = 0;
    },
    isFresh: ({ updates }) => updates === 0,
  };
}

/** `A ← VᵀAV + own·ssᵀ = A − ρ(suᵀ + usᵀ) + (ρ²·yᵀu + own)·ssᵀ`, u = Ay; and its product with the new gradient. */
function takeIn(
  { s, y, product: u, next }: RescaledMemory,
  estimate: MatrixAt,
  { gradient: before, trialGradient: gradient }: Move,
  { t, rho, own }: { t: number; rho: number; own: number },
): void {
  const { matrix, at, product } = estimate;
  multiplyAt(estimate, before);
  multiply(matrix, gradient, next);
  for (let i = 0; i < u.length; i++) u[i] = t * (next[i] - product[i]);
  const ss = rho * rho * dot(y, u) + own;
  if (ss > 0) return updateAt(estimate, 1, [ss, -rho, 0], s, u, { gradient, next });
  // After n pairs, My is pure rounding and yᵀMy may not be positive: there is nothing left to subtract.
  product.set(next);
  at.set(gradient);
}
