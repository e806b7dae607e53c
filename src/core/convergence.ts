import { EPSILON } from './epsilon.ts';
import { normInf } from './vector.ts';
import type { Precision } from './problem.ts';
import type { ConvergenceMeasures } from './result.ts';
import type { CompleteSolveOptions } from './solveOptions.ts';
import type { Measured } from './solver.ts';
import type { Termination } from './termination.ts';

/** The tests that end a solve because of where it has come. */
export interface Convergence {
  /** Takes note of an iteration: f before and after, and ‖xₖ₊₁ − xₖ‖∞. */
  observe(before: number, f: number, moved: number, x: Float64Array): void;
  /** The test that holds at the current point, or null. */
  met(f: number, gradientNorm: number): Termination | null;
  /** Forgets how long f has stood still: it can fall after all. */
  goOn(): void;
  measures(gradientNorm: number): ConvergenceMeasures;
}

/** f that has fallen below zero by this many times its start, with no end in sight, has no minimum. */
const UNBOUNDED = 1e30;

/** One small change can be chance; two in a row are a standstill. */
const HITS = 2;

/**
 * @param start - f(x₀) and ‖∇f(x₀)‖∞
 * @param descends - whether the solver's f falls from step to step, so that a standstill means the end
 */
export function convergenceTests(
  { gtol, gRel, ftol, xtol }: CompleteSolveOptions,
  start: Measured,
  precision: Precision,
  descends: boolean,
): Convergence {
  const tolerance = gtol + gRel * start.gradientNorm;
  let floor = noFloor();
  let change = Infinity;
  let last: { readonly moved: number; readonly x: Float64Array } | null = null;
  let smallChanges = 0;
  let smallSteps = 0;
  /** Asked for only where it decides, and at the end: ‖x‖∞ is a pass over x. */
  const step = () => (last === null ? Infinity : relative(last.moved, normInf(last.x)));
  return {
    observe(before, f, moved, x) {
      change = relative(Math.abs(f - before), Math.max(Math.abs(f), Math.abs(before)));
      last = { moved, x };
      smallChanges = ftol > 0 && change <= ftol ? smallChanges + 1 : 0;
      // A step of length 0 is a failure to move, never a success.
      const small = xtol > 0 && moved > 0 && step() <= xtol;
      smallSteps = small ? smallSteps + 1 : 0;
    },
    met(f, gradientNorm) {
      if (gradientNorm <= tolerance) return 'gradientTolerance';
      if (smallChanges >= HITS) return 'functionTolerance';
      if (smallSteps >= HITS) return 'stepTolerance';
      if (f < -UNBOUNDED * Math.max(1, Math.abs(start.f))) return 'unbounded';
      return descends && atFloor(floor, precision, f, gradientNorm) ? 'precisionFloor' : null;
    },
    goOn() {
      floor = noFloor();
    },
    measures: (gradientNorm) => ({
      gradient: { value: gradientNorm, tolerance },
      function: { value: change, tolerance: ftol },
      step: { value: step(), tolerance: xtol },
    }),
  };
}

const relative = (change: number, size: number): number => (size > 0 ? change / size : change);

const FLOOR_ITERATIONS = 10;

/** What {@link atFloor} remembers, as plain data. */
export interface Floor {
  f: number;
  gradientNorm: number;
  smallestNorm: number;
  /** Iterations without gain. */
  still: number;
}

/** To begin with. */
export const noFloor = (): Floor => ({
  f: Infinity,
  gradientNorm: Infinity,
  smallestNorm: Infinity,
  still: 0,
});

/**
 * Tells when neither f nor its gradient can gain more: for ten iterations f fell by no more than its own
 * rounding, and the smallest gradient norm did not halve.
 */
export function atFloor(floor: Floor, precision: Precision, f: number, gradientNorm: number): boolean {
  floor.smallestNorm = Math.min(floor.smallestNorm, gradientNorm);
  const gained =
    floor.f === Infinity ||
    floor.f - f > EPSILON[precision] * Math.abs(floor.f) ||
    floor.smallestNorm < 0.5 * floor.gradientNorm;
  if (gained) {
    floor.f = Math.min(floor.f, f);
    floor.gradientNorm = floor.smallestNorm;
  }
  floor.still = gained ? 0 : floor.still + 1;
  return floor.still >= FLOOR_ITERATIONS;
}
