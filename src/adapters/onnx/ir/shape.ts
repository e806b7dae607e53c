import { sizeOf } from '../../../core/layout.ts';
import { refuse } from './errors.ts';
import type { DType } from './tensor.ts';

/**
 * One dimension: its size, or a symbol for a size not known before the graph runs. Equal symbols are equal
 * sizes; different symbols may be equal or not.
 */
export type Dimension = number | string;
export type Shape = readonly Dimension[];

/** Everything known about a value before the graph runs. */
export interface TensorType {
  readonly dtype?: DType | undefined;
  /** Absent if not even the rank is known. */
  readonly shape?: Shape | undefined;
}

let symbols = 0;

/** Returns a new symbol. */
export const unknownDimension = (): string => `?${++symbols}`;

export const unknownShape = (rank: number): Shape => Array.from({ length: rank }, unknownDimension);

export const isStatic = (shape: Shape | undefined): shape is readonly number[] =>
  shape !== undefined && shape.every((dimension) => typeof dimension === 'number');

/** Returns an axis counted from the front. `rank` itself, the position after the last axis, is allowed. */
export function axisFrom(axis: number, rank: number): number {
  const front = axis < 0 ? axis + rank : axis;
  return front >= 0 && front <= rank
    ? front
    : refuse(`there is no axis ${axis} in a tensor of rank ${rank}.`);
}

/** 0, 1, …, n − 1, or from `start`. */
export const range = (n: number, start = 0): number[] =>
  Array.from({ length: Math.max(0, n) }, (_, i) => start + i);

/** True if `perm` holds each of 0, 1, …, n − 1 once. */
export const isPermutation = (perm: readonly number[]): boolean =>
  perm.toSorted((a, b) => a - b).every((axis, i) => axis === i);

/** The permutation that undoes `perm`. */
export function inverse(perm: readonly number[]): number[] {
  const inverted: number[] = [];
  perm.forEach((axis, i) => (inverted[axis] = i));
  return inverted;
}

/** Size of the result of broadcasting two sizes, which must be equal unless one is 1. */
export function broadcastDimension(a: Dimension, b: Dimension): Dimension {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === 'number') return a;
  return typeof b === 'number' ? b : unknownDimension();
}

/** Shape of an elementwise result by NumPy's broadcasting rules. */
export function broadcastShapes(shapes: readonly (Shape | undefined)[]): Shape | undefined {
  let result: Shape = [];
  for (const shape of shapes) {
    if (shape === undefined) return undefined;
    const rank = Math.max(result.length, shape.length);
    const joined: Dimension[] = [];
    for (let i = -rank; i < 0; i++) joined.push(broadcastDimension(result.at(i) ?? 1, shape.at(i) ?? 1));
    result = joined;
  }
  return result;
}

/** Sum of sizes; a new symbol if one of them is a symbol. */
export const sumOf = (sizes: readonly Dimension[]): Dimension =>
  sizes.every((size) => typeof size === 'number') ? sizes.reduce((a, b) => a + b, 0) : unknownDimension();

/** Product of sizes: a number if it is known, a symbol that is the only factor besides ones, or else a new symbol. */
export function productOf(sizes: readonly Dimension[]): Dimension {
  const numbers = sizes.filter((size) => typeof size === 'number');
  const product = sizeOf(numbers);
  const others = sizes.filter((size) => typeof size === 'string');
  if (others.length === 0 || product === 0) return product;
  return others.length === 1 && product === 1 ? others[0] : unknownDimension();
}
