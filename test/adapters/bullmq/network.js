// A problem for workers: a small network on samples of a sine, all of them or one shard of them.
import { glorot, tanhNetwork } from '../../../bench/problems/tanhNetwork.js';

const widths = [1, 8, 8, 1];
const samples = 120;

/**
 * @param {{ frequency?: number, milliseconds?: number, tell?: boolean }} [data] - with `milliseconds`, an evaluation
 *   takes longer; with `tell`, the parent process hears when one begins
 * @param {import('quasi-newton/bullmq').ShardPlace} [place]
 */
export default function network(
  { frequency = 2, milliseconds = 0, tell = false } = {},
  { shard, shards } = { shard: 0, shards: 1 },
) {
  const inputs = Float64Array.from({ length: samples }, (_, i) => -3 + (6 * i) / (samples - 1)).filter(
    (_, i) => i % shards === shard,
  );
  const { fg } = tanhNetwork(
    widths,
    inputs,
    inputs.map((value) => Math.sin(frequency * value)),
  );
  return {
    p0: glorot(widths, 1),
    weight: inputs.length / samples,
    /** @type {import('quasi-newton').Objective} */
    fg(x, gradient) {
      if (tell) process.send?.('begun');
      const until = performance.now() + milliseconds;
      while (performance.now() < until);
      return fg(x, gradient);
    },
    metrics: { first: (/** @type {Float64Array} */ x) => x[0] },
  };
}
