/** Returns the p-quantile of sorted values, by linear interpolation (Hyndman and Fan 1996, type 7). */
export function quantileSorted(sorted: ArrayLike<number>, p: number): number {
  if (sorted.length === 0) return NaN;
  const h = (sorted.length - 1) * p;
  const low = Math.floor(h);
  const a = sorted[low];
  const b = sorted[Math.min(low + 1, sorted.length - 1)];
  return a === b ? a : a + (h - low) * (b - a);
}

/** Largest |value| that can be drawn: differences of larger values could overflow. */
export const drawableSize = 1e307;

/** Returns a sorted copy of the values that are finite and can be drawn. */
export function sortedFinite(values: Iterable<number>): number[] {
  return [...values].filter((value) => Math.abs(value) <= drawableSize).sort((a, b) => a - b);
}

/**
 * Returns limits of ascending values that a few outliers do not move: the range between the quantiles 0.02 and 0.98,
 * extended by its width on both sides, but not beyond the values.
 */
export function robustLimits(sorted: readonly number[]): [number, number] {
  const [least, most] = [sorted[0], sorted[sorted.length - 1]];
  const [low, high] = [quantileSorted(sorted, 0.02), quantileSorted(sorted, 0.98)];
  // If nearly all values are equal, show the others.
  if (!(high - low > 1e-10 * Math.max(Math.abs(least), Math.abs(most)))) return [least, most];
  return [Math.max(least, low - (high - low)), Math.min(most, high + (high - low))];
}

/** Numbers that a box plot shows for one sample. */
export interface FiveNumbers {
  readonly low: number;
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
  readonly high: number;
  /** Values beyond the whiskers. */
  readonly outliers: readonly number[];
}

/** Returns quartiles, and whiskers at the last values within 1.5 interquartile ranges of the box (Tukey 1977). */
export function fiveNumbers(values: Iterable<number>): FiveNumbers {
  const sorted = sortedFinite(values);
  const q1 = quantileSorted(sorted, 0.25);
  const q3 = quantileSorted(sorted, 0.75);
  const reach = 1.5 * (q3 - q1);
  const within = sorted.filter((value) => value >= q1 - reach && value <= q3 + reach);
  return {
    low: within.length > 0 ? within[0] : NaN,
    q1,
    median: quantileSorted(sorted, 0.5),
    q3,
    high: within.length > 0 ? within[within.length - 1] : NaN,
    outliers: sorted.filter((value) => value < q1 - reach || value > q3 + reach),
  };
}

/** Returns at most `count` elements of a list, evenly spaced, including the first and the last. */
export function evenlyTaken<T>(list: readonly T[], count: number): readonly T[] {
  if (list.length <= count) return list;
  return Array.from({ length: count }, (_, k) => list[Math.round((k * (list.length - 1)) / (count - 1))]);
}
