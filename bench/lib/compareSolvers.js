import { minimize } from 'quasi-newton';
import { median } from '../../examples/lib/report.js';

/**
 * Runs solvers from several starts and prints median, minimum and maximum of their results, one line each.
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
  const widths = [34, 16, 9, 9, 12, 9];
  const print = (/** @type {(string | number)[]} */ ...cells) => {
    const padded = cells.map((cell, i) =>
      i === 0 ? String(cell).padEnd(34) : String(cell).padStart(widths[i] ?? 0),
    );
    console.log(padded.join('  '));
  };
  print('solver', `median ${figure}`, 'least', 'largest', 'evaluations', 'seconds', 'ends');
  for (const { name, solver, options: own } of contenders) {
    const results = Array.from({ length: seeds }, (_, seed) =>
      minimize(problemFor(seed), solver, { gtol: 0, storeTrace: false, ...options, ...own }),
    );
    const values = results.map(judge);
    print(
      name,
      median(values).toExponential(1),
      Math.min(...values).toExponential(1),
      Math.max(...values).toExponential(1),
      median(results.map(({ evaluations }) => evaluations.f)),
      median(results.map(({ elapsed }) => elapsed)).toFixed(1),
      [...new Set(results.map(({ termination }) => termination))].join(', '),
    );
  }
}
