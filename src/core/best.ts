import type { Measured, Solver } from './solver.ts';

/** The point a solve will return if it has to end now. */
export interface BestPoint extends Measured {
  /** `[n]`; that of the iterate as long as nobody writes there, else a copy. */
  readonly x: Float64Array;
  /** Makes an iterate the best point. */
  keep(x: Float64Array, measured: Measured): void;
  /** Has the point outlast the next step: to be called where that one does not start from it. */
  secure(): void;
}

/** Begins with the start, `[n]`, of which it takes a copy; f is not known there yet. */
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
