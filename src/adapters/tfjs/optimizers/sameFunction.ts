/**
 * Determines if the closure of one call is the same function as that of the previous call.
 *
 * @module
 */
import type { Iterate } from '../../../core/solver.ts';
import { normInf } from '../../../core/vector.ts';

/** A point with the known values there. */
export type Known = Readonly<Iterate>;

export const copyOf = ({ x, f, gradient }: Known): Known => ({
  x: Float64Array.from(x),
  f,
  gradient: Float64Array.from(gradient),
});

/**
 * Error: the function of a call differs from that of the previous call, although `fullBatch` promised
 * otherwise.
 */
export class OtherFunction extends Error {
  private readonly f: number;
  private readonly known: number;

  constructor(f: number, known: number) {
    super(`The loss at the same weights is ${f}, and was ${known} before.`);
    this.f = f;
    this.known = known;
  }

  /** Returns the error to throw if no two calls see the same function. */
  refusal(): Error {
    return new Error(
      `fullBatch: every batch must be all the data, but at the same weights the loss of this one is ${this.f}, and that of an earlier one was ${this.known}. Give fit a batchSize of all samples that it trains on, or leave fullBatch out.`,
    );
  }
}

/** Losses at one point with a larger relative difference belong to different functions. */
const SAME_LOSS = 1e-4;

/**
 * Differences below this fraction of the largest loss are rounding: a small loss may be the sum of large
 * terms.
 */
const ROUNDING = 1e-6;

/** Gradients at one point with a larger relative difference belong to different functions. */
const SAME_GRADIENT = 1e-2;

/** Returns true if two losses at one point can belong to one function. */
export function isSameLoss(f: number, known: number, largest: number): boolean {
  return !(Math.abs(f - known) > Math.max(SAME_LOSS * Math.abs(known), ROUNDING * largest));
}

/** Returns true if two losses at one point differ only by rounding. */
export function isSameToRounding(f: number, known: number): boolean {
  return Math.abs(f - known) <= ROUNDING * Math.abs(known);
}

/** Returns true if f and ∇f of two evaluations at one point can belong to one function. */
export function isSameEvaluation(a: Known, b: Known): boolean {
  if (!isSameLoss(a.f, b.f, 0)) return false;
  let difference = 0;
  for (let i = 0; i < a.gradient.length; i++) {
    difference = Math.max(difference, Math.abs(a.gradient[i] - b.gradient[i]));
  }
  return !(difference > SAME_GRADIENT * normInf(b.gradient));
}

/**
 * If the values at both ends of a step agree to within this fraction of the slope, the step is not in doubt.
 * Most steps on one function pass; a different function that passes differs by less than the gain of a step.
 */
const FITTING = 0.6;

/**
 * Returns true unless the values at both points agree with one smooth function, for which f₁ − f₀ = (∇f₀ +
 * ∇f₁)ᵀs / 2 to third order in the step s.
 */
export function isInDoubt(start: Known, end: Known): boolean {
  let slope0 = 0;
  let slope1 = 0;
  for (let i = 0; i < start.x.length; i++) {
    const s = end.x[i] - start.x[i];
    slope0 += start.gradient[i] * s;
    slope1 += end.gradient[i] * s;
  }
  const misfit = Math.abs(end.f - start.f - (slope0 + slope1) / 2);
  const noise = 2 * ROUNDING * Math.max(Math.abs(start.f), Math.abs(end.f));
  return !(misfit <= (FITTING * (Math.abs(slope0) + Math.abs(slope1))) / 2 + noise);
}
