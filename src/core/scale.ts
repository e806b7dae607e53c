/**
 * Typical sizes of the unknowns: differences take steps relative to them.
 *
 * @module
 */
import { tensorAt } from './layout.ts';
import type { Rule } from './options.ts';
import type { ProblemFacts } from './problem.ts';

/** Typical size of the unknowns: one number for all, or one for each, `[n]`. */
export type Scale = number | readonly number[] | Float64Array;

const isSize = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value > 0;

/** Returns the rule of a {@link Scale} of n unknowns; of any number of them if n is not known yet. */
export const scaleOf = (n?: number): Rule => ({
  allowed: `a finite number > 0, or an array of ${n ?? 'n'} of them`,
  accepts: (value) =>
    isSize(value) ||
    ((Array.isArray(value) || value instanceof Float64Array) &&
      (n === undefined || value.length === n) &&
      value.every(isSize)),
});

/** Returns the typical size of unknown `index`. */
export const sizeAt = (scale: Scale, index: number): number =>
  typeof scale === 'number' ? scale : scale[index];

/**
 * Returns a function that gives the root mean square of an unknown's tensor, or of all unknowns if the
 * tensors are not known.
 */
export function typicalSizes(x: Float64Array, params: ProblemFacts['params']): (index: number) => number {
  const known = new Map<string, number>();
  return (index) => {
    const tensor = params && tensorAt(params.layout, index);
    const name = tensor?.name ?? '';
    let size = known.get(name);
    if (size === undefined) {
      size = rootMeanSquare(tensor ? x.subarray(tensor.offset, tensor.offset + tensor.size) : x);
      known.set(name, size);
    }
    return size;
  };
}

/**
 * Returns the root mean square. Divides by the largest element first, because squares of 1e±160 leave the
 * range of float64.
 */
export function rootMeanSquare(x: Float64Array): number {
  const largest = x.reduce((size, value) => Math.max(size, Math.abs(value)), 0);
  if (largest === 0) return 0;
  return largest * Math.sqrt(x.reduce((sum, value) => sum + (value / largest) ** 2, 0) / x.length);
}
