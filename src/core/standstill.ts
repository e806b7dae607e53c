/**
 * The point where a solver stopped, and the lines around it along which f is compared with its gradient.
 *
 * @module
 */
import { sizeOf, type Rounding } from './lineChange.ts';
import { evaluate, type Asks } from './question.ts';
import { dot, normInf, roundToFloat32 } from './vector.ts';
import type { Precision } from './problem.ts';
import type { Iterate } from './solver.ts';

/**
 * Target decreases of f for steps along −∇f, relative to the size of f: large ones are better resolved, small
 * ones are less affected by curvature.
 */
const DECREASES: Record<Precision, readonly number[]> = {
  float32: [1e-2, 4e-4],
  float64: [1e-4, 1e-7, 1e-10],
};
/** Longest step along −∇f, in units of ‖x‖∞. */
const LONGEST = 0.1;
/** Lengths of the other lines, relative to the distance from the start; negative on the other side of the point. */
const PARTS = [0.3, -0.03, 1e-3, 2e-5];
/** Index of the first line that extends to both sides of the point, where curvature cancels and slopes remain. */
const FIRST_SYMMETRIC = 2;

/** The point where a solver stopped, and limits of the comparison around it. */
export interface Standstill extends Rounding {
  readonly at: Iterate;
  /** Start of the solve, `[n]`: the distance from there sets the scale of steps. */
  readonly p0: Float64Array;
  /** Moves a point, `[n]`, into the solver's feasible set, such as its bounds; undefined if it has none. */
  readonly admit: ((x: Float64Array) => void) | undefined;
  /** The smallest |f| > 0 of the run; 0 or undefined if unknown. */
  readonly smallest?: number;
}

/** A line from the point, or through it. */
export interface Line {
  readonly step: Float64Array;
  /** Length relative to the longest line along the same unknowns. */
  readonly length: number;
  readonly symmetric: boolean;
}

/**
 * Returns steps along −∇f for the target decreases of f, the longest first. Elements held by a bound do not
 * move. Returns none if the gradient is 0, or so small that the steps would be longer than x.
 */
export function steepestSteps({ at, p0, precision, admit }: Standstill): Float64Array[] {
  const { x, gradient } = at;
  const aims = DECREASES[precision];
  const longest = LONGEST * sizeOfUnknowns(x, p0);
  const along = (direction: Float64Array) => {
    const norm = normInf(direction);
    // Relative to the norm, squares neither overflow nor underflow. A gradient of 0 has no steps: their lengths are NaN.
    const unit = direction.map((value) => value / norm);
    const slope = norm * dot(unit, unit);
    const lengths = aims.map((aim) => (aim * sizeOf(at)) / slope);
    return lengths.filter((length) => length <= longest).map((length) => unit.map((u) => -length * u));
  };
  const steps = along(gradient);
  if (admit === undefined || steps.length === 0) return steps;
  const wanted = x.map((value, i) => value + steps[0][i]);
  const admitted = Float64Array.from(wanted);
  admit(admitted);
  return along(gradient.map((value, i) => (admitted[i] === wanted[i] ? value : 0)));
}

/**
 * Returns lines along every `lines`-th unknown, with signs from a hash. Their lengths are fractions of the
 * unknown's distance from the start, or of its size if it has not moved; of the size of the others if all of these
 * are 0, and of 1 if those are 0, too.
 */
export function sharedLines(
  { at: { x }, p0 }: Standstill,
  line: number,
  lines: number,
  scale: 'way' | 'size' = 'way',
): Line[] {
  const isShare = (i: number): boolean => i % lines === line;
  const moved = (i: number): number => (scale === 'way' ? Math.abs(x[i] - p0[i]) : 0);
  const way = x.map((value, i) => (isShare(i) ? moved(i) || Math.abs(value) : 0));
  if (normInf(way) === 0) way.forEach((_, i) => (way[i] = isShare(i) ? sizeOfUnknowns(x, p0) : 0));
  return PARTS.map((part, k) => ({
    step: way.map((value, i) => part * signOf(i) * value),
    length: part / PARTS[0],
    symmetric: k >= FIRST_SYMMETRIC,
  }));
}

/** Evaluates f and its gradient at a part of a step from the point. */
export function* evaluateAt(
  { at: { x }, precision, admit }: Standstill,
  step: Float64Array,
  part: number,
): Asks<Iterate> {
  const point = x.map((value, i) => value + part * step[i]);
  if (precision === 'float32') roundToFloat32(point);
  admit?.(point);
  const gradient = new Float64Array(x.length);
  const f = yield evaluate(point, gradient);
  return { x: point, f, gradient };
}

/** Returns the size of the unknowns, or of their start, or 1. */
export const sizeOfUnknowns = (x: Float64Array, p0: Float64Array): number => normInf(x) || normInf(p0) || 1;

/** Returns 1 or −1, mixed among the members of each group, so that their errors do not cancel. */
export function signOf(index: number): number {
  const hash = Math.imul(index + 1, 0x9e3779b1);
  return Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) < 0 ? -1 : 1;
}
