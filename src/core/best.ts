import type { Measured, Solver } from './solver.ts';

/** The point that a solve returns if it ends now. */
export interface BestPoint extends Measured {
  /** `[n]`; the array of the iterate until someone writes there, then a copy. */
  readonly x: Float64Array;
  /** Makes an iterate the best point. */
  keep(x: Float64Array, measured: Measured): void;
  /** Copies the point so that the next step may overwrite its array; called if that step does not start from it. */
  secure(): void;
}

/** Starts with a copy of p0, `[n]`; f is not known there yet. */
export function bestPoint(p0: Float64Array, { leavesPoint = false }: Solver): BestPoint {
  const copy = Float64Array.from(p0);
  const best = {
    x: copy,
    f: Infinity,
    gradientNorm: Infinity,
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
