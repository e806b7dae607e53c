import { lbfgs, minimize } from 'quasi-newton';
import { mgh } from './problems/mgh/index.js';
import { largeProblems } from './problems/large.js';
import { SciPy, scipyVersion } from './lib/scipy.js';
import { median, printTable } from '../examples/lib/report.js';
import { geometricMean } from './lib/geometricMean.js';

export const title = 'Evaluations within bounds';

const LIMIT = 3000;

/** Which elements are kept short of where they want to go, and how far they may go of the way. */
const boxes = [
  { name: 'even, half', kept: (/** @type {number} */ i) => i % 2 === 0, part: 0.5 },
  { name: 'odd, half', kept: (/** @type {number} */ i) => i % 2 === 1, part: 0.5 },
  { name: 'thirds, 0.9', kept: (/** @type {number} */ i) => i % 3 === 0, part: 0.9 },
];

/** `lbfgs({ lower, upper })` beside SciPy's L-BFGS-B in the same run, where a Python has it. */
export async function run() {
  const version = scipyVersion();
  const live = version === null ? null : new SciPy();
  console.log(
    [
      'The standard and the large problems in boxes that keep some elements short of the free minimum, and all within',
      '10 of it or of the start. Evaluations until f − f* ≤ 1e-7·max(1e-3, |f*|), f* the least that either has found;',
      `– : not within ${LIMIT}, or at another minimum. SciPy: ${version ?? 'not found'}.\n`,
    ].join('\n'),
  );
  /** @type {(string | number)[][]} */
  const rows = [];
  /** @type {number[]} */
  const ratios = [];
  const missed = { ours: 0, theirs: 0 };
  for (const problem of [...mgh, ...largeProblems([120, 1200])]) {
    const free = minimize(problem, lbfgs(), { maxIterations: 5000, gtol: 1e-10, storeTrace: false }).x;
    for (const box of boxes) {
      const bounds = boundsOf(problem.p0, free, box);
      const ours = recorded(problem);
      const [lower, upper] = bounds;
      minimize(ours.problem, lbfgs({ lower, upper }), {
        maxEvaluations: LIMIT,
        maxIterations: Infinity,
        gtol: 1e-12,
        storeTrace: false,
      });
      const theirs = recorded(problem);
      await live?.minimize(theirs.problem, 'L-BFGS-B', LIMIT, { bounds });
      const least = Math.min(...ours.values, ...theirs.values);
      const [a, b] = [ours, theirs].map(({ values }) => hit(values, least));
      if (a === null) missed.ours++;
      if (b === null) missed.theirs++;
      if (a !== null && b !== null) ratios.push(a / b);
      rows.push([`${problem.name}: ${box.name}`, a ?? '–', b ?? '–', least.toExponential(3)]);
    }
  }
  live?.close();
  printTable(['problem and box', 'lbfgs()', 'SciPy L-BFGS-B', 'least f'], rows);
  console.log(`not reached: by lbfgs() ${missed.ours}, by SciPy ${missed.theirs} of ${rows.length}`);
  if (ratios.length === 0) return;
  const [mean, middle] = [geometricMean(ratios).toFixed(3), median(ratios).toFixed(2)];
  console.log(`where both reach it: geometric mean ${mean}, median ${middle}, on ${ratios.length} problems`);
}

/**
 * @param {Float64Array} start
 * @param {Float64Array} end
 * @param {typeof boxes[number]} box
 * @returns {readonly [lower: Float64Array, upper: Float64Array]}
 */
function boundsOf(start, end, { kept, part }) {
  const lower = start.map((value, i) => Math.min(value, end[i]) - 10);
  const upper = start.map((value, i) => Math.max(value, end[i]) + 10);
  for (let i = 0; i < start.length; i++) {
    if (kept(i)) (end[i] >= start[i] ? upper : lower)[i] = start[i] + part * (end[i] - start[i]);
  }
  return [lower, upper];
}

/** A problem without its parameters, and the values of f in the order of its evaluations. @param {import('quasi-newton').Problem} problem */
function recorded({ p0, fg }) {
  /** @type {number[]} */
  const values = [];
  /** @type {import('quasi-newton').Objective} */
  const watched = (x, gradient) => {
    const f = fg(x, gradient);
    values.push(f);
    return f;
  };
  return { values, problem: { p0, fg: watched } };
}

/** @param {readonly number[]} values @param {number} least */
function hit(values, least) {
  const at = values.findIndex((f) => f <= least + 1e-7 * Math.max(1e-3, Math.abs(least)));
  return at < 0 || at >= LIMIT ? null : at + 1;
}
