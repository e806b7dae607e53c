/**
 * Convolutions that are faster in ONNX Runtime's blocked layout, and their form there.
 *
 * @module
 */
import { ALIGNMENT } from '../ops/wholeWeight.ts';

/** Least length that is a multiple of `size`. */
export const upTo = (length: number, size: number): number => Math.ceil(length / size) * size;

/**
 * Form of a convolution on the layout: one channel per group; channels in blocks; or so few that they are read in the
 * standard layout, while its result is in blocks.
 */
export type Form = 'depthwise' | 'blocks' | 'few channels';

/** Most multiply-adds with the padding of blocks, for each that is needed: beyond, it would be slower. */
export const MOST_PADDING = 2;

/**
 * The form in which a convolution of that weight, `[M, C/group, …]`, is faster in blocks; undefined if in none.
 *
 * @param isThere - true if the image is in blocks already
 */
export function formOf(
  [outer, inner, ...kernel]: readonly number[],
  group: number,
  size: number,
  isThere: boolean,
): Form | undefined {
  if (kernel.every((length) => length === 1))
    return isThere && group === 1 && outer % size === 0 && inner % size === 0 ? 'blocks' : undefined;
  const isLong = upTo(outer, size) <= MOST_PADDING * outer;
  if (group !== 1) {
    const isDepthwise = inner === 1 && outer === group && outer % ALIGNMENT === 0;
    return isDepthwise && isLong ? 'depthwise' : undefined;
  }
  if (inner < size) return isLong ? 'few channels' : undefined;
  return inner % ALIGNMENT === 0 && paddingOf([outer, inner], size) <= MOST_PADDING ? 'blocks' : undefined;
}

/** Multiply-adds with the padding of blocks, for each that is needed. */
export const paddingOf = ([outer, inner]: readonly number[], size: number): number =>
  (upTo(outer, size) / outer) * (upTo(inner, size) / inner);
