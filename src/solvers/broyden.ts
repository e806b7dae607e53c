import { checkRoom, multiply } from '../core/kernels/symmetric.ts';
import { dot, scaleInto } from '../core/vector.ts';
import { biggsFactor, isCurved, pairSums, writePair } from './curvature.ts';
import { diagonalAt, multiplyAt, resetAt, updateAt, type MatrixAt } from './matrixAt.ts';
import type { Descent } from './lineSearchSolver.ts';

/**
 * Below this number of unknowns, Hy is computed as a separate product, which is cheap there. The difference
 * Hg⁺ − Hg has the rounding errors of both terms, which are much larger than Hy if units differ by many
 * orders of magnitude.
 */
const EXACT = 64;

/** Inverse Hessian estimate, with scratch vectors for its update. */
export interface DenseMemory {
  /** H, and its product with the current gradient. */
  readonly inverse: MatrixAt;
  /** `[n]` */
  readonly s: Float64Array;
  /** `[n]` */
  readonly y: Float64Array;
  /** Hy, `[n]` */
  readonly hy: Float64Array;
  /** Scratch, `[n]`. */
  readonly next: Float64Array;
  /** Number of updates; at 0 H is the identity. */
  updates: number;
  readonly modifiedSecant: boolean;
}

/** A member of Broyden's family: `phi` 1 is BFGS, 0 is DFP; `tau` scales H before the update. */
export interface BroydenMember {
  readonly phi: number;
  readonly tau: number;
}

/** Curvature of the old estimate H = B⁻¹ along a step, relative to that of f. */
export interface StepCurvature {
  readonly n: number;
  /** b = sᵀBs/sᵀy. */
  readonly b: number;
  /** h = yᵀHy/sᵀy. */
  readonly h: number;
}

/**
 * Creates a dense inverse Hessian estimate that is updated within Broyden's family.
 *
 * @param member - chooses the update for a step
 * @param initialDiagonal - returns the diagonal of H before the first update, from sᵀy and yᵀy
 * @param modifiedSecant - true to scale y by Biggs's factor
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., section 6.3
 */
export function broydenFamily(
  member: (curvature: StepCurvature) => BroydenMember,
  initialDiagonal: (sy: number, yy: number) => number,
  modifiedSecant: boolean,
): Descent<DenseMemory> {
  return {
    check: ({ n }) => checkRoom(n, 1),
    init: (setting) => ({
      inverse: diagonalAt(setting.n, 1),
      s: new Float64Array(setting.n),
      y: new Float64Array(setting.n),
      hy: new Float64Array(setting.n),
      next: new Float64Array(setting.n),
      updates: 0,
      modifiedSecant,
    }),
    apply(memory, gradient, out) {
      if (memory.updates === 0) return scaleInto(-1, gradient, out);
      multiplyAt(memory.inverse, gradient);
      scaleInto(-1, memory.inverse.product, out);
    },
    learn(memory, step) {
      const { inverse, s, y, hy, next } = memory;
      const n = step.x.length;
      const pair = pairSums(step);
      if (!isCurved(pair)) return;
      const t = memory.modifiedSecant ? biggsFactor(step, pair) : 1;
      const sy = t * pair.sy;
      writePair(step, t, s, y);
      // B is not stored: s = −αHg gives Bs = −αg, with the H that led there.
      let sBs = -step.alpha * dot(s, step.gradient);
      if (memory.updates === 0) {
        const diagonal = initialDiagonal(pair.sy, pair.yy);
        resetAt(inverse, diagonal);
        sBs /= diagonal;
      }
      multiplyAt(inverse, step.gradient);
      multiply(inverse.matrix, step.trialGradient, next);
      if (n < EXACT) multiply(inverse.matrix, y, hy);
      else for (let i = 0; i < n; i++) hy[i] = t * (next[i] - inverse.product[i]);
      const yHy = dot(y, hy);
      const { phi, tau } = member({ n, b: sBs / sy, h: yHy / sy });
      updateInverse(memory, step.trialGradient, { sy, yHy, phi, tau });
      memory.updates++;
    },
    reset(memory) {
      resetAt(memory.inverse, 1);
      memory.updates = 0;
    },
    isFresh: ({ updates }) => updates === 0,
  };
}

/**
 * `H ← [H − Hy(Hy)ᵀ/yᵀHy + φ·yᵀHy·vvᵀ]/τ + ssᵀ/sᵀy`, v = s/sᵀy − Hy/yᵀHy, expanded in s and Hy; and the product with
 * the gradient g⁺ after the step, from Hg⁺ in `next`.
 */
function updateInverse(
  { inverse, s, hy, next }: DenseMemory,
  gradient: Float64Array,
  { sy, yHy, phi, tau }: BroydenMember & { readonly sy: number; readonly yHy: number },
): void {
  const ss = ((phi / tau) * (yHy / sy) + 1) / sy;
  const mixed = -phi / (tau * sy);
  const hyhy = (phi - 1) / (tau * yHy);
  updateAt(inverse, tau, [ss, mixed, hyhy], s, hy, { gradient, next });
}
