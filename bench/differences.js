// Functions without a gradient: calls of f, compared with SciPy, which uses forward differences.
import { bfgs, finiteDifferences, lbfgs, minimize } from 'quasi-newton';
import { printTable } from '../examples/lib/report.js';
import { geometricMean } from './lib/geometricMean.js';
import { SciPy, scipyVersion } from './lib/scipy.js';
import { mgh } from './problems/mgh/index.js';

export const title = 'Functions without a gradient';

/** Calls of f allowed. */
const limit = 30_000;

/** Calls until f − f* ≤ 1e-8·max(1, |f*|), on the problems of Moré, Garbow & Hillstrom. */
export async function run() {
  const version = scipyVersion();
  console.log(`Calls of f until f − f* ≤ 1e-8·max(1, |f*|); – : not within ${limit}, or ended before.`);
  console.log(`SciPy ${version ?? 'not found'}, jac=None: forward differences.\n`);
  const solvers = { 'bfgs()': bfgs(), 'lbfgs()': lbfgs() };
  const methods = /** @type {const} */ (['BFGS', 'L-BFGS-B']);
  const scipy = version === null ? null : new SciPy();
  /** @type {(number | null)[][]} */
  const counts = [];
  for (const problem of mgh) {
    const row = Object.values(solvers).map((solver) => ours(problem, solver));
    if (scipy !== null) for (const method of methods) row.push(await theirs(scipy, problem, method));
    counts.push(row);
  }
  scipy?.close();
  const names = [...Object.keys(solvers), ...(scipy === null ? [] : methods)];
  printTable(
    ['problem', 'n', ...names],
    mgh.map(({ name, p0 }, k) => [name, p0.length, ...counts[k].map((count) => count ?? '–')]),
  );
  console.log();
  names.forEach((name, k) => {
    console.log(`${name}: ${counts.filter((row) => row[k] !== null).length} of ${mgh.length} solved`);
  });
  if (scipy === null) return;
  for (const [mine, other] of [
    [0, 2],
    [1, 3],
  ]) {
    const ratios = counts.flatMap(({ [mine]: a, [other]: b }) => (a === null || b === null ? [] : [a / b]));
    console.log(
      `${names[mine]} against ${names[other]}: geometric mean ${geometricMean(ratios).toFixed(2)}, on ${ratios.length} problems`,
    );
  }
}

/** @typedef {(typeof mgh)[number]} Test */

/** @param {Test} problem */
function counterOf({ fg, minima: [minimum] }) {
  let calls = 0;
  /** @type {number | null} */
  let hit = null;
  return {
    hit: () => hit,
    f: (/** @type {Float64Array} */ x) => {
      calls++;
      const f = fg(x, null);
      if (hit === null && f - minimum <= 1e-8 * Math.max(1, Math.abs(minimum))) hit = calls;
      return f;
    },
  };
}

/**
 * @param {Test} problem
 * @param {import('quasi-newton').Solver} solver
 */
function ours(problem, solver) {
  const { f, hit } = counterOf(problem);
  const byDifferences = finiteDifferences(f, problem.p0);
  minimize(byDifferences, solver, {
    gtol: 0,
    maxIterations: Infinity,
    storeTrace: false,
    callback: () => hit() !== null || byDifferences.calls > limit,
  });
  return hit();
}

/**
 * @param {SciPy} scipy
 * @param {Test} problem
 * @param {'BFGS' | 'L-BFGS-B'} method
 */
async function theirs(scipy, problem, method) {
  const { f, hit } = counterOf(problem);
  const values = { p0: problem.p0, fg: f };
  await scipy.minimize(values, method, limit, { enough: () => hit() !== null, gradient: false });
  return hit();
}
