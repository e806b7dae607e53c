import { describe, expect, it } from 'vitest';
import {
  bfgs,
  checkGradient,
  conjugateGradient,
  lbfgs,
  levenbergMarquardt,
  minimize,
  newtonCG,
  slbfgs,
  ssbfgs,
  ssbroyden,
  type Problem,
  type Solver,
} from 'quasi-newton';
import { largeProblems } from '../../bench/problems/large.js';
import { mgh } from '../../bench/problems/mgh/index.js';
import { poisson } from '../../bench/problems/poisson.js';
import { sine } from '../../bench/problems/sine.js';

/** The published minima that the standard starts lead to, as Moré, Garbow & Hillstrom print them; else 0. */
const published: Record<string, number[]> = {
  mgh02_freudenstein_roth: [0, 48.9842],
  mgh06_jennrich_sampson: [124.362],
  mgh08_bard: [8.21487e-3],
  mgh09_gaussian: [1.12793e-8],
  mgh10_meyer: [87.9458],
  mgh15_kowalik_osborne: [3.07505e-4],
  mgh16_brown_dennis: [85822.2],
  mgh17_osborne1: [5.46489e-5],
  mgh18_biggs_exp6: [0, 5.65565e-3],
  mgh19_osborne2: [4.01377e-2],
  mgh20_watson_6: [2.28767e-3],
  mgh20_watson_9: [1.39976e-6],
  mgh20_watson_12: [4.72238e-10],
  mgh23_penalty1_4: [2.24997e-5],
  mgh23_penalty1_10: [7.08765e-5],
  mgh24_penalty2_4: [9.37629e-6],
  mgh24_penalty2_10: [2.9366e-4],
  mgh26_trigonometric_10: [0, 2.79506e-5],
  mgh33_linear_rank1_10: [90 / 42],
  mgh34_linear_rank1_zero_10: [124 / 34],
  mgh35_chebyquad_8: [3.51687e-3],
  mgh35_chebyquad_10: [4.77271e-3, 6.50395e-3],
  // Not in the paper: a local minimum that both dense methods and some starts of the others come to.
  mgh31_broyden_band_10: [0, 3.05727843],
};

/** A problem with its residuals, as Levenberg–Marquardt wants them. */
const withResiduals = ({ m, residuals, ...problem }: (typeof mgh)[number]): Problem => ({
  ...problem,
  residualCount: m,
  residuals(x, r, jacobian) {
    jacobian?.fill(0);
    residuals(x, r, jacobian);
  },
});

describe('the problems', () => {
  it.each([...mgh, ...largeProblems([24]), { name: 'sine', ...sine(1) }, { name: 'Poisson', ...poisson(1) }])(
    '$name: the gradient is that of f',
    (problem) => {
      const at = problem.p0.map((value, i) => value + 0.01 * (i + 1) * Math.cos(i));
      expect(checkGradient(problem, { at })).toMatchObject({ wrong: [] });
    },
  );

  it('are 35, in 42 entries', () => {
    expect(new Set(mgh.map(({ name }) => name.slice(0, 5))).size).toBe(35);
    expect(mgh).toHaveLength(42);
  });
});

/** Each solver, and the problems it is known not to solve within the evaluations allowed. */
const solvers: [Solver, string[]][] = [
  [lbfgs(), []],
  [bfgs(), []],
  [ssbfgs(), []],
  [ssbroyden(), []],
  [levenbergMarquardt(), []],
  [levenbergMarquardt({ scaling: 'columns' }), []],
  // Second differences lose what these badly scaled fits would need.
  [newtonCG(), ['mgh10_meyer', 'mgh17_osborne1', 'mgh20_watson_9']],
  // First-order convergence along valleys of condition 1e8 and more.
  [conjugateGradient(), ['mgh10_meyer', 'mgh17_osborne1', 'mgh20_watson_9', 'mgh20_watson_12']],
  // Its regularization forgets the small eigenvalues that these need.
  [
    slbfgs(),
    [
      'mgh03_powell_badly_scaled',
      'mgh04_brown_badly_scaled',
      'mgh10_meyer',
      'mgh11_gulf',
      'mgh17_osborne1',
      'mgh20_watson_9',
      'mgh20_watson_12',
      'mgh24_penalty2_4',
      'mgh24_penalty2_10',
    ],
  ],
];

describe.each(solvers.map(([solver, exceptions]) => ({ name: solver.name, solver, exceptions })))(
  '$name',
  ({ solver, exceptions }) => {
    it.each(mgh.filter(({ name }) => !exceptions.includes(name)))('solves $name', (problem) => {
      const result = minimize(withResiduals(problem), solver, {
        maxEvaluations: 6000,
        maxIterations: Infinity,
      });
      const minima = published[problem.name] ?? [0];
      const gap = Math.min(
        ...minima.map((minimum) => Math.abs(result.f - minimum) / Math.max(minimum, 1e-5)),
      );
      const stationary = result.gradientNorm <= 1e-6 * Math.max(1, result.f / problem.p0.length);
      expect(stationary || gap < 1e-5).toBe(true);
      // Never a success at a point that is not stationary, nor a failure at one that is.
      expect(stationary || !result.converged).toBe(true);
      expect(result.termination).not.toBe('lineSearchFailed');
    });
  },
);

describe('the defaults', () => {
  it.each([lbfgs(), bfgs()])(
    'the defaults of $name come to a published minimum of every problem',
    (solver) => {
      for (const problem of mgh) {
        // Watson's valley is so flat that the default tolerance on the gradient is met far above its minimum.
        const { f } = minimize(problem, solver, {
          gtol: 1e-10,
          maxEvaluations: 6000,
          maxIterations: Infinity,
        });
        const minima = published[problem.name] ?? [0];
        const solved = minima.some((minimum) => Math.abs(f - minimum) <= 1e-5 * minimum + 1e-10);
        expect({ name: problem.name, solved }).toEqual({ name: problem.name, solved: true });
      }
    },
  );
});
