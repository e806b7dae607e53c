import { EPSILON } from './epsilon.ts';
import { normInf } from './vector.ts';
import type { Precision } from './problem.ts';
import type { ConvergenceMeasures } from './result.ts';
import type { ConvergenceMemory, Floor } from './runState.ts';
import type { CompleteSolveOptions } from './solveOptions.ts';
import type { Measured } from './solver.ts';
import type { Termination } from './termination.ts';

/** Tests that end a solve at the point it has reached. */
export interface Convergence {
  /** Records an iteration: f before (NaN if f was not evaluated since) and after, and ‖xₖ₊₁ − xₖ‖∞. */
  observe(before: number, f: number, moved: number, x: Float64Array): void;
  /** Returns the test that holds at the current point, or null. */
  met(f: number, gradientNorm: number): Termination | null;
  /** Resets the count of iterations without progress, after f has been shown to fall further. */
  goOn(): void;
  measures(gradientNorm: number): ConvergenceMeasures;
}

/** Returns the memory at the start of a run. */
export const freshConvergence = (start: Measured): ConvergenceMemory => ({
  start,
  floor: noFloor(),
  isNoted: false,
  change: Infinity,
  moved: Infinity,
  smallChanges: 0,
  smallSteps: 0,
});

/** f < −this·max(1, |f₀|) counts as unbounded below. */
const UNBOUNDED = 1e30;
/** A lower f counts as unbounded below, too: it is close to the largest number. */
const LOWEST: Record<Precision, number> = { float32: -1e36, float64: -1e300 };
/** Unless f₀ is so low itself: then f must fall below this multiple of it. */
const FAR_BELOW = 100;

/** Number of consecutive small changes that count as a standstill; a single one can be chance. */
const HITS = 2;

/**
 * Creates the tests.
 *
 * @param memory - written
 * @param at - current point, `[n]`
 * @param descends - true if the solver's f falls at every step, so that a standstill means the end
 */
export function convergenceTests(
  { gtol, gRel, ftol, xtol }: CompleteSolveOptions,
  memory: ConvergenceMemory,
  at: Float64Array,
  precision: Precision,
  descends: boolean,
): Convergence {
  const { start, floor } = memory;
  const tolerance = gtol + gRel * start.gradientNorm;
  const lowest = Math.max(
    Math.min(LOWEST[precision], FAR_BELOW * start.f),
    -UNBOUNDED * Math.max(1, Math.abs(start.f)),
  );
  let last = at;
  /** Computed only if needed, since ‖x‖∞ takes a pass over x. */
  const step = () => relative(memory.moved, normInf(last));
  return {
    observe(before, f, moved, x) {
      memory.change = relative(Math.abs(f - before), Math.max(Math.abs(f), Math.abs(before)));
      memory.moved = moved;
      memory.isNoted = false;
      last = x;
      memory.smallChanges = ftol > 0 && memory.change <= ftol ? memory.smallChanges + 1 : 0;
      // A step of length 0 is a failure to move, never a success.
      const small = xtol > 0 && moved > 0 && step() <= xtol;
      memory.smallSteps = small ? memory.smallSteps + 1 : 0;
    },
    met(f, gradientNorm) {
      if (gradientNorm <= tolerance) return 'gradientTolerance';
      if (memory.smallChanges >= HITS) return 'functionTolerance';
      if (memory.smallSteps >= HITS) return 'stepTolerance';
      if (f < lowest) return 'unbounded';
      if (!descends) return null;
      if (!memory.isNoted) noteAt(floor, precision, f, gradientNorm);
      memory.isNoted = true;
      return isStill(floor) ? 'precisionFloor' : null;
    },
    goOn() {
      Object.assign(floor, noFloor());
    },
    measures: (gradientNorm) => ({
      gradient: { value: gradientNorm, tolerance },
      function: { value: memory.change, tolerance: ftol },
      step: { value: step(), tolerance: xtol },
    }),
  };
}

const relative = (change: number, size: number): number => (size > 0 ? change / size : change);

const FLOOR_ITERATIONS = 10;

/** Returns the initial state. */
export const noFloor = (): Floor => ({
  f: Infinity,
  gradientNorm: Infinity,
  smallestNorm: Infinity,
  still: 0,
});

/**
 * Returns true once neither f nor its gradient improves: for ten iterations f fell by no more than its own
 * rounding, and the smallest gradient norm was not halved.
 */
export function atFloor(floor: Floor, precision: Precision, f: number, gradientNorm: number): boolean {
  noteAt(floor, precision, f, gradientNorm);
  return isStill(floor);
}

const isStill = ({ still }: Floor): boolean => still >= FLOOR_ITERATIONS;

function noteAt(floor: Floor, precision: Precision, f: number, gradientNorm: number): void {
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
}
