/**
 * The change of f along a short line, by its values and by its gradients.
 *
 * @module
 */
import { EPSILON } from './epsilon.ts';
import { absoluteDot } from './vector.ts';
import type { Precision } from './problem.ts';
import type { Iterate } from './solver.ts';

/** Rounding of f, in units of its precision. */
const ROUNDING = 16;
/** A change of f that exceeds its rounding by this factor is resolved. */
export const RESOLVED = 12;
/** Relative difference of the two changes that counts as a contradiction. */
const TOLERANCE = 0.15;
/** Simpson's rule and the trapezoidal rule differ by less than this fraction if a line is short enough for both. */
const TRUSTED = 0.02;
/** The same, as a fraction of the change of the values. */
const CERTAIN = 1e-3;
/** Simpson's rule is used if the middle point lies within this fraction of the line's length around its center. */
const OFF_CENTER = 0.25;

/** Facts that set the rounding of f. */
export interface Rounding {
  readonly precision: Precision;
  /** Largest |f| of the run: a small f may still be the difference of terms as large as this. */
  readonly highest: number;
}

/** The change of f between two points, by its values and by the integral of its gradient. */
export interface Mismatch {
  readonly byValues: number;
  readonly byGradients: number;
}

/** A change of f along a line. */
export interface Change extends Mismatch {
  /** The larger of the two changes, relative to the rounding of f. */
  readonly signal: number;
  /** True if it is far above the rounding of f. */
  readonly resolved: boolean;
  /** True if the line is short enough for the quadrature rule. */
  readonly trusted: boolean;
  /** True if f has no kink along it. False, too, if f bends too much to judge. */
  readonly smooth: boolean;
}

/**
 * Compares the change of f along a line with Simpson's rule, computed from the trapezoids of the line and of
 * its halves.
 */
export function changeAlong(
  [start, middle, end]: readonly [Iterate, Iterate, Iterate],
  facts: Rounding,
): Change {
  const byValues = end.f - start.f;
  const halves = trapezoid(start, middle) + trapezoid(middle, end);
  const byGradients = (4 * halves - trapezoid(start, end)) / 3;
  const largest = Math.max(Math.abs(byValues), Math.abs(byGradients));
  const noise = roundingOf(start, end, facts);
  // Where the gradients cancel, their rule is still certain beside a much larger change of the values.
  const tolerance = Math.max(TRUSTED * Math.abs(byGradients), CERTAIN * Math.abs(byValues), noise);
  const trusted = Math.abs(byGradients - halves) <= tolerance && isHalved(start, middle, end);
  const resolved = largest > RESOLVED * noise && Number.isFinite(largest);
  return { byValues, byGradients, signal: largest / noise, resolved, trusted, smooth: trusted };
}

/**
 * Returns true if the middle halves the line in the unknowns that change f most. A step of a few units in the last place
 * of x has no such point, and where the middle merges with an end, the rules agree without saying anything.
 */
function isHalved(start: Iterate, middle: Iterate, end: Iterate): boolean {
  let [offset, length] = [0, 0];
  for (let i = 0; i < start.x.length; i++) {
    const slope = Math.abs(start.gradient[i]) + Math.abs(end.gradient[i]);
    const half = (end.x[i] - start.x[i]) / 2;
    offset += slope * Math.abs(middle.x[i] - start.x[i] - half);
    length += slope * 2 * Math.abs(half);
  }
  return offset <= OFF_CENTER * length;
}

/** Returns true if the change between two points is far from that of the trapezoidal rule, as it is across a kink. */
export function bends(from: Iterate, to: Iterate, facts: Rounding): boolean {
  const change = { byValues: to.f - from.f, byGradients: trapezoid(from, to) };
  return differs(change) && Math.abs(change.byValues - change.byGradients) > roundingOf(from, to, facts);
}

/** Rounding error of the change of f between two points. */
export const roundingOf = (start: Iterate, end: Iterate, { precision, highest }: Rounding): number =>
  roundingOfSizes(Math.max(sizeOf(start) + sizeOf(end), highest), precision);

/** Rounding error of the difference of two values, from the sum of their sizes. */
export const roundingOfSizes = (sizes: number, precision: Precision): number =>
  ROUNDING * EPSILON[precision] * sizes;

/** Returns (g + g⁺)ᵀ(x⁺ − x)/2, the change of f between two points by the trapezoidal rule. */
export function trapezoid(from: Iterate, to: Iterate): number {
  let sum = 0;
  for (let i = 0; i < from.x.length; i++) {
    sum += ((from.gradient[i] + to.gradient[i]) / 2) * (to.x[i] - from.x[i]);
  }
  return sum;
}

const differs = ({ byValues, byGradients }: Mismatch): boolean =>
  Math.abs(byValues - byGradients) > TOLERANCE * Math.max(Math.abs(byValues), Math.abs(byGradients));

/** Returns true if the line can be judged and contradicts the gradient. */
export const contradicts = (change: Change): boolean => change.resolved && change.trusted && differs(change);

/** Returns true if the line can be judged and agrees with the gradient. */
export const agrees = (change: Change): boolean => change.resolved && !contradicts(change);

/** Returns the size that the rounding of f is relative to: |f|, or the contribution of x to f to first order. */
export const sizeOf = ({ x, f, gradient }: Iterate): number =>
  Math.max(Math.abs(f), absoluteDot(x, gradient));
