import type { GraphProto } from 'onnx-buf';
import { readBy } from './graph.ts';
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

/** Returns the noise inputs that nodes read; removes the others from the graph, in place. */
export function readNoise(graph: GraphProto, noise: readonly NoiseInput[]): NoiseInput[] {
  if (noise.length === 0) return [];
  const read = new Set(graph.node.flatMap(readBy));
  const left = new Set(noise.filter(({ name }) => !read.has(name)).map(({ name }) => name));
  graph.input = graph.input.filter(({ name }) => !left.has(name));
  return noise.filter(({ name }) => read.has(name));
}
