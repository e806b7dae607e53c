import { isList, show } from './options.ts';
import type { Rule } from './options.ts';
import type { Precision } from './problem.ts';
import type { Bound } from './question.ts';
import type { Iterate, Measured } from './solver.ts';

export type { Bound } from './question.ts';

/** lower ≤ x ≤ upper, element by element. */
export interface Box {
  /** Returns the lower bound of element i. */
  lower(i: number): number;
  /** Returns the upper bound of element i. */
  upper(i: number): number;
  /** Checks the lengths of the bounds. @throws RangeError if one does not have one element for each of the n unknowns */
  checkLength(n: number): void;
}

/** Rule of an option that takes a {@link Bound}; {@link boxOf} checks the elements. */
export const boundRule: Rule = {
  allowed: 'a number, null (unbounded), or an array of these',
  accepts: (value) => value === null || (typeof value === 'number' ? !Number.isNaN(value) : isList(value)),
};

/**
 * Returns the box between two bounds, which are copied.
 *
 * @param where - function called, named in the message
 * @throws RangeError if an element is neither a number nor null, or if a lower bound exceeds its upper bound
 */
export function boxOf(where: string, lower: Bound, upper: Bound): Box {
  const below = completeBound(where, 'lower', lower, -Infinity);
  const above = completeBound(where, 'upper', upper, Infinity);
  const length = Math.min(below.length, above.length);
  for (let i = 0; i < (length === Infinity ? 1 : length); i++) {
    if (!(below.at(i) <= above.at(i))) {
      throw new RangeError(
        `${where}: lower must not exceed upper; at element ${i} they are ${below.at(i)} and ${above.at(i)}.`,
      );
    }
  }
  return {
    lower: below.at,
    upper: above.at,
    checkLength(n) {
      for (const [name, { length }] of Object.entries({ lower: below, upper: above })) {
        if (length !== Infinity && length !== n) {
          throw new RangeError(`${where}: ${name} has length ${length}; there are ${n} unknowns.`);
        }
      }
    },
  };
}

/** A bound by element; `length` is Infinity if one number holds for all. */
interface CompleteBound {
  readonly length: number;
  readonly at: (i: number) => number;
}

/**
 * Checks a bound and copies it.
 *
 * @param unbounded - value of null: -Infinity below, Infinity above
 */
function completeBound(where: string, name: string, bound: Bound, unbounded: number): CompleteBound {
  const number = (value: unknown, place: string): number => {
    if (value === null) return unbounded;
    if (typeof value === 'number' && !Number.isNaN(value) && value !== -unbounded) return value;
    throw new RangeError(
      `${where}: ${place} must be a number${unbounded > 0 ? ' above -Infinity' : ' below Infinity'}, or null where x is unbounded; got ${show(value)}.`,
    );
  };
  if (!isList(bound)) {
    const value = number(bound, name);
    return { length: Infinity, at: () => value };
  }
  const values = Float64Array.from({ length: bound.length }, (_, i) => number(bound[i], `${name}[${i}]`));
  return { length: values.length, at: (i) => values[i] };
}

/**
 * Returns the box in the precision of the loss: in float32 its bounds are the outermost float32 numbers
 * inside it. An element with no such number between its bounds stays at the lower one.
 */
export function boxIn(precision: Precision, box: Box): Box {
  if (precision === 'float64') return box;
  const isEmpty = (i: number): boolean => !(ceil32(box.lower(i)) <= floor32(box.upper(i)));
  return {
    ...box,
    lower: (i) => (isEmpty(i) ? box.lower(i) : ceil32(box.lower(i))),
    upper: (i) => (isEmpty(i) ? box.lower(i) : floor32(box.upper(i))),
  };
}

/** A box, rounded for each precision of the loss. */
export type Boxes = Readonly<Record<Precision, Box>>;

/** Returns true if neither bound is given, or both are infinite numbers. */
export const isUnbounded = (lower: Bound | undefined, upper: Bound | undefined): boolean =>
  (lower ?? -Infinity) === -Infinity && (upper ?? Infinity) === Infinity;

/**
 * Returns the boxes between two bounds, or null if there are none.
 *
 * @param where - function called, named in the message
 * @throws RangeError as {@link boxOf}
 */
export function boxesOf(where: string, lower: Bound = -Infinity, upper: Bound = Infinity): Boxes | null {
  if (isUnbounded(lower, upper)) return null;
  const box = boxOf(where, lower, upper);
  return { float64: box, float32: boxIn('float32', box) };
}

const bits = new Int32Array(1);
const float32 = new Float32Array(bits.buffer);

/** Returns the largest float32 number ≤ value. */
function floor32(value: number): number {
  float32[0] = value;
  if (float32[0] <= value) return float32[0];
  // The bits of −0 become those of −2⁻¹⁴⁹.
  bits[0] += float32[0] > 0 ? -1 : 1;
  return float32[0];
}

/** Returns the smallest float32 number ≥ value. */
const ceil32 = (value: number): number => -floor32(-value);

/** Moves x to the nearest point of the box. */
export function project(box: Box, x: Float64Array): void {
  for (let i = 0; i < x.length; i++) x[i] = Math.min(box.upper(i), Math.max(box.lower(i), x[i]));
}

/** As {@link project}; returns ‖x − start‖∞ afterwards, NaN if an element is. */
export function projectFrom(box: Box, x: Float64Array, start: Float64Array): number {
  project(box, x);
  let moved = 0;
  for (let i = 0; i < x.length; i++) moved = Math.max(moved, Math.abs(x[i] - start[i]));
  return moved;
}

/** Step from x along p to a trial point. */
export interface StepInBox {
  readonly x: Float64Array;
  readonly direction: Float64Array;
  readonly alpha: number;
}

/** As {@link project}, for x + αp: an element whose step reaches its bound ends exactly there, despite rounding. */
export function projectStep(box: Box, trial: Float64Array, { x, direction, alpha }: StepInBox): void {
  for (let i = 0; i < x.length; i++) {
    if (direction[i] !== 0 && alpha >= reach(box, x[i], direction[i], i))
      trial[i] = endOf(box, direction[i], i);
  }
  project(box, trial);
}

/** Returns the bound that an element moves toward. */
const endOf = (box: Box, p: number, i: number): number => (p > 0 ? box.upper(i) : box.lower(i));

/** Returns the α at which an element meets its bound; p ≠ 0. */
const reach = (box: Box, x: number, p: number, i: number): number => (endOf(box, p, i) - x) / p;

/** Returns true if −∇f points out of the box at element i. */
const isHeld = (box: Box, x: number, g: number, i: number): boolean =>
  (g > 0 && x <= box.lower(i)) || (g < 0 && x >= box.upper(i));

/** Returns the indices of the held elements: those at a bound where −∇f points out of the box. */
export function heldBy(box: Box, x: Float64Array, gradient: Float64Array): number[] {
  const held: number[] = [];
  for (let i = 0; i < x.length; i++) if (isHeld(box, x[i], gradient[i], i)) held.push(i);
  return held;
}

/** Cuts the step p back to the box. Elements that stay inside keep their value, however small relative to x. */
export function confine(box: Box, x: Float64Array, p: Float64Array): void {
  for (let i = 0; i < x.length; i++) {
    if (x[i] + p[i] > box.upper(i)) p[i] = box.upper(i) - x[i];
    else if (x[i] + p[i] < box.lower(i)) p[i] = box.lower(i) - x[i];
  }
}

/** Returns the largest α with x + αp in the box. */
export function longestStep(box: Box, x: Float64Array, p: Float64Array): number {
  let longest = Infinity;
  for (let i = 0; i < x.length; i++) {
    if (p[i] !== 0) longest = Math.min(longest, reach(box, x[i], p[i], i));
  }
  return longest;
}

/**
 * Returns f and the largest |∂ᵢf| of the elements that no bound holds. This norm is 0 where the
 * Karush-Kuhn-Tucker conditions hold, and has the units of the gradient however narrow the box is. It is NaN
 * if an element of the gradient is.
 */
export function measureInBox(box: Box, { x, f, gradient }: Iterate): Measured {
  let norm = 0;
  for (let i = 0; i < x.length; i++) {
    if (!isHeld(box, x[i], gradient[i], i)) norm = Math.max(norm, Math.abs(gradient[i]));
  }
  return { f, gradientNorm: norm };
}
