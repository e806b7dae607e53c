import { dot } from '../core/vector.ts';
import { addSquares, multiply, setIdentity, zeros } from './dense.ts';
import { biggsFactor, hasExactValues, isCurved, pairSums, writePair } from './curvature.ts';
import type { Descent } from './lineSearchSolver.ts';

/** Inverse Hessian estimate, and the scratch of its update. */
export interface DenseMemory {
  /** H, symmetric, `[n, n]` row by row; lower triangle only. */
  readonly inverse: Float64Array;
  /** `[n]` */
  readonly s: Float64Array;
  /** `[n]` */
  readonly y: Float64Array;
  /** Hy, `[n]` */
  readonly hy: Float64Array;
  /** Number of updates; at 0 H is the identity. */
  updates: number;
  readonly modifiedSecant: boolean;
}

/** A member of Broyden's family: `phi` 1 is BFGS, 0 is DFP; `tau` scales H before the update. */
export interface BroydenMember {
  readonly phi: number;
  readonly tau: number;
}

/** Curvature of a step under the old estimate H = B⁻¹, relative to that of f. */
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
 * @param modifiedSecant - true to scale y by Biggs's factor; by default if f is exact enough
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., section 6.3
 */
export function broydenFamily(
  member: (curvature: StepCurvature) => BroydenMember,
  initialDiagonal: (sy: number, yy: number) => number,
  modifiedSecant: boolean | undefined,
): Descent<DenseMemory> {
  return {
    init: (setting) => ({
      inverse: setIdentity(zeros(setting.n), setting.n, 1),
      s: new Float64Array(setting.n),
      y: new Float64Array(setting.n),
      hy: new Float64Array(setting.n),
      updates: 0,
      modifiedSecant: modifiedSecant ?? hasExactValues(setting),
    }),
    apply: ({ inverse }, gradient, out) => multiply(inverse, -1, gradient, out),
    learn(memory, step) {
      const { inverse, s, y, hy } = memory;
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
        setIdentity(inverse, n, diagonal);
        sBs /= diagonal;
      }
      multiply(inverse, 1, y, hy);
      const yHy = dot(y, hy);
      const { phi, tau } = member({ n, b: sBs / sy, h: yHy / sy });
      updateInverse(inverse, memory, sy, yHy, phi, tau);
      memory.updates++;
    },
    reset(memory) {
      setIdentity(memory.inverse, memory.s.length, 1);
      memory.updates = 0;
    },
    isFresh: ({ updates }) => updates === 0,
  };
}

/**
 * `H ← [H − Hy(Hy)ᵀ/yᵀHy + φ·yᵀHy·vvᵀ]/τ + ssᵀ/sᵀy`, v = s/sᵀy − Hy/yᵀHy, expanded in s and Hy.
 *
 * Overwrites s and hy.
 */
function updateInverse(
  inverse: Float64Array,
  { s, hy }: DenseMemory,
  sy: number,
  yHy: number,
  phi: number,
  tau: number,
): void {
  const ss = ((phi / tau) * (yHy / sy) + 1) / sy;
  const mixed = -phi / (tau * sy);
  const hyhy = (phi - 1) / (tau * yHy);
  addSquares(inverse, 1 / tau, [ss, mixed, hyhy], s, hy);
}
