/**
 * Helpers for values `[N, C, …]`, with the channels along the second axis.
 *
 * @module
 */
import type { Builder } from './builder.ts';
import type { Value } from './graph.ts';
import { range } from './shape.ts';

/** Axes after the batch and the channels. */
export const spatialAxes = (g: Builder, x: Value): number[] => range(g.rank(x) - 2, 2);

/** All axes except the channels. */
export const exceptChannels = (g: Builder, x: Value): number[] => [0, ...spatialAxes(g, x)];

/** Reshapes a vector with one number per channel to broadcast against x. */
export const alongChannels = (g: Builder, vector: Value, x: Value): Value =>
  g.reshape(vector, [1, -1, ...spatialAxes(g, x).map(() => 1)]);

/** Sums, at each channel, over those from `before` channels earlier to `after` channels later. */
export function channelWindow(g: Builder, x: Value, before: number, after: number): Value {
  const rest = spatialAxes(g, x).map(() => 0);
  const padded = g.pad(x, [0, before, ...rest, 0, after, ...rest]);
  const shifts = range(before + after + 1).map((i) => {
    const end = i - before - after;
    return g.slice(padded, i, end === 0 ? 2 ** 31 - 1 : end, 1);
  });
  const [first, ...others] = shifts;
  return g.add(first, ...others);
}
