/**
 * The noise of f that line searches allow for.
 *
 * It follows the arithmetic: a few units in the last place of f. Only while searches fail does the allowance grow,
 * since a small f may be the difference of large terms; it returns as soon as f falls by more than the noise.
 *
 * @module
 */
import { absoluteDot } from '../core/vector.ts';
import type { Iterate } from '../core/solver.ts';

/** The noise of f, as far as it is known. */
export interface Noise {
  /** Number of times the allowance has been raised. */
  growths: number;
  /** The least f that a step has come to. */
  lowest: number;
  /** The largest |f| met at the start of a step. */
  highest: number;
}

/** Units of noise: 4 units in the last place of float64, and 8 of float32, whose losses are long sums. */
const UNIT = { float64: 2 ** -50, float32: 2 ** -20 };

/** Factor by which the allowance grows at each failure. */
const GROWTH = 10;

/** Number of growths at most: to 1e-10 of f in float64, 1e-4 in float32. */
const MAX_GROWTHS = { float64: 5, float32: 2 };

/** A decrease of this many allowances shows that values tell again. */
const TELLING = 10;

/** Nothing is known yet. */
export const noNoise = (): Noise => ({ growths: 0, lowest: Infinity, highest: 0 });

interface NoisyIterate extends Iterate {
  readonly noise: Noise;
  readonly rounded: boolean;
  readonly stochastic: boolean;
}

/**
 * Returns by how much a step may raise f: the noise, less what earlier steps have already used of it, so that a run
 * never rises above its lowest f by more than the noise. Values of different mini-batches do not compare; there each
 * step has the whole allowance.
 */
export function slackOf(state: NoisyIterate): number {
  const { noise, f, stochastic } = state;
  const allowance = allowanceOf(state);
  if (stochastic) return allowance;
  return Math.max(0, Math.min(noise.lowest, f) - f + allowance);
}

/**
 * The noise of f as now believed: relative to |f| at first, and once grown also to what x adds to f to first order,
 * though never to more than the largest |f|.
 */
function allowanceOf(state: NoisyIterate): number {
  const { noise, f, x, gradient, rounded } = state;
  const unit = rounded ? UNIT.float32 : UNIT.float64;
  const added = noise.growths === 0 ? 0 : Math.min(noise.highest, absoluteDot(x, gradient));
  const size = Math.max(Math.abs(f), added);
  return unit * GROWTH ** noise.growths * size;
}

/** Raises the allowance tenfold; false where it may not grow further. */
export function growNoise({ noise, rounded }: NoisyIterate): boolean {
  if (noise.growths >= (rounded ? MAX_GROWTHS.float32 : MAX_GROWTHS.float64)) return false;
  noise.growths++;
  return true;
}

/** Takes note of a step from `f` to `trialF`: the allowance returns to its unit where values tell again. */
export function observeStep(state: NoisyIterate, trialF: number): void {
  const { noise, f } = state;
  if (noise.growths > 0 && f - trialF > TELLING * allowanceOf(state)) noise.growths = 0;
  noise.lowest = Math.min(noise.lowest, f, trialF);
}
