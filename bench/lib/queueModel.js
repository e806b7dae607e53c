import { median } from '../../examples/lib/report.js';
import { normal } from '../problems/random.js';

/**
 * Overhead of an evaluation over a queue. Redis and the asking process count as one hub, which serves messages one after
 * the other.
 *
 * @typedef {object} QueueCosts
 * @property {number} latency - seconds per evaluation, independent of its size
 * @property {number} job - seconds per job
 * @property {number} throughput - bytes per second through the hub, in both directions together
 */

/**
 * Returns the bytes through Redis in an evaluation with a gradient: the point in, and out to each worker; each gradient in
 * and out.
 *
 * @param {number} n
 * @param {number} workers
 * @param {number} [shards]
 */
export const bytesOf = (n, workers, shards = workers) => 8 * n * (1 + workers + 2 * shards);

/**
 * Simulates evaluations of a problem with one shard per worker.
 *
 * @param {QueueCosts} costs
 * @param {{ workers: number, n: number, seconds: number, spread?: number, turns?: number }} run - `seconds` that one
 *   process needs for all shards; `spread`, the standard deviation of the logarithm of a shard's time
 * @returns mean seconds per evaluation
 */
export function simulate(costs, { workers, n, seconds, spread = 0.1, turns = 20 }) {
  const random = normal(1);
  const vector = (8 * n) / costs.throughput;
  let total = 0;
  for (let turn = 0; turn < turns; turn++) {
    // The point goes in once; then the workers receive a job and the point, one after the other.
    let hub = costs.latency + vector;
    const computed = Array.from({ length: workers }, () => {
      hub += costs.job / 2 + vector;
      return hub + (seconds / workers) * Math.exp(spread * random());
    });
    // Gradients go through the hub as they become ready, each in and out.
    for (const time of computed.sort((a, b) => a - b)) {
      hub = Math.max(hub, time) + costs.job / 2 + 2 * vector;
    }
    total += hub;
  }
  return total / turns;
}

/**
 * Fits the costs to measurements: latency and cost of a job to the minimum times at the smallest size, by least squares of
 * relative errors; the throughput at a size to the CPU time of the hub beyond that at the smallest size.
 *
 * @param {readonly { n: number, workers: number, shards: number, seconds: number, hub: number }[]} measured
 * @returns {{ latency: number, job: number, throughputAt: (n: number) => number }}
 */
export function fitCosts(measured) {
  const smallest = Math.min(...measured.map(({ n }) => n));
  const small = measured.filter(({ n }) => n === smallest);
  const [latency, job] = line(small.map(({ shards, seconds }) => [1 / seconds, shards / seconds]));
  return {
    latency,
    job,
    throughputAt: (size) =>
      median(
        measured
          .filter(({ n }) => n === size)
          .map(({ n, workers, shards, hub }) => {
            const base = small.find((other) => other.workers === workers && other.shards === shards);
            return bytesOf(n, workers, shards) / Math.max(1e-6, hub - (base?.hub ?? 0));
          }),
      ),
  };
}

/**
 * Returns the a, b for which a·rowᵢ₀ + b·rowᵢ₁ is closest to 1, by the normal equations.
 *
 * @param {readonly number[][]} rows
 */
function line(rows) {
  const sum = (/** @type {(row: number[]) => number} */ term) =>
    rows.reduce((total, row) => total + term(row), 0);
  const [aa, ab, bb] = [sum(([a]) => a * a), sum(([a, b]) => a * b), sum(([, b]) => b * b)];
  const [ya, yb] = [sum(([a]) => a), sum(([, b]) => b)];
  const determinant = aa * bb - ab * ab;
  return [(ya * bb - yb * ab) / determinant, (aa * yb - ab * ya) / determinant];
}
