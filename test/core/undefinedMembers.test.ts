/** Optional members of a problem that are undefined are the same as members that are absent. */
import { describe, expect, it } from 'vitest';
import {
  lbfgs,
  levenbergMarquardt,
  minimize,
  minimizeAsync,
  newtonCG,
  slbfgs,
  type AsyncProblem,
  type Problem,
  type Solver,
  type SolveResult,
} from 'quasi-newton';
import { landscape, topEigenpairs } from 'quasi-newton/landscape';
import { rosenbrock } from './functions.ts';

const undefinedMembers = {
  params: undefined,
  precision: undefined,
  residualCount: undefined,
  statistics: undefined,
  gradientError: undefined,
  yieldEvery: undefined,
  nextBatch: undefined,
  overlap: undefined,
  hessianVector: undefined,
  jacobianVector: undefined,
  vectorJacobian: undefined,
  jacobianGram: undefined,
  residuals: undefined,
  valuesAt: undefined,
} satisfies Record<Exclude<keyof Problem, 'p0' | 'fg'>, undefined>;

const plain = rosenbrock();
const explicit: Problem = { ...plain, ...undefinedMembers };
const later: AsyncProblem = {
  ...undefinedMembers,
  p0: plain.p0,
  fg: async (x, gradient) => plain.fg(x, gradient),
};

/** The numbers of a result, without its times. */
const numbersOf = ({ x, f, iterations, evaluations, termination }: SolveResult) => ({
  x: [...x],
  f,
  iterations,
  evaluations,
  termination,
});

describe('a problem whose optional members are undefined', () => {
  it.each<[string, () => Solver]>([
    ['lbfgs', lbfgs],
    ['newtonCG', newtonCG],
    ['slbfgs', slbfgs],
  ])('is minimized by %s as one without them', async (_, solver) => {
    const expected = numbersOf(minimize(plain, solver(), { maxIterations: 30 }));
    expect(numbersOf(minimize(explicit, solver(), { maxIterations: 30 }))).toEqual(expected);
    expect(numbersOf(await minimizeAsync(later, solver(), { maxIterations: 30 }))).toEqual(expected);
  });

  it('is minimized without a solver as one without them', () => {
    expect(numbersOf(minimize(explicit))).toEqual(numbersOf(minimize(plain)));
  });

  it('is refused by levenbergMarquardt in the same words', () => {
    const attempt = (problem: Problem) => () => minimize(problem, levenbergMarquardt());
    expect(attempt(plain)).toThrow(/residuals/);
    let message = '';
    try {
      attempt(plain)();
    } catch (error) {
      ({ message } = error as Error);
    }
    expect(attempt(explicit)).toThrow(message);
  });

  it('has the same landscape and eigenvalues', () => {
    const grid = (problem: Problem) => landscape(problem, { npoints: 5 }).z;
    expect(grid(explicit)).toEqual(grid(plain));
    const values = (problem: Problem) => topEigenpairs(problem, { count: 1 }).values;
    expect(values(explicit)).toEqual(values(plain));
  });
});
