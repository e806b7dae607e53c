import { describe, expect, it } from 'vitest';
import { backtracking, lbfgs, minimize, owlqn, runSync, type OwlqnOptions, type Problem } from 'quasi-newton';
import { bowl, difference, started, stepFrom } from './walk.ts';
import { inside } from './internals.ts';
import type { OwlqnState } from '../../src/solvers/owlqn.ts';
import { dot, type Vector } from './vectors.ts';

// Oracle: Andrew & Gao (2007), with a dense BFGS matrix of the pairs of f. Elements without a penalty have no orthant.

type Matrix = number[][];

const identity = (n: number, scale: number): Matrix =>
  Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? scale : 0)));

/** The partial derivative of least size of f + λ|xᵢ|, by its two one-sided derivatives. */
function pseudo(x: number, g: number, lambda: number): number {
  const [fromLeft, fromRight] = [g + lambda * (x > 0 ? 1 : -1), g + lambda * (x < 0 ? -1 : 1)];
  if (fromLeft > 0) return fromLeft;
  return fromRight < 0 ? fromRight : 0;
}

/** H ← (I − ρsyᵀ)H(I − ρysᵀ) + ρssᵀ */
function updated(H: Matrix, s: Vector, y: Vector): Matrix {
  const rho = 1 / dot(s, y);
  const Hy = H.map((row) => dot(row, y));
  const yHy = dot(y, Hy);
  return H.map((row, i) =>
    row.map(
      (value, j) => value - rho * (s[i] * Hy[j] + Hy[i] * s[j]) + (rho * rho * yHy + rho) * s[i] * s[j],
    ),
  );
}

interface Oracle {
  readonly x: Vector;
  readonly alpha: number;
  readonly evaluations: number;
}

/** The next point from x, with the pairs (s, y) so far. */
function oracleStep(
  problem: Problem,
  x: Vector,
  g: Vector,
  pairs: [Vector, Vector][],
  weights: Vector,
  c1: number,
): Oracle {
  const value = (at: Vector) =>
    problem.fg(Float64Array.from(at), null) + at.reduce((sum, v, i) => sum + weights[i] * Math.abs(v), 0);
  const diamond = x.map((v, i) => pseudo(v, g[i], weights[i]));
  const [s, y] = pairs.at(-1) ?? [[1], [1]];
  let H = identity(x.length, pairs.length > 0 ? dot(s, y) / dot(y, y) : 1);
  for (const [s, y] of pairs) H = updated(H, s, y);
  const p = H.map((row) => -dot(row, diamond)).map((v, i) =>
    weights[i] === 0 || v * -diamond[i] > 0 ? v : 0,
  );
  const orthant = x.map((v, i) => (v === 0 ? Math.sign(-diamond[i]) : Math.sign(v)));
  let alpha = pairs.length === 0 ? Math.min(1, 1 / Math.max(...diamond.map(Math.abs))) : 1;
  for (let evaluations = 1; ; evaluations++, alpha /= 2) {
    const trial = x.map((v, i) => {
      const end = v + alpha * p[i];
      return weights[i] > 0 && Math.sign(end) === -orthant[i] ? 0 : end;
    });
    const slope = dot(
      diamond,
      trial.map((v, i) => v - x[i]),
    );
    if (value(trial) <= value(x) + c1 * slope) return { x: trial, alpha, evaluations };
  }
}

/** Follows a solver beside the oracle, from each of its points. */
function follow(options: OwlqnOptions, problem: Problem, weights: Vector, count: number) {
  const solver = owlqn(options);
  const state = started(solver, problem);
  const pairs: [Vector, Vector][] = [];
  return Array.from({ length: count }, () => {
    const step = stepFrom(solver, state, problem);
    const { before } = step;
    const kept = pairs.slice(-(options.memory ?? 50));
    const expected = oracleStep(problem, before.x, before.gradient, kept, weights, options.c1 ?? 1e-4);
    const s = step.x.map((v, i) => v - before.x[i]);
    const y = step.gradient.map((v, i) => v - before.gradient[i]);
    if (dot(s, y) > 0) pairs.push([s, y]);
    return { step, expected };
  });
}

describe('OWL-QN takes the steps of its paper', () => {
  it.each<[string, OwlqnOptions, Vector]>([
    ['by default', {}, [1, 1, 1, 1, 1]],
    ['with a heavy penalty', { l1: 2.5 }, [2.5, 2.5, 2.5, 2.5, 2.5]],
    ['with no penalty', { l1: 0 }, [0, 0, 0, 0, 0]],
    ['with some elements free', { penalized: (i) => i % 2 === 0 }, [1, 0, 1, 0, 1]],
    ['with a memory of 2', { memory: 2, l1: 0.5 }, [0.5, 0.5, 0.5, 0.5, 0.5]],
    ['with much decrease asked for', { c1: 0.6 }, [1, 1, 1, 1, 1]],
  ])('OWL-QN takes the steps of its paper: %s', (_name, options, weights) => {
    for (const { step, expected } of follow(options, bowl, weights, 7)) {
      expect(difference(step.x, expected.x)).toBeLessThan(1e-9);
      expect(step.alpha).toBe(expected.alpha);
      expect(step.evaluations).toBe(expected.evaluations);
      const moves = step.x.map((v, i) => Math.abs(v - step.before.x[i]));
      expect(step.moved).toBe(Math.max(...moves));
      expect(step.f).toBe(bowl.fg(Float64Array.from(step.x), null));
    }
  });

  it('halves its step until the decrease suffices', () => {
    const narrow: Problem = {
      p0: Float64Array.of(1.01),
      fg(x, gradient) {
        gradient?.set([100 * (x[0] - 1)]);
        return 50 * (x[0] - 1) ** 2;
      },
    };
    const steps = follow({ l1: 0.1 }, narrow, [0.1], 1);
    for (const { step, expected } of steps) {
      expect(step.evaluations).toBe(expected.evaluations);
      expect(step.evaluations).toBeGreaterThan(1);
      expect(difference(step.x, expected.x)).toBeLessThan(1e-12);
    }
  });
});

it('without a penalty takes as few evaluations as L-BFGS with the same search takes', () => {
  const rosenbrock: Problem = {
    p0: Float64Array.of(-1.2, 1),
    fg([x, y], gradient) {
      gradient?.set([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)]);
      return (1 - x) ** 2 + 100 * (y - x * x) ** 2;
    },
  };
  const plain = minimize(rosenbrock, lbfgs({ lineSearch: backtracking() })).evaluations.f;
  for (const options of [{ l1: 0 }, { penalized: () => false }]) {
    const { converged, evaluations } = minimize(rosenbrock, owlqn(options));
    expect(converged).toBe(true);
    expect(evaluations.f).toBeLessThan(1.5 * plain);
  }
});

describe('owlqn', () => {
  it('measures f with its penalty, and the norm of the pseudo-gradient', () => {
    const solver = owlqn({ l1: 0.7, penalized: (i) => i !== 1 });
    const state = started(solver, bowl);
    const weights = [0.7, 0, 0.7, 0.7, 0.7];
    const [x, g] = [[...state.x], [...state.gradient]];
    const measured = solver.measure?.(state);
    expect(measured?.f).toBeCloseTo(state.f + 0.7 * (1.5 + 0 + 3 + 0.5), 12);
    const norms = x.map((v, i) => Math.abs(pseudo(v, g[i], weights[i])));
    expect(measured?.gradientNorm).toBeCloseTo(Math.max(...norms), 12);
  });

  it('has a pseudo-gradient of 0 at 0 where the penalty outweighs the slope, and is drawn on where it does not', () => {
    for (const [slope, expected] of [
      [0.5, 0],
      [-0.5, 0],
      [1, 0],
      [-1, 0],
      [1.5, 0.5],
      [-1.5, -0.5],
    ]) {
      const line: Problem = { p0: Float64Array.of(0), fg: (x, g) => (g?.set([slope]), slope * x[0]) };
      const solver = owlqn();
      const state = started(solver, line);
      solver.measure?.(state);
      expect(inside<OwlqnState>(state).pseudoGradient[0]).toBe(expected);
    }
  });

  it('soft-thresholds a separable quadratic exactly', () => {
    const target = [3, 0.5, -2, -0.2];
    const problem: Problem = {
      p0: Float64Array.of(1, -1, 1, 1),
      fg(x, gradient) {
        gradient?.set(x.map((value, i) => value - target[i]));
        return x.reduce((sum, value, i) => sum + (value - target[i]) ** 2 / 2, 0);
      },
    };
    const { x, converged } = minimize(problem, owlqn());
    expect(converged).toBe(true);
    expect(difference([...x], [2, 0, -1, 0])).toBeLessThan(1e-8);
    expect([x[1], x[3]]).toEqual([0, 0]);
    const { x: some } = minimize(problem, owlqn({ penalized: (i) => i < 2 }));
    expect(difference([...some], [2, 0, -2, -0.2])).toBeLessThan(1e-8);
  });

  it('owlqn in float32 asks for rounded points alone', () => {
    const solver = owlqn({ l1: 0.1 });
    const state = started(solver, bowl, { precision: 'float32' });
    const asked: number[] = [];
    const noted: Problem = { ...bowl, fg: (x, gradient) => (asked.push(...x), bowl.fg(x, gradient)) };
    for (let k = 0; k < 4; k++) stepFrom(solver, state, noted);
    expect(asked).toEqual(asked.map(Math.fround));
  });

  it('forgets its pairs and tries −∇f before it gives up, with as many evaluations as it may take', () => {
    const solver = owlqn({ maxEvaluations: 3 });
    const state = started(solver, bowl);
    stepFrom(solver, state, bowl);
    let asked = 0;
    const wall: Problem = { ...bowl, fg: (_x, gradient) => (gradient?.fill(1), asked++, 1e9) };
    expect(runSync(solver.step(state), wall)).toEqual({ kind: 'failed', termination: 'lineSearchFailed' });
    expect(asked).toBe(6);
    expect(inside<OwlqnState>(state).memory.count).toBe(0);
  });

  it.each([
    [0, 'accepted'],
    [2 ** -50, 'accepted'],
    [2 ** -49, 'failed'],
  ])('counts a relative rise of f up to 2⁻⁵⁰ as rounding: %d is %s', (rise, kind) => {
    for (const size of [8, -8]) {
      let asked = 0;
      const level: Problem = {
        p0: Float64Array.of(1),
        fg: (_x, gradient) => (gradient?.fill(1e-30), asked++ === 0 ? size : size + rise * Math.abs(size)),
      };
      const solver = owlqn({ l1: 0, maxEvaluations: 1 });
      const state = started(solver, level);
      expect(runSync(solver.step(state), level).kind).toBe(kind);
    }
  });

  it('owlqn on mini-batches gives a batch up after one search', () => {
    const solver = owlqn({ maxEvaluations: 3 });
    const state = started(solver, bowl, { stochastic: true });
    stepFrom(solver, state, bowl);
    let asked = 0;
    const wall: Problem = { ...bowl, fg: (_x, gradient) => (gradient?.fill(1), asked++, 1e9) };
    expect(runSync(solver.step(state), wall)).toEqual({ kind: 'failed', termination: 'lineSearchFailed' });
    expect(asked).toBe(3);
    expect(inside<OwlqnState>(state).memory.count).toBe(1);
  });

  it('refuses a transform, which would not reach its penalty', () => {
    expect(() => minimize(bowl, owlqn(), { transform: 'log' })).toThrow(
      /would change f but not the penalty of owlqn/,
    );
  });

  it('describes itself', () => {
    expect(owlqn().describe(10)).toBe('OWL-QN (memory 100, λ = 1)');
    expect(owlqn({ l1: 0.5, memory: 7 }).describe(10)).toBe('OWL-QN (memory 7, λ = 0.5)');
    expect(owlqn()).toMatchObject({ name: 'owlqn', descends: true, leavesPoint: true });
  });

  it.each([
    ['l1: must be a finite number ≥ 0, got -1', { l1: -1 }],
    ['penalized: must be a function', { penalized: true }],
    ['memory: must be a whole number in [1, 10000], got 0', { memory: 0 }],
    ['c1: must be a number in (0, 1), got 1', { c1: 1 }],
    ['maxEvaluations: must be a whole number ≥ 1, got 0', { maxEvaluations: 0 }],
  ])('refuses: %s', (message, options) => {
    expect(() => owlqn(options as never)).toThrow(`owlqn: ${message}`);
  });

  it('asks at finite points, though products of its gradients underflow', () => {
    const problem: Problem = {
      p0: Float64Array.of(1.4),
      fg([x], gradient) {
        gradient?.set([2e-187 * (x - 0.5)]);
        return 1e-187 * (x - 0.5) ** 2;
      },
    };
    const asked: number[] = [];
    const { x, termination } = minimize(
      { ...problem, fg: (point, gradient) => (asked.push(point[0]), problem.fg(point, gradient)) },
      owlqn({ l1: 0.01 }),
    );
    expect(asked.filter((value) => !Number.isFinite(value))).toEqual([]);
    expect([...x, termination]).toEqual([0, 'gradientTolerance']);
  });
});
