import { median } from '../../examples/lib/report.js';

/** Median and least; the least suffers least from what else the machine does. @param {number[]} values */
export const typical = (values) => [median(values).toFixed(2), Math.min(...values).toFixed(2)];

/**
 * Milliseconds of each task in each round; they take turns, after a tenth of the rounds to warm up. Ratios are to be
 * taken within a round: what else the machine does then cancels.
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
