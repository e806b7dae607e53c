import type { Measured, Solver } from './solver.ts';

/** The point that a solve returns if it ends now. */
export interface BestPoint extends Measured {
  /** `[n]`; the iterate's own array until it is overwritten, then a copy. */
  readonly x: Float64Array;
  /** With mini-batches, the iterate, until the next batch has a finite loss there; where an error leaves the run. */
  next: Float64Array | null;
  /** Makes an iterate the best point. */
  keep(x: Float64Array, measured: Measured): void;
  /**
   * Copies the point so that the next step may overwrite its array. Called if that step does not start from
   * the best point.
   */
  secure(): void;
  /** Statistics that belong to the point, for the problem to restore; null leaves them to the problem. */
  statistics: Float64Array | null;
}

/**
 * Starts with a copy of p0, `[n]`.
 *
 * @param measured - f and ‖∇f‖∞ there, if known
 */
export function bestPoint(
  p0: Float64Array,
  { leavesPoint = false }: Solver,
  measured: Measured = { f: Infinity, gradientNorm: Infinity },
): BestPoint {
  const copy = Float64Array.from(p0);
  const best = {
    x: copy as Float64Array,
    f: measured.f,
    gradientNorm: measured.gradientNorm,
    next: null as Float64Array | null,
    statistics: null,
    keep(x: Float64Array, { f, gradientNorm }: Measured) {
      best.next = null;
      best.x = x;
      best.f = f;
      best.gradientNorm = gradientNorm;
      if (!leavesPoint) best.secure();
    },
    secure() {
      if (best.x !== copy) copy.set(best.x);
      best.x = copy;
    },
  };
  return best;
}
