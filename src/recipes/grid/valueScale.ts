/**
 * Scales from values to heights and colors.
 *
 * @module
 */
import { oneOf } from '../../core/options.ts';
import { quantileSorted } from './statistics.ts';

/**
 * Transform from values to heights and colors: none, log₁₀ z, log₁₀(1 + z), or for values of both signs
 * ±log₁₀(1 + |z| / c), linear below c, which is the decade of the smallest tenth of |z|.
 */
export type ValueScale = 'linear' | 'log' | 'log1p' | 'symlog';

/** A transform with its constant. */
export interface Transform {
  readonly apply: (value: number) => number;
  readonly invert: (shown: number) => number;
  /** c of `symlog`, 1 otherwise. */
  readonly threshold: number;
}

/**
 * Returns the transform of a scale.
 *
 * @param sorted - the finite values, ascending
 */
export function transformOf(scale: ValueScale, sorted: readonly number[]): Transform {
  const threshold = scale === 'symlog' ? thresholdOf(sorted) : 1;
  return {
    threshold,
    apply: (value) => functions[scale](value, threshold),
    invert: (shown) => inverses[scale](shown, threshold),
  };
}

const functions: Readonly<Record<ValueScale, (value: number, threshold: number) => number>> = {
  linear: (z) => z,
  // Below 1e-300 a loss counts as 0.
  log: (z) => (z > 0 && z < 1e-300 ? -300 : Math.log10(z)),
  log1p: (z) => Math.log1p(z) / Math.LN10,
  symlog: (z, c) => (Math.sign(z) * Math.log1p(Math.abs(z) / c)) / Math.LN10,
};

const inverses: Readonly<Record<ValueScale, (shown: number, threshold: number) => number>> = {
  linear: (t) => t,
  log: (t) => 10 ** t,
  log1p: (t) => Math.expm1(t * Math.LN10),
  symlog: (t, c) => Math.sign(t) * c * Math.expm1(Math.abs(t) * Math.LN10),
};

/** Returns the power of ten at or below the lowest tenth of |z|, at most twelve decades below the largest. */
function thresholdOf(sorted: readonly number[]): number {
  const sizes = sizesOf(sorted);
  if (sizes.length === 0) return 1;
  const least = Math.max(quantileSorted(sizes, 0.1), 1e-12 * sizes[sizes.length - 1], 1e-300);
  return 10 ** Math.floor(Math.log10(least));
}

const sizesOf = (values: readonly number[]): number[] =>
  values
    .map(Math.abs)
    .filter((size) => size > 0)
    .sort((a, b) => a - b);

/**
 * Returns the scale that shows values best: `log` if they are positive and their middle nine tenths span two decades, or
 * the highest exceeds the median a thousand times; `symlog` if they have both signs or zeros, and their sizes span three
 * decades likewise; otherwise `linear`.
 *
 * @param sorted - the finite values, ascending
 */
export function automaticScale(sorted: readonly number[]): ValueScale {
  const sizes = sizesOf(sorted);
  if (sizes.length < 2) return 'linear';
  const middle = quantileSorted(sizes, 0.95) / quantileSorted(sizes, 0.05);
  const peak = sizes[sizes.length - 1] / quantileSorted(sizes, 0.5);
  if (sorted[0] > 0) return middle > 100 || peak > 1000 ? 'log' : 'linear';
  return middle > 1000 || peak > 1000 ? 'symlog' : 'linear';
}

/** Rule of options that name a scale, or `'auto'`. */
export const valueScaleRule = oneOf('linear', 'log', 'log1p', 'symlog', 'auto');
