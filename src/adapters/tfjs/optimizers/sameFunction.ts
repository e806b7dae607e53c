/**
 * Tells whether the closure of one call is the function of the call before.
 *
 * @module
 */
import type { Iterate } from '../../../core/solver.ts';
import { normInf } from '../../../core/vector.ts';

/** A point with the values that are known there. */
export type Known = Readonly<Iterate>;

export const copyOf = ({ x, f, gradient }: Known): Known => ({
  x: Float64Array.from(x),
  f,
  gradient: Float64Array.from(gradient),
});

/** The function of a call is not that of the call before, which `fullBatch` promised. */
export class OtherFunction extends Error {
  private readonly f: number;
  private readonly known: number;

  constructor(f: number, known: number) {
    super(`The loss at the same weights is ${f}, and was ${known} before.`);
    this.f = f;
    this.known = known;
  }

  /** The error for a user whose calls never see one function twice. */
  refusal(): Error {
    return new Error(
      `fullBatch: every batch must be all the data, but at the same weights the loss of this one is ${this.f}, and that of an earlier one was ${this.known}. Give fit a batchSize of all samples that it trains on, or leave fullBatch out.`,
    );
  }
}

/** Two losses at one point that differ by more than this, relatively, are those of different functions. */
const SAME_LOSS = 1e-4;

/** Differences below this part of the largest loss are rounding: terms as large as ever can leave a small sum. */
const ROUNDING = 1e-6;

/** Two gradients at one point that differ by more than this, relatively, are those of different functions. */
const SAME_GRADIENT = 1e-2;

/** True if both losses, at one point, can be those of one function. */
export function isSameLoss(f: number, known: number, largest: number): boolean {
  return !(Math.abs(f - known) > Math.max(SAME_LOSS * Math.abs(known), ROUNDING * largest));
}

/** True if both losses, at one point, differ by rounding alone. */
export function isSameToRounding(f: number, known: number): boolean {
  return Math.abs(f - known) <= ROUNDING * Math.abs(known);
}

/** True if f and ∇f of two evaluations at one point can be those of one function. */
export function isSameEvaluation(a: Known, b: Known): boolean {
  if (!isSameLoss(a.f, b.f, 0)) return false;
  let difference = 0;
  for (let i = 0; i < a.gradient.length; i++) {
    difference = Math.max(difference, Math.abs(a.gradient[i] - b.gradient[i]));
  }
  return !(difference > SAME_GRADIENT * normInf(b.gradient));
}

/**
 * A step whose end fits its start to within this part of the slope is beyond doubt: most steps on one function are, and
 * the loss of another one that passes is off by less than what a step gains.
 */
const FITTING = 0.6;

/**
 * True unless the values at a point fit those at the start as the values of one smooth function do: to third order in
 * the step s, f₁ − f₀ = (∇f₀ + ∇f₁)ᵀs / 2.
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
