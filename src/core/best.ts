import type { Measured, Solver } from './solver.ts';

/** The point that a solve returns if it ends now. */
export interface BestPoint extends Measured {
  /** `[n]`; the array of the iterate until someone writes there, then a copy. */
  readonly x: Float64Array;
  /** Makes an iterate the best point. */
  keep(x: Float64Array, measured: Measured): void;
  /** Copies the point so that the next step may overwrite its array; called if that step does not start from it. */
  secure(): void;
  /** Statistics that the problem is to hold; null leaves them to the problem. */
  statistics: Float64Array | null;
}

/**
 * Starts with a copy of p0, `[n]`.
 *
 * @param measured - f and ‖∇f‖∞ there, where they are known
 */
export function bestPoint(
  p0: Float64Array,
  { leavesPoint = false }: Solver,
  measured: Measured = { f: Infinity, gradientNorm: Infinity },
): BestPoint {
  const copy = Float64Array.from(p0);
  const best = {
    x: copy,
    f: measured.f,
    gradientNorm: measured.gradientNorm,
    statistics: null,
    keep(x: Float64Array, { f, gradientNorm }: Measured) {
      Object.assign(best, { x, f, gradientNorm });
      if (!leavesPoint) best.secure();
    },
    secure() {
      if (best.x !== copy) copy.set(best.x);
      best.x = copy;
    },
  };
  return best;
}
