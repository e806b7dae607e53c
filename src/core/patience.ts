/** Memory of the improvement of a monitored value, as plain data. */
export interface Improvement {
  /** The best value so far; null before the first that is a number. */
  best: number | null;
  /** Number of values since then. */
  waited: number;
}

/** When to give up on a value that no longer improves. */
export interface PatienceOptions {
  /** Number of values without improvement after which to stop; Infinity never stops. */
  readonly patience: number;
  /** Changes up to this size do not count as an improvement. */
  readonly minDelta: number;
  readonly mode: 'min' | 'max';
}

/** Returns the initial memory. */
export const freshImprovement = (): Improvement => ({ best: null, waited: 0 });

/**
 * Records a value. `isBest` is true if it improves on all before, `isOver` if too many in a row did not. NaN
 * is never an improvement.
 */
export function observeValue(
  memory: Improvement,
  value: number,
  { patience, minDelta, mode }: PatienceOptions,
): { readonly isBest: boolean; readonly isOver: boolean } {
  const gain = memory.best === null ? Infinity : mode === 'min' ? memory.best - value : value - memory.best;
  const isBest = !Number.isNaN(value) && gain > minDelta;
  if (isBest) Object.assign(memory, { best: value, waited: 0 });
  else memory.waited++;
  return { isBest, isOver: memory.waited > 0 && memory.waited >= patience };
}
