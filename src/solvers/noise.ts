/**
 * Noise of f that line searches allow for.
 *
 * It is a few units in the last place of f. The allowance grows only while searches fail, since a small f may
 * be the difference of large terms, and returns to its initial size as soon as f falls by more than the
 * noise.
 *
 * @module
 */
import { absoluteDot } from '../core/vector.ts';
import type { Iterate } from '../core/solver.ts';

/** State of the allowance. */
export interface Noise {
  /** Number of times the allowance has been raised. */
  growths: number;
  /** Lowest f that a step has reached. */
  lowest: number;
  /** Largest |f| at the start of a step. */
  highest: number;
}

/** Initial allowance: 4 units in the last place in float64, and 8 in float32, whose losses are long sums. */
const UNIT = { float64: 2 ** -50, float32: 2 ** -20 };

/** Factor by which the allowance grows at each failure. */
const GROWTH = 10;

/** Largest number of growths: to 1e-10 of f in float64, 1e-4 in float32. */
const MAX_GROWTHS = { float64: 5, float32: 2 };

/** A decrease of this many allowances shows that values are meaningful again. */
const TELLING = 10;

/** Returns the initial state. */
export const noNoise = (): Noise => ({ growths: 0, lowest: Infinity, highest: 0 });

interface NoisyIterate extends Iterate {
  readonly noise: Noise;
  readonly rounded: boolean;
  readonly stochastic: boolean;
}

/**
 * Returns the amount by which a step may raise f: the noise minus the part that earlier steps have used, so
 * that a run never rises above its lowest f by more than the noise. Values of different mini-batches cannot
 * be compared, so there each step has the whole allowance.
 */
export function slackOf(state: NoisyIterate): number {
  const { noise, f, stochastic } = state;
  const allowance = allowanceOf(state);
  if (stochastic) return allowance;
  return Math.max(0, Math.min(noise.lowest, f) - f + allowance);
}

/**
 * Returns the current allowance. It is relative to |f|; once it has grown, also to the contribution of x to f
 * to first order, but never to more than the largest |f|.
 */
function allowanceOf(state: NoisyIterate): number {
  const { noise, f, x, gradient, rounded } = state;
  const unit = rounded ? UNIT.float32 : UNIT.float64;
  const added = noise.growths === 0 ? 0 : Math.min(noise.highest, absoluteDot(x, gradient));
  const size = Math.max(Math.abs(f), added);
  return unit * GROWTH ** noise.growths * size;
}

/** Raises the allowance tenfold; returns false if it may not grow further. */
export function growNoise({ noise, rounded }: NoisyIterate): boolean {
  if (noise.growths >= (rounded ? MAX_GROWTHS.float32 : MAX_GROWTHS.float64)) return false;
  noise.growths++;
  return true;
}

/** Records a step from `f` to `trialF`; resets the allowance if values are meaningful again. */
export function observeStep(state: NoisyIterate, trialF: number): void {
  const { noise, f } = state;
  if (noise.growths > 0 && f - trialF > TELLING * allowanceOf(state)) noise.growths = 0;
  noise.lowest = Math.min(noise.lowest, f, trialF);
}
