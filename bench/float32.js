import { bfgs, conjugateGradient, lbfgs, minimize, ssbroyden } from 'quasi-newton';
import { broydenTridiagonal, extendedPowell, extendedRosenbrock, largeProblem } from './problems/large.js';
import { mgh } from './problems/mgh/index.js';
import { rounded } from './problems/rounded.js';
import { sine } from './problems/sine.js';
import { median, printTable } from '../examples/lib/report.js';

export const title = 'Losses in float32';

/** Problems whose minimum is not below the rounding of their values, and some at n = 1000. */
const names = [
  'mgh01_rosenbrock',
  'mgh05_beale',
  'mgh07_helical_valley',
  'mgh08_bard',
  'mgh12_box3d',
  'mgh14_wood',
  'mgh15_kowalik_osborne',
  'mgh16_brown_dennis',
  'mgh18_biggs_exp6',
  'mgh19_osborne2',
  'mgh21_ext_rosenbrock_10',
  'mgh23_penalty1_4',
  'mgh26_trigonometric_10',
  'mgh30_broyden_tri_10',
  'mgh35_chebyquad_8',
];
const large = [extendedRosenbrock, extendedPowell, broydenTridiagonal].map((entry) =>
  Object.assign(largeProblem(entry, 1000), { minima: [0] }),
);
const problems = [...names.map((name) => find(name)), ...large];

/** @param {string} name */
function find(name) {
  const problem = mgh.find((entry) => entry.name === name);
  if (problem === undefined) throw new Error(`there is no problem ${name}`);
  return problem;
}

/** What the defaults come to, judged in float64, and how they end. */
export function run() {
  console.log('x, f and ∇f rounded to float32, f with noise of ±2 units in the last place.');
  console.log('Gap: (f − f*)/max(1, |f*|) at the point returned, f in float64.\n');
  /** @type {(string | number)[][]} */
  const rows = [['problem', 'lbfgs() gap', 'evaluations', 'ends', 'bfgs() gap', 'evaluations', 'ends']];
  const solvers = [lbfgs(), bfgs()];
  const solved = solvers.map(() => 0);
  for (const problem of problems) {
    const cells = solvers.flatMap((solver, i) => {
      const { x, evaluations, termination } = minimize(rounded(problem), solver, { maxEvaluations: 3000 });
      const f = problem.fg(x, null);
      const gap = Math.min(...problem.minima.map((minimum) => Math.abs(f - minimum) / Math.max(1, minimum)));
      if (gap < 1e-6) solved[i]++;
      return [gap.toExponential(0), evaluations.f, termination];
    });
    rows.push([problem.name, ...cells]);
  }
  printTable(rows[0], rows.slice(1));
  solvers.forEach(({ name }, i) => console.log(`${name}: gap < 1e-6 on ${solved[i]} of ${problems.length}`));
  fromSmallWeights();
}

/** Gentle slopes: the network that learns the sine, from a hundredth of its usual weights. */
function fromSmallWeights() {
  console.log(
    '\nThe sine network, 46 parameters, from a hundredth of its weights; 20 starts, 500 iterations.',
  );
  console.log('Loss in float64 at the point returned; learned: below 1e-4.\n');
  const methods = [lbfgs(), bfgs(), ssbroyden(), conjugateGradient()];
  const lines = methods.map((solver) => {
    const losses = Array.from({ length: 20 }, (_, seed) => {
      const problem = sine(seed);
      const start = { ...rounded(problem), p0: problem.p0.map((value) => value / 100) };
      return problem.fg(minimize(start, solver, { maxIterations: 500, storeTrace: false }).x, null);
    });
    const learned = losses.filter((loss) => loss < 1e-4).length;
    return [
      solver.name,
      `${learned} of 20`,
      median(losses).toExponential(1),
      Math.max(...losses).toExponential(1),
    ];
  });
  printTable(['solver', 'learned', 'median loss', 'largest'], lines);
}
