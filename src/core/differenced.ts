import type { AsyncObjective, Objective } from './problem.ts';
import type { Bounds } from './question.ts';

/** An objective whose gradient may come from differences. */
export interface Differenced {
  /** As the objective; no evaluation leaves the bounds. */
  evaluate(x: Float64Array, gradient: Float64Array | null, bounds: Bounds): number | Promise<number>;
  /** True if the gradient comes from differences, so that it may be inexact, but not wrong. */
  isDifferenced(): boolean;
}

/** By objective, so that `{ ...problem, fg }` is another one. */
const known = new WeakMap<object, Differenced>();

/** Records how the gradient of an objective is computed. */
export function noteDifferenced(fg: AsyncObjective | Objective, differenced: Differenced): void {
  known.set(fg, differenced);
}

/** Returns what is noted of an objective, if anything. */
export const differencedBy = (fg: unknown): Differenced | undefined =>
  // A WeakMap answers undefined for values that are not objects.
  known.get(fg as object);
