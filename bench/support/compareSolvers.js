import { minimize } from 'quasi-newton';
import { median, printTable } from './statistics.js';

/**
 * Runs solvers from several starts and prints the median, least and largest of what they come to.
 *
 * @param {(seed: number) => import('quasi-newton').Problem} problemFor
 * @param {readonly { name: string, solver: import('quasi-newton').Solver, options?: import('quasi-newton').SolveOptions }[]} contenders
 * @param {object} setting
 * @param {number} setting.seeds
 * @param {import('quasi-newton').SolveOptions} setting.options - for all
 * @param {string} setting.figure - what is judged
 * @param {(result: import('quasi-newton').SolveResult) => number} [setting.judge] - default: f
 */
export function compareSolvers(problemFor, contenders, { seeds, options, figure, judge = ({ f }) => f }) {
  /** @type {(string | number)[][]} */
  const rows = [['solver', `median ${figure}`, 'least', 'largest', 'evaluations', 'seconds', 'ends']];
  for (const { name, solver, options: own } of contenders) {
    const results = Array.from({ length: seeds }, (_, seed) =>
      minimize(problemFor(seed), solver, { gtol: 0, storeTrace: false, ...options, ...own }),
    );
    const values = results.map(judge);
    const ends = [...new Set(results.map(({ termination }) => termination))].join(', ');
    rows.push([
      name,
      median(values).toExponential(1),
      Math.min(...values).toExponential(1),
      Math.max(...values).toExponential(1),
      median(results.map(({ evaluations }) => evaluations.f)),
      median(results.map(({ elapsed }) => elapsed)).toFixed(1),
      ends,
    ]);
  }
  printTable(rows);
}
