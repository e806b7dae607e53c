import { readFileSync } from 'node:fs';
import { bfgs, lbfgs, minimize } from 'quasi-newton';
import { mgh } from './problems/mgh/index.js';
import { evaluationsToSolve } from './lib/firstHit.js';
import { likeOptim } from './lib/likeOptim.js';
import { SciPy, scipyVersion } from './lib/scipy.js';
import { median, printTable } from '../examples/lib/report.js';
import { geometricMean } from './lib/geometricMean.js';

export const title = 'Evaluations on the problems of Moré, Garbow & Hillstrom';

/** @type {Record<string, { evals: Record<string, number | null> }>} */
const peers = JSON.parse(readFileSync(new URL('mgh-peers.json', import.meta.url), 'utf8')).problems;

/** Counts, beside the recorded ones of other libraries and, where a Python has it, SciPy in the same run. */
export async function run() {
  const version = scipyVersion();
  console.log(
    'Evaluations until f − f* ≤ 1e-8·max(1, |f*|) or ‖∇f‖∞ ≤ 1e-6·max(1, |f*|/n); – : not within 3000.',
  );
  console.log(
    `SciPy here: ${version ?? 'not found'}; the other peers as recorded (SciPy 1.10, torch 1.13).\n`,
  );
  await compare('lbfgs()', lbfgs(), 'L-BFGS-B', [
    'scipy L-BFGS-B m=10',
    'Optim-like LBFGS m=10',
    'torch LBFGS m=10',
    'libLBFGS m=10',
  ]);
  await compare('bfgs()', bfgs(), 'BFGS', ['scipy BFGS', 'Optim-like BFGS']);
  await compare("Optim.jl's choices, our code", likeOptim, null, ['Optim-like LBFGS m=10']);
  statuses();
}

/**
 * @param {string} name
 * @param {import('quasi-newton').Solver} solver
 * @param {'L-BFGS-B' | 'BFGS' | null} method - of SciPy, to run beside
 * @param {string[]} recorded
 */
async function compare(name, solver, method, recorded) {
  const live = method !== null && scipyVersion() !== null ? new SciPy() : null;
  const columns = live && method ? [...recorded, `SciPy ${method}, this run`] : recorded;
  /** @type {(string | number)[][]} */
  const rows = [['problem', name, ...columns, 'wins']];
  /** @type {number[][]} */
  const ratios = columns.map(() => []);
  for (const problem of mgh) {
    const ours = evaluationsToSolve(problem, problem.minima[0], solver);
    const theirs = recorded.map((peer) => peers[problem.name].evals[peer]);
    if (live && method) theirs.push(await live.evaluationsToSolve(problem, problem.minima[0], method));
    theirs.forEach((count, i) => {
      if (ours !== null && count !== null) ratios[i].push(ours / count);
    });
    const best = Math.min(...theirs.map((count) => count ?? Infinity));
    const winner = (ours ?? Infinity) < best ? 'we' : ours === best ? 'tie' : 'they';
    rows.push([problem.name, ours ?? '–', ...theirs.map((count) => count ?? '–'), winner]);
  }
  live?.close();
  printTable(rows[0], rows.slice(1));
  const wins = rows.filter((row) => row.at(-1) === 'we').length;
  const ties = rows.filter((row) => row.at(-1) === 'tie').length;
  console.log(`\n${name}: fewest evaluations of all on ${wins} of ${mgh.length}, ties ${ties}.`);
  columns.forEach((peer, i) => {
    const ratio = geometricMean(ratios[i]).toFixed(3);
    const middle = median(ratios[i]).toFixed(2);
    console.log(
      `  against ${peer}: geometric mean ${ratio}, median ${middle}, on ${ratios[i].length} problems`,
    );
  });
  console.log();
}

/** How the defaults end, and whether what they say is true. */
function statuses() {
  console.log('With the default tolerances, at most 6000 evaluations:');
  for (const solver of [lbfgs(), bfgs()]) {
    /** @type {Record<string, number>} */
    const counts = {};
    let [falseSuccesses, falseFailures] = [0, 0];
    for (const problem of mgh) {
      const { f, gradientNorm, termination, converged } = minimize(problem, solver, {
        maxEvaluations: 6000,
        maxIterations: Infinity,
      });
      counts[termination] = (counts[termination] ?? 0) + 1;
      const atMinimum = problem.minima.some(
        (minimum) => Math.abs(f - minimum) <= 1e-8 * Math.max(1, minimum),
      );
      const stationary = gradientNorm <= 1e-6 * Math.max(1, f / problem.p0.length);
      if (converged && !stationary) falseSuccesses++;
      if (termination === 'lineSearchFailed' && (atMinimum || stationary)) falseFailures++;
    }
    const ends = Object.entries(counts).map(([termination, count]) => `${termination} ${count}`);
    console.log(
      `  ${solver.name}: ${ends.join(', ')}; false successes ${falseSuccesses}, false failures ${falseFailures}`,
    );
  }
}
