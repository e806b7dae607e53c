import { describe, expect, it } from 'vitest';
import {
  bfgs,
  conjugateGradient,
  gradientDescent,
  lbfgs,
  lineSearchSolver,
  runSync,
  slbfgs,
  ssbfgs,
  ssbroyden,
  type AskPhi,
  type Descent,
  type LastStep,
  type LineSearch,
  type LineSearchResult,
  type Phi,
  type Problem,
  type Solver,
} from 'quasi-newton';
import { started } from './walk.ts';
import { inside } from './internals.ts';
import type { LineSearchState } from '../../src/solvers/lineSearchSolver.ts';

/** x₀² + 2x₁² from (1, 1): f = 3, ∇f = (2, 4). */
const bowl: Problem = {
  p0: Float64Array.of(1, 1),
  fg(x, gradient) {
    gradient?.set([2 * x[0], 4 * x[1]]);
    return x[0] ** 2 + 2 * x[1] ** 2;
  },
};

const found = (alpha: number): LineSearchResult => ({ alpha });
const lowered = (alpha: number): LineSearchResult => ({ alpha, failure: 'maxEvaluations' });
const none = lowered(0);

interface Call {
  readonly phi0: Phi;
  readonly alpha0: number;
  readonly slack: number;
  readonly longest: number;
}

/** Ends its searches with these results one after the other, the last again and again, and notes what it was given. */
function scriptedSearch(...results: LineSearchResult[]) {
  const calls: Call[] = [];
  const search: LineSearch = {
    name: 'scripted',
    descends: true,
    *search(phi0, alpha0, slack, longest) {
      yield* [];
      calls.push({ phi0, alpha0, slack, longest });
      return results[Math.min(calls.length, results.length) - 1];
    },
  };
  return { calls, search };
}

/** A memory of one number that scales the gradient: −∇f where it is forgotten. */
function scaledDescent(scale: number, change: Partial<Descent<{ scale: number }>> = {}) {
  const noted: string[] = [];
  const descent: Descent<{ scale: number }> = {
    init: () => ({ scale }),
    apply(memory, gradient, out) {
      noted.push(`direction ${memory.scale}`);
      gradient.forEach((value, i) => (out[i] = -memory.scale * value));
    },
    learn(_memory, { trial, alpha }) {
      noted.push(`learn ${alpha} to ${trial.join(' ')}`);
    },
    reset(memory) {
      noted.push('reset');
      memory.scale = 1;
    },
    isFresh: (memory) => memory.scale === 1,
    ...change,
  };
  return { noted, descent };
}

const unit = 3 * 2 ** -50;

function solverOf(
  results: LineSearchResult[],
  scale = 0.5,
  change: Partial<Descent<{ scale: number }>> = {},
  initialStep?: (fresh: boolean, slope: number, last: LastStep) => number,
) {
  const { calls, search } = scriptedSearch(...results);
  const { noted, descent } = scaledDescent(scale, change);
  const solver = lineSearchSolver({
    name: 'test',
    describe: (n) => `Test ${n}`,
    descent,
    lineSearch: search,
    ...(initialStep && { initialStep: (_state, ...rest) => initialStep(...rest) }),
  });
  return { solver, calls, noted };
}

describe('a step of a line-search method', () => {
  it('searches along its direction, learns from the step, and goes there', () => {
    const { solver, calls, noted } = solverOf([found(0.25)]);
    const state = started(solver, bowl);
    const outcome = runSync(solver.step(state), bowl);
    expect(calls).toEqual([{ phi0: { value: 3, slope: -10 }, alpha0: 1, slack: unit, longest: Infinity }]);
    // x + αp = (1, 1) − ¼·½·(2, 4)
    expect([...state.x]).toEqual([0.75, 0.5]);
    expect(state.f).toBe(0.75 ** 2 + 2 * 0.5 ** 2);
    expect([...state.gradient]).toEqual([1.5, 2]);
    expect(noted).toEqual(['direction 0.5', 'learn 0.25 to 0.75 0.5']);
    expect(outcome).toEqual({ kind: 'accepted', alpha: 0.25, moved: 0.5, gradientNorm: undefined });
    expect(inside<LineSearchState<unknown>>(state).last).toEqual({ alpha: 0.25, slope: -10, value: 3 });
    expect(solver).toMatchObject({ name: 'test', descends: true, leavesPoint: true, anyScale: true });
    expect(solver.describe(4)).toBe('Test 4');
  });

  it('tells the norms that the descent knows, and takes a slope that it knows', () => {
    const { solver, calls } = solverOf([found(0.25)], 0.5, {
      apply: (_memory, gradient, out) => {
        gradient.forEach((value, i) => (out[i] = -value));
        return -7;
      },
      learn: () => ({ sInf: 11, gInf: 12 }),
    });
    const state = started(solver, bowl);
    expect(runSync(solver.step(state), bowl)).toMatchObject({ moved: 11, gradientNorm: 12 });
    expect(calls[0].phi0.slope).toBe(-7);
  });

  it('counts a step that lowers f as progress, even if the search failed', () => {
    const { solver, calls } = solverOf([lowered(0.125)]);
    const state = started(solver, bowl);
    expect(runSync(solver.step(state), bowl)).toMatchObject({ kind: 'accepted', alpha: 0.125 });
    expect(calls.length).toBe(1);
    expect([...state.x]).toEqual([0.875, 0.75]);
  });

  it('leaves its arrays to the descent only where the driver allows it and f falls', () => {
    const lefts: boolean[] = [];
    const { solver } = solverOf([found(0.25)], 0.5, {
      learn: (_memory, _step, left) => void lefts.push(!!left),
    });
    const level: Problem = { ...bowl, fg: (x, gradient) => (bowl.fg(x, gradient), 3) };
    for (const [problem, overwrites] of [
      [bowl, undefined],
      [bowl, false],
      [bowl, true],
      [level, true],
    ] as const) {
      runSync(solver.step(started(solver, problem), overwrites), problem);
    }
    expect(lefts).toEqual([false, false, true, false]);
  });

  it('passes its state to the first step, and cuts that to the longest allowed', () => {
    const told: unknown[] = [];
    const first = (fresh: boolean, slope: number, last: LastStep) => {
      told.push([fresh, slope, { ...last }]);
      return 9;
    };
    const { solver, calls } = solverOf([found(0.25)], 0.5, { longestStep: () => 4 }, first);
    const state = started(solver, bowl);
    runSync(solver.step(state), bowl);
    runSync(solver.step(state), bowl);
    expect(told).toEqual([
      [false, -10, { alpha: NaN, slope: NaN, value: NaN }],
      [false, -3.125, { alpha: 0.25, slope: -10, value: 3 }],
    ]);
    expect(calls.map(({ alpha0, longest }) => [alpha0, longest])).toEqual([
      [4, 4],
      [4, 4],
    ]);
  });

  it('evaluates f for a first step that asks for it', () => {
    const { calls, search } = scriptedSearch(found(0.25));
    const told: number[] = [];
    const solver = lineSearchSolver({
      name: 'asking',
      describe: () => 'Asking',
      descent: scaledDescent(0.5).descent,
      lineSearch: search,
      initialStep: () =>
        (function* (): Generator<AskPhi, number, Phi> {
          told.push((yield { alpha: 0.5, slope: false }).value);
          return 0.75;
        })(),
    });
    const state = started(solver, bowl);
    expect(runSync(solver.step(state), bowl)).toMatchObject({ kind: 'accepted', alpha: 0.25 });
    // f at (1, 1) − ½·½·(2, 4).
    expect(told).toEqual([0.5 ** 2]);
    expect(calls.map(({ alpha0 }) => alpha0)).toEqual([0.75]);
  });

  it('begins along −∇f with min(1, 1/‖∇f‖∞) where it is given no first step', () => {
    const { solver, calls } = solverOf([found(0.25)], 1);
    runSync(solver.step(started(solver, bowl)), bowl);
    expect(calls[0].alpha0).toBe(0.25);
  });

  it('projects the points of its trials', () => {
    const { solver } = solverOf([found(0.25)], 0.5, {
      project: (trial) => void (trial[1] = Math.max(0.9, trial[1])),
    });
    const state = started(solver, bowl);
    runSync(solver.step(state), bowl);
    expect([...state.x]).toEqual([0.75, 0.9]);
  });

  it('forgets a memory that does not lead downhill, and fails where −∇f does', () => {
    const { solver, noted, calls } = solverOf([found(0.25)], -3);
    const state = started(solver, bowl);
    runSync(solver.step(state), bowl);
    expect(noted.slice(0, 3)).toEqual(['direction -3', 'reset', 'direction 1']);
    expect(calls[0].phi0.slope).toBe(-20);
    const along = solverOf([found(0.25)], 0);
    runSync(along.solver.step(started(along.solver, bowl)), bowl);
    expect(along.noted.slice(0, 3)).toEqual(['direction 0', 'reset', 'direction 1']);
    const flat: Problem = { ...bowl, fg: (_x, gradient) => (gradient?.fill(0), 3) };
    const level = started(solver, flat);
    expect(runSync(solver.step(level), flat)).toEqual({ kind: 'failed', termination: 'lineSearchFailed' });
  });

  it('shows its next direction', () => {
    const { solver } = solverOf([found(0.25)]);
    const out = new Float64Array(2);
    solver.direction?.(started(solver, bowl), out);
    expect([...out]).toEqual([-1, -2]);
  });
});

describe('a search that fails', () => {
  it('is tried again with more noise allowed, then along −∇f, and then is given up', () => {
    const { solver, calls, noted } = solverOf([none]);
    const state = started(solver, bowl);
    const x = [...state.x];
    expect(runSync(solver.step(state), bowl)).toEqual({ kind: 'failed', termination: 'lineSearchFailed' });
    expect(calls.map(({ slack }) => slack / unit)).toEqual([1, 10, 100, 1e3, 1e4, 1e5, 1e5]);
    expect(noted).toEqual([...Array(6).fill('direction 0.5'), 'reset', 'direction 1']);
    expect([...state.x]).toEqual(x);
  });

  it('ends as the floor of f where the decrease promised is below its rounding', () => {
    // f = 3·2⁴⁰ or so, and a slope of −2·promise along the direction.
    const high = (promise: number): Problem => ({
      p0: Float64Array.of(0, 1e-9),
      fg: (_x, gradient) => (gradient?.set([Math.sqrt(2 * promise), 0]), 2 ** 40),
    });
    const ending = (promise: number, setting = {}) => {
      const { solver } = solverOf([none], 0.5);
      const problem = high(promise);
      const outcome = runSync(solver.step(started(solver, problem, setting)), problem);
      return outcome.kind === 'failed' ? outcome.termination : outcome.kind;
    };
    expect([0.99, 1.01].map((promise) => ending(promise))).toEqual(['precisionFloor', 'lineSearchFailed']);
    const float32 = [0.99, 1.01].map((promise) => ending(promise * 2 ** 20, { precision: 'float32' }));
    expect(float32).toEqual(['precisionFloor', 'lineSearchFailed']);
  });

  it('along −∇f ends there where the last step promised no more than that', () => {
    const ending = (promise: number) => {
      const slope = -4 * promise;
      const problem: Problem = {
        p0: Float64Array.of(0, 1e-9),
        fg: (_x, gradient) => (gradient?.set([Math.sqrt(-slope), 0]), 2 ** 40),
      };
      const { solver } = solverOf([found(0.25), none], 1);
      const state = started(solver, problem);
      expect(runSync(solver.step(state), problem).kind).toBe('accepted');
      state.x.fill(0);
      const outcome = runSync(solver.step(state), problem);
      return outcome.kind === 'failed' ? outcome.termination : outcome.kind;
    };
    expect([0.99, 1.01].map(ending)).toEqual(['precisionFloor', 'lineSearchFailed']);
  });

  it('a search that fails on a mini-batch fails the step at once, and three in a row the memory', () => {
    const { solver, calls, noted } = solverOf([none, none, found(0.25), none, none, none]);
    const state = started(solver, bowl, { stochastic: true });
    const step = () => runSync(solver.step(state), bowl).kind;
    expect([step(), step(), step(), step(), step()]).toEqual([
      'failed',
      'failed',
      'accepted',
      'failed',
      'failed',
    ]);
    expect(noted).not.toContain('reset');
    expect(runSync(solver.step(state), bowl)).toEqual({ kind: 'failed', termination: 'lineSearchFailed' });
    expect(noted.at(-1)).toBe('reset');
    expect(calls.length).toBe(6);
  });

  it('a search that fails with a step lost in the rounding of x is tried again with one that moves x', () => {
    const far: Problem = {
      p0: Float64Array.of(2 ** 30, 2 ** 40, 0),
      fg: (_x, gradient) => (gradient?.set([1, 2, 0]), 3),
    };
    const { solver, calls } = solverOf([none, found(1e9)], 0.5, {}, () => 1e-20);
    runSync(solver.step(started(solver, far)), far);
    expect(calls.map(({ alpha0 }) => alpha0)).toEqual([1e-20, (2 ** 30 / 0.5) * 2 ** -52]);
    const fresh = solverOf([found(1e9)], 1, {}, () => 1e-20);
    runSync(fresh.solver.step(started(fresh.solver, far, { precision: 'float32' })), far);
    expect(fresh.calls[0].alpha0).toBe(2 ** 30 * 2 ** -23);
  });
});

describe('a method whose searches all fail', () => {
  const wall: Problem = {
    ...bowl,
    fg: (x, gradient) => 1e6 * bowl.fg(x, gradient),
  };
  it.each<[string, Solver]>([
    ['gradientDescent', gradientDescent()],
    ['conjugateGradient', conjugateGradient()],
    ['slbfgs', slbfgs()],
    ['bfgs', bfgs()],
    ['lbfgs', lbfgs()],
    ['ssbfgs', ssbfgs()],
    ['ssbroyden', ssbroyden()],
  ])('comes to an end: %s', (_name, solver) => {
    const state = started(solver, bowl);
    runSync(solver.step(state), bowl);
    state.x.fill(1);
    state.f = bowl.fg(state.x, state.gradient);
    const outcome = runSync(solver.step(state), wall);
    expect(outcome.kind).toBe('failed');
    // All is forgotten: the next direction is −∇f.
    const out = new Float64Array(2);
    solver.direction?.(state, out);
    expect([...out]).toEqual([-2, -4]);
  });
});
