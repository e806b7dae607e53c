import type { DType } from './tensor.ts';
import type { Shape } from './shape.ts';

/**
 * Distribution of the numbers that an input is fed with: factors of a Dropout, 0 with probability `ratio` and else
 * 1 / (1 − ratio); uniform in [low, high); or normal.
 */
export type Draw =
  | { readonly kind: 'dropout'; readonly ratio: number }
  | { readonly kind: 'uniform'; readonly low: number; readonly high: number }
  | { readonly kind: 'normal'; readonly mean: number; readonly scale: number };

/** An input that is fed with random numbers, in place of a node that would draw them. */
export interface NoiseInput {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape | undefined;
  readonly draw: Draw;
  /** The value whose shape it has; undefined if its own is known. */
  readonly like: string | undefined;
}
