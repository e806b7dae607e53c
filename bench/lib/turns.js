import { median } from '../../examples/lib/report.js';

/** Returns median and minimum; the minimum is least affected by other load on the machine. @param {number[]} values */
export const typical = (values) => [median(values).toFixed(2), Math.min(...values).toFixed(2)];

/**
 * Returns the milliseconds of each task in each round; tasks alternate, after a tenth of the rounds to warm up. Compute
 * ratios within a round: other load on the machine then cancels.
 *
 * @param {number} rounds
 * @param {(() => unknown)[]} tasks
 * @param {number} [inARow] - how often a task runs in its turn; its time in the round is the median
 */
export async function times(rounds, tasks, inARow = 1) {
  const measured = tasks.map(() => /** @type {number[]} */ ([]));
  const warmup = Math.ceil(rounds / 10);
  for (let round = -warmup; round < rounds; round++) {
    for (const [i, task] of tasks.entries()) {
      const turn = [];
      for (let k = 0; k < inARow; k++) {
        const start = performance.now();
        await task();
        turn.push(performance.now() - start);
      }
      if (round >= 0) measured[i].push(median(turn));
    }
  }
  return measured;
}
