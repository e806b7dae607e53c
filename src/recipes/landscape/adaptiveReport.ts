import { caution, shownBand, type AdaptiveGoal, type Knowledge } from './refinement.ts';
import { largeError } from './expectedErrors.ts';
import type { AdaptiveReport } from '../grid/data.ts';

/** Returns the report of an adaptive grid whose evaluation has ended. */
export function reportOf(all: Knowledge, { tolerance }: AdaptiveGoal): AdaptiveReport {
  const { draft, raw, shown, transform, band } = all;
  let [largest, largestZ, evaluations] = [0, 0, 0];
  for (let cell = 0; cell < raw.length; cell++) {
    if (draft.done[cell] === 1) {
      evaluations++;
      continue;
    }
    const error = caution * largeError(all.errors, cell) * band;
    largest = Math.max(largest, error);
    const ends = [shown[cell] - error, shown[cell] + error].map(transform.invert);
    largestZ = Math.max(largestZ, ...ends.map((end) => Math.abs(end - raw[cell])));
  }
  const estimatedError = largest / shownBand(all);
  return {
    evaluations,
    of: raw.length,
    scale: all.scale,
    estimatedError,
    // JSON has no Infinity.
    estimatedErrorZ: Math.min(largestZ, Number.MAX_VALUE),
    tolerance,
    reached: estimatedError <= tolerance,
  };
}
