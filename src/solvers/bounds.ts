import { show } from '../core/options.ts';
import { normInf } from '../core/vector.ts';
import type { Rule } from '../core/options.ts';
import type { Iterate, Measured } from '../core/solver.ts';

/** Bounds of the unknowns: one number for all, or one for each, `[n]`; infinite where there is none. */
export type Bound = number | ArrayLike<number>;

/** lower ≤ x ≤ upper, element by element. */
export interface Box {
  /** The bounds of element i. */
  lower(i: number): number;
  upper(i: number): number;
  /** @throws RangeError if a bound has not one element for each of the n unknowns */
  checkLength(n: number): void;
}

/** The rule of an option that takes a {@link Bound}. */
export const boundRule: Rule = {
  allowed: 'a number or an array of numbers',
  accepts: (value) =>
    typeof value === 'number' ? !Number.isNaN(value) : Array.isArray(value) || ArrayBuffer.isView(value),
};

/**
 * @param where - the function whose options they are, named in the message
 * @throws RangeError if a lower bound exceeds its upper one, or a bound is NaN
 */
export function boxOf(where: string, lower: Bound, upper: Bound): Box {
  const at = (bound: Bound, i: number): number => (typeof bound === 'number' ? bound : bound[i]);
  const shared = Math.min(arrayLength(lower), arrayLength(upper));
  for (let i = 0; i < (shared === Infinity ? 1 : shared); i++) {
    if (!(at(lower, i) <= at(upper, i))) {
      throw new RangeError(
        `${where}: lower must not exceed upper; at element ${i} they are ${show(at(lower, i))} and ${show(at(upper, i))}.`,
      );
    }
  }
  return {
    lower: (i) => at(lower, i),
    upper: (i) => at(upper, i),
    checkLength(n) {
      for (const [name, bound] of Object.entries({ lower, upper })) {
        if (typeof bound !== 'number' && bound.length !== n) {
          throw new RangeError(`${where}: ${name} has length ${bound.length}; there are ${n} unknowns.`);
        }
      }
    },
  };
}

const arrayLength = (bound: Bound): number => (typeof bound === 'number' ? Infinity : bound.length);

/** Moves x to the nearest point of the box. */
export function project(box: Box, x: Float64Array): void {
  for (let i = 0; i < x.length; i++) x[i] = Math.min(box.upper(i), Math.max(box.lower(i), x[i]));
}

/** Whether −∇f points out of the box at element i. */
const isHeld = (box: Box, x: number, g: number, i: number): boolean =>
  (g > 0 && x <= box.lower(i)) || (g < 0 && x >= box.upper(i));

/** The indices of the elements that a bound holds: there −∇f points out of the box. */
export function heldBy(box: Box, x: Float64Array, gradient: Float64Array): number[] {
  const held: number[] = [];
  for (let i = 0; i < x.length; i++) if (isHeld(box, x[i], gradient[i], i)) held.push(i);
  return held;
}

/** Cuts the step p back to the box. */
export function confine(box: Box, x: Float64Array, p: Float64Array): void {
  for (let i = 0; i < x.length; i++) {
    p[i] = Math.min(box.upper(i), Math.max(box.lower(i), x[i] + p[i])) - x[i];
  }
}

/** The largest α with x + αp in the box. */
export function longestStep(box: Box, x: Float64Array, p: Float64Array): number {
  let longest = Infinity;
  for (let i = 0; i < x.length; i++) {
    if (p[i] > 0) longest = Math.min(longest, (box.upper(i) - x[i]) / p[i]);
    else if (p[i] < 0) longest = Math.min(longest, (box.lower(i) - x[i]) / p[i]);
  }
  return longest;
}

/** f, and the norm of the projected gradient x − P(x − ∇f), which is 0 at a solution. */
export function measureInBox(box: Box, { x, f, gradient }: Iterate): Measured {
  if (Number.isNaN(normInf(gradient))) return { f, gradientNorm: NaN };
  let norm = 0;
  for (let i = 0; i < x.length; i++) {
    const end = Math.min(box.upper(i), Math.max(box.lower(i), x[i] - gradient[i]));
    norm = Math.max(norm, Math.abs(end - x[i]));
  }
  return { f, gradientNorm: norm };
}
