/** Memory of how a monitored value has improved, as plain data. */
export interface Improvement {
  /** The best value so far; null before the first that is a number. */
  best: number | null;
  /** Values since then. */
  waited: number;
}

/** When to give up on a value that no longer improves. */
export interface PatienceOptions {
  /** Values without improvement after which to stop; Infinity never stops. */
  readonly patience: number;
  /** Changes no larger than this are no improvement. */
  readonly minDelta: number;
  readonly mode: 'min' | 'max';
}

/** Returns the memory to begin with. */
export const freshImprovement = (): Improvement => ({ best: null, waited: 0 });

/**
 * Takes note of a value: `isBest` where it improves on all before, `isOver` where too many in a row did not. NaN improves
 * on nothing.
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
