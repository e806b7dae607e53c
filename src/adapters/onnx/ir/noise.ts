import type { DType } from './tensor.ts';
import type { Shape } from './shape.ts';

/**
 * Distribution of random numbers: the factors of a Dropout (0 with probability `ratio`, otherwise
 * 1 / (1 − ratio)), uniform in [low, high), or normal.
 */
export type Draw =
  | { readonly kind: 'dropout'; readonly ratio: number }
  | { readonly kind: 'uniform'; readonly low: number; readonly high: number }
  | { readonly kind: 'normal'; readonly mean: number; readonly scale: number };

/** An input for random numbers, fed instead of drawn by a node. */
export interface NoiseInput {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape | undefined;
  readonly draw: Draw;
  /** Value that has the same shape; undefined if the shape was given as sizes. */
  readonly like: string | undefined;
}
