import { dot, scaleInto } from '../core/vector.ts';
import {
  diagonalMatrix,
  multiply,
  setDiagonal,
  updateLater,
  type Symmetric,
} from '../core/kernels/symmetric.ts';
import { biggsFactor, hasExactValues, isCurved, pairSums, writePair, type Curvature } from './curvature.ts';
import type { Descent } from './lineSearchSolver.ts';
import type { Move } from '../core/kernels/kernels.ts';

/**
 * The BFGS estimate H = γM + N of the inverse Hessian, from H₀ = γI through all pairs: the newest pair can set γ at
 * every step, as in limited memory.
 */
export interface RescaledMemory {
  /** M = Vₖᵀ⋯V₁ᵀV₁⋯Vₖ with V = I − ρysᵀ: `[n, n]`. */
  readonly scaled: Symmetric;
  /** N, the terms that the pairs add: `[n, n]`. */
  readonly added: Symmetric;
  /** Scale of H₀. */
  gamma: number;
  /** Number of pairs learned; at 0 H is the identity. */
  updates: number;
  readonly modifiedSecant: boolean;
  /** Gradient g that the products belong to, `[n]`; NaN if there is none. */
  readonly at: Float64Array;
  /** Mg, `[n]`. */
  readonly scaledAt: Float64Array;
  /** Ng, `[n]`. */
  readonly addedAt: Float64Array;
  /** Scratch, `[n]` each. */
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly product: Float64Array;
  readonly next: Float64Array;
}

/**
 * Creates a dense inverse Hessian estimate by BFGS that is rescaled at every step.
 *
 * An iteration is one pass over M and one over N, each an update of rank two and a product with the new gradient, which
 * gives that with y by subtraction, and that of the matrix after the next update in O(n).
 *
 * @param scalingOf - returns γ from the sums of a pair
 * @param modifiedSecant - true to scale y by Biggs's factor; by default if f is exact enough
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., eq. (6.17) and (7.16), which M and N split
 */
export function rescaledInverse(
  scalingOf: (pair: Curvature) => number,
  modifiedSecant: boolean | undefined,
): Descent<RescaledMemory> {
  return {
    init: (setting) => ({
      scaled: diagonalMatrix(setting.n, 1),
      added: diagonalMatrix(setting.n, 0),
      gamma: 1,
      updates: 0,
      modifiedSecant: modifiedSecant ?? hasExactValues(setting),
      at: new Float64Array(setting.n).fill(NaN),
      scaledAt: new Float64Array(setting.n),
      addedAt: new Float64Array(setting.n),
      s: new Float64Array(setting.n),
      y: new Float64Array(setting.n),
      product: new Float64Array(setting.n),
      next: new Float64Array(setting.n),
    }),
    apply(memory, gradient, out) {
      if (memory.updates === 0) return scaleInto(-1, gradient, out);
      multiplyAt(memory, gradient);
      const { gamma, scaledAt, addedAt } = memory;
      for (let i = 0; i < out.length; i++) out[i] = -(gamma * scaledAt[i] + addedAt[i]);
    },
    learn(memory, step) {
      const pair = pairSums(step);
      if (!isCurved(pair)) return;
      const t = memory.modifiedSecant ? biggsFactor(step, pair) : 1;
      multiplyAt(memory, step.gradient);
      writePair(step, t, memory.s, memory.y);
      const rho = 1 / (t * pair.sy);
      takeIn(memory, memory.scaled, memory.scaledAt, step, { t, rho, own: 0 });
      takeIn(memory, memory.added, memory.addedAt, step, { t, rho, own: rho });
      memory.at.set(step.trialGradient);
      memory.gamma = scalingOf(pair);
      memory.updates++;
    },
    reset(memory) {
      setDiagonal(memory.scaled, 1);
      setDiagonal(memory.added, 0);
      memory.at.fill(NaN);
      memory.updates = 0;
    },
    isFresh: ({ updates }) => updates === 0,
  };
}

/** Computes the products with this gradient, unless they are known. */
function multiplyAt(memory: RescaledMemory, gradient: Float64Array): void {
  const { at, scaled, added, scaledAt, addedAt } = memory;
  if (at.every((value, i) => value === gradient[i])) return;
  at.set(gradient);
  multiply(scaled, gradient, scaledAt);
  multiply(added, gradient, addedAt);
}

/**
 * `A ← VᵀAV + own·ssᵀ = A − ρ(suᵀ + usᵀ) + (ρ²·yᵀu + own)·ssᵀ`, u = Ay; and `productAt ← A g⁺`, which was Ag.
 */
function takeIn(
  { s, y, product: u, next }: RescaledMemory,
  matrix: Symmetric,
  productAt: Float64Array,
  { trialGradient }: Move,
  { t, rho, own }: { t: number; rho: number; own: number },
): void {
  const n = s.length;
  multiply(matrix, trialGradient, next);
  for (let i = 0; i < n; i++) u[i] = t * (next[i] - productAt[i]);
  const ss = rho * rho * dot(y, u) + own;
  // After n pairs, My is rounding and M no longer positive on y: there is nothing left to subtract.
  if (!(ss > 0)) return productAt.set(next);
  const sg = dot(s, trialGradient);
  const ug = dot(u, trialGradient);
  for (let i = 0; i < n; i++) productAt[i] = next[i] + (ss * sg - rho * ug) * s[i] - rho * sg * u[i];
  updateLater(matrix, 1, [ss, -rho, 0], s, u);
}
