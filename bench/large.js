import { lbfgs } from 'quasi-newton';
import {
  broydenTridiagonal,
  extendedPowell,
  extendedRosenbrock,
  largeProblem,
  largeProblems,
} from './problems/large.js';
import { evaluationsToSolve } from './lib/firstHit.js';
import { likeOptim } from './lib/likeOptim.js';
import { SciPy, scipyVersion } from './lib/scipy.js';
import { median, printTable } from '../examples/lib/report.js';
import { geometricMean } from './lib/geometricMean.js';

export const title = 'Evaluations on large problems';

const SIZES = [120, 1200, 12_000, 96_000];

/** `lbfgs()` beside Optim.jl's choices and, where a Python has it, SciPy's L-BFGS-B in the same run. */
export async function run() {
  console.log('Evaluations until f − f* ≤ 1e-8 or ‖∇f‖∞ ≤ 1e-6; – : not within 3000.\n');
  const live = scipyVersion() === null ? null : new SciPy();
  const peers = ["Optim.jl's choices", ...(live ? [`SciPy ${scipyVersion()} L-BFGS-B`] : [])];
  /** @type {number[][]} */
  const ratios = peers.map(() => []);
  /** @type {(string | number)[][]} */
  const rows = [['problem and n', 'lbfgs()', ...peers]];
  for (const problem of largeProblems(SIZES)) {
    const ours = evaluationsToSolve(problem, 0, lbfgs());
    const theirs = [evaluationsToSolve(problem, 0, likeOptim)];
    if (live) theirs.push(await live.evaluationsToSolve(problem, 0, 'L-BFGS-B'));
    theirs.forEach((count, i) => {
      if (ours !== null && count !== null) ratios[i].push(ours / count);
    });
    rows.push([problem.name, ours ?? '–', ...theirs.map((count) => count ?? '–')]);
  }
  live?.close();
  printTable(rows[0], rows.slice(1));
  peers.forEach((peer, i) => {
    const [mean, middle] = [geometricMean(ratios[i]).toFixed(3), median(ratios[i]).toFixed(2)];
    console.log(`against ${peer}: geometric mean ${mean}, median ${middle}, on ${ratios[i].length} problems`);
  });
  console.log('\nn = 1e6, lbfgs():');
  for (const entry of [extendedRosenbrock, extendedPowell, broydenTridiagonal]) {
    console.log(`  ${entry.name}: ${evaluationsToSolve(largeProblem(entry, 1e6), 0, lbfgs()) ?? '–'}`);
  }
}
