/* oxlint-disable require-yield -- its solvers ask nothing */
import { describe, expect, it } from 'vitest';
import { dense } from '../../../src/solvers/leastSquares/dense.ts';
import { newState, type LevenbergMarquardtState } from '../../../src/solvers/leastSquares/state.ts';
import {
  followDamping,
  lengthOf,
  nextRadius,
  relax,
  solveWithin,
  strays,
  unbentRadius,
} from '../../../src/solvers/leastSquares/trustRegion.ts';
import type { LinearSolver } from '../../../src/solvers/leastSquares/linearSolver.ts';
import { resultOf } from '../vectors.ts';

const MOST = 1e32;

function stateOf(change: Partial<LevenbergMarquardtState> = {}): LevenbergMarquardtState {
  const state = newState({ n: 2, precision: 'float64', residualCount: 2 }, '2-point', {
    method: 'dense',
    tolerance: 0.1,
    isPlain: false,
  });
  return Object.assign(state, { least: 1e-10, damping: 1, ...change });
}

/**
 * A solver whose step has the length `length(λ)` along x₀, whose scale is 1, and promises `promise(λ)`; it notes the
 * dampings that are tried.
 */
function scripted(length: (damping: number) => number, promise: (damping: number) => number = () => 1) {
  const tried: number[] = [];
  const solver = {
    *solve(state: LevenbergMarquardtState) {
      tried.push(state.damping);
      const whole = promise(state.damping);
      if (!Number.isNaN(whole)) state.step.set([length(state.damping), 0]);
      return whole;
    },
  } as unknown as LinearSolver;
  return { solver, tried };
}

describe('the damping of a step within a radius', () => {
  it('is the least one where its step is short enough, to a tenth', () => {
    for (const [size, isWhole] of [
      [1.09, true],
      [1.11, false],
    ] as const) {
      const { solver, tried } = scripted((damping) => size / (1 + damping));
      const state = stateOf({ radius: 1 });
      resultOf(solveWithin(state, solver, MOST));
      expect(tried.length === 1).toBe(isWhole);
      expect(tried[0]).toBe(1e-10);
      expect(lengthOf(state)).toBeLessThan(1.1);
      expect(lengthOf(state)).toBeGreaterThan(1 / 1.101);
    }
  });

  it('rises a hundredfold where the matrix is not positive definite, which is remembered', () => {
    const { solver, tried } = scripted(
      () => 0.5,
      (damping) => (damping < 5e-5 ? NaN : 1e9),
    );
    const state = stateOf({ radius: 1 });
    expect(resultOf(solveWithin(state, solver, MOST))).toBe(1e9);
    [1e-10, 1e-8, 1e-6, 1e-4].forEach((damping, k) => expect(tried[k] / damping).toBeCloseTo(1, 9));
    expect(tried).toHaveLength(4);
    expect(state.least / 1e-4).toBeCloseTo(1, 9);
  });

  it('has no step where no matrix is positive definite below the limit', () => {
    const { solver, tried } = scripted(
      () => 1,
      () => NaN,
    );
    const state = stateOf({ radius: 1 });
    expect(resultOf(solveWithin(state, solver, 0.5))).toBe(NaN);
    expect(tried).toHaveLength(5);
    expect(state.damping).toBeGreaterThanOrEqual(0.5);
    expect(state.least).toBe(1e-10);
  });

  it('falls a hundredfold while it counts: λ‖Dδ‖² is more than a millionth of what the step promises', () => {
    for (const [promise, solves] of [
      [1e5, 1],
      [1e-5, 2 + 4],
    ] as const) {
      const { solver, tried } = scripted(
        () => 0.5,
        () => promise,
      );
      const state = stateOf({ radius: 1, least: 0.1 });
      resultOf(solveWithin(state, solver, MOST));
      // 0.025, 2.5e-4, … against 1e-6 of the promise.
      expect(tried).toHaveLength(solves);
      expect(state.least / 0.1 ** (2 * solves - 1)).toBeCloseTo(1, 6);
    }
  });

  it('the damping does not fall if the step is too long', () => {
    const { solver, tried } = scripted(
      (damping) => 1.05 / (1 + damping),
      () => 1e-30,
    );
    const state = stateOf({ radius: 1, least: 0.01 });
    resultOf(solveWithin(state, solver, MOST));
    expect(tried).toEqual([0.01]);
  });

  it.each([
    // 1/‖Dδ‖ is a linear function of λ: interpolation finds it at once from two points.
    ['a linear model', 1, 0.02, (damping: number) => 10 / (1 + 2 * damping)],
    ['an old damping far below', 1, 1e-8, (damping: number) => 10 / (1 + 2 * damping)],
    ['an old damping far above', 1, 1e8, (damping: number) => 10 / (1 + 2 * damping)],
    ['two scales', 1e-3, 1, (damping: number) => 1 / (1 + damping) + 1 / (1 + 1e6 * damping)],
    ['a small radius', 1e-9, 1, (damping: number) => 1 / (1e-6 + damping)],
  ])('gives a length of the radius to a tenth: %s', (_, radius, damping, length) => {
    const { solver, tried } = scripted(length);
    const state = stateOf({ radius, damping });
    expect(resultOf(solveWithin(state, solver, MOST))).toBe(1);
    expect(length(state.damping)).toBe(lengthOf(state));
    expect(lengthOf(state) / radius).toBeLessThanOrEqual(1.1);
    expect(lengthOf(state) / radius).toBeGreaterThanOrEqual(1 / 1.1);
    // The old damping first.
    expect(tried[1]).toBe(damping);
    expect(tried.length).toBeLessThan(24);
  });

  it('is looked for from ten times the least one on', () => {
    const { solver, tried } = scripted((damping) => 10 / (1 + 2 * damping));
    resultOf(solveWithin(stateOf({ radius: 1, damping: 1e-11 }), solver, MOST));
    expect(tried.slice(0, 3)).toEqual([1e-10, 1e-9, 1e-8]);
  });

  it('is interpolated within a factor of 100, and falls by ten without', () => {
    const { solver, tried } = scripted((damping) => 10 / (1 + 2 * damping));
    // From 90, a tenth each time until the bracket is narrow.
    resultOf(solveWithin(stateOf({ radius: 1, least: 1e-3, damping: 90 }), solver, MOST));
    expect(tried[1]).toBe(90);
    expect(tried[2]).toBeCloseTo(9, 12);
    expect(tried[3]).toBeCloseTo(0.9, 12);
    // Between 0.9, where 1/‖δ‖ is 0.28, and 9, where it is 1.9: 1 at 4.5.
    expect(tried[4]).toBeCloseTo(4.5, 9);
    expect(tried).toHaveLength(5);

    // From the least one, too.
    const near = scripted((damping) => 10 / (1 + 2 * damping));
    resultOf(solveWithin(stateOf({ radius: 1, least: 0.9, damping: 9 }), near.solver, MOST));
    expect(near.tried.slice(0, 2)).toEqual([0.9, 9]);
    expect(near.tried[2]).toBeCloseTo(4.5, 9);

    // To a radius of 2, between 1/‖δ‖ = 0.12 at 0.1 and 0.5 at 2 (of which the length, 2, is the radius).
    const two = scripted((damping) => 10 / (1 + 2 * damping));
    resultOf(solveWithin(stateOf({ radius: 2, least: 0.1, damping: 5 }), two.solver, MOST));
    expect(two.tried[2]).toBeCloseTo(2, 9);

    const far = scripted((damping) => 10 / (1 + 2e-9 * damping));
    resultOf(solveWithin(stateOf({ radius: 1, least: 1, damping: 1e20 }), far.solver, MOST));
    expect(far.tried[2] / 1e19).toBeCloseTo(1, 9);
  });

  it('is that of a shorter step where no length is near the radius', () => {
    // Lengths jump from 2 to 0.25.
    const { solver, tried } = scripted((damping) => (damping < 7 ? 2 : 0.25));
    const state = stateOf({ radius: 1 });
    expect(resultOf(solveWithin(state, solver, MOST))).toBe(1);
    expect(lengthOf(state)).toBe(0.25);
    expect(state.damping).toBeGreaterThanOrEqual(7);
    expect(tried.length).toBeLessThanOrEqual(32);
    // They never come near: the last is as good as any.
    const long = scripted(() => 2);
    resultOf(solveWithin(stateOf({ radius: 1 }), long.solver, MOST));
    expect(long.tried).toHaveLength(31);
  });

  it('promises nothing for a step of length 0', () => {
    const { solver } = scripted((damping) => (damping < 7 ? 2 : 0));
    expect(resultOf(solveWithin(stateOf({ radius: 1 }), solver, MOST))).toBe(0);
    const still = scripted(() => 0);
    expect(resultOf(solveWithin(stateOf({ radius: 1 }), still.solver, MOST))).toBe(0);
    const none = scripted(
      () => 0,
      () => NaN,
    );
    expect(resultOf(solveWithin(stateOf({ radius: 1 }), none.solver, MOST))).toBe(NaN);
  });

  it('solves the damped system of a Jacobian', () => {
    const state = stateOf({ radius: 0.1, least: 1e-20, damping: 1e-3 });
    state.jacobian.set([3, 1, 2, -1]);
    state.residuals.set([1, -2]);
    state.scale.set([4, 0.5]);
    dense.prepare(state);
    resultOf(solveWithin(state, dense, MOST));
    // ‖Dδ‖, D = (4, ½).
    expect(lengthOf(state)).toBeCloseTo(Math.hypot(4 * state.step[0], 0.5 * state.step[1]), 12);
    expect(lengthOf(state)).toBeLessThan(0.11);
    const [a, b] = state.step;
    // JᵀJ = [[13, 1], [1, 2]], Jᵀr = (−1, 3).
    expect((13 + 16 * state.damping) * a + b).toBeCloseTo(1, 9);
    expect(a + (2 + 0.25 * state.damping) * b).toBeCloseTo(-3, 9);
  });
});

describe('the next radius', () => {
  /** f = 10; slope of f along the step −2·3. */
  const after = (trialF: number, change: object = {}, isTaken = trialF < 10, radius = 2): number => {
    const state = stateOf({ f: 10, radius });
    state.slope.set([1, 2]);
    state.residuals.set([1, -2]);
    return nextRadius(state, { length: 2, predicted: 8, trialF, mayBend: false, ...change }, isTaken);
  };

  it.each([
    ['as predicted', after(4), 4],
    ['three quarters', after(10 - 6), 4],
    ['less than three quarters', after(10 - 5.99), 2],
    ['more than a quarter', after(10 - 2.01), 2],
    ['a quarter', after(10 - 2), 1],
    ['a quarter, straight', after(10 - 2, { mayBend: true }), 2],
    ['less than three quarters, shorter than the radius by more than a tenth', after(5, {}, true, 2.21), 4],
    ['less than three quarters, shorter by less', after(5, {}, true, 2.19), 2.19],
    ['refused although f fell', after(4, {}, false), 1],
    ['refused although f fell a little', after(9.9, { mayBend: true }, false), 1],
    // Slope −6, rise c: the parabola has its minimum at 3/(6 + c).
    ['f rose by 6', after(16), 2 * (3 / 12)],
    ['f rose by 0', after(10), 1],
    ['f rose by 25', after(35), 0.2],
    ['f rose by 23', after(33), 2 * (3 / 29)],
    ['f rose by 6, straight', after(16, { mayBend: true }), 1.6],
    ['f is not finite, straight', after(Infinity, { mayBend: true }), 0.2],
    ['f is NaN', after(NaN), 0.2],
  ])('follows what the step did: %s', (_, radius, expected) => expect(radius).toBeCloseTo(expected, 12));

  it('never exceeds half of the length after f rose, however the slope rounds', () => {
    const state = stateOf({ f: 10, radius: 2 });
    state.slope.set([1, 0]);
    state.residuals.set([1, 0]); // f should rise
    const tried = { length: 2, predicted: 8, trialF: 10.5, mayBend: false };
    expect(nextRadius(state, tried, false)).toBeLessThanOrEqual(1);
    expect(nextRadius(state, tried, false)).toBeGreaterThan(0);
  });

  it.each([
    [3, 1.5, 0.45],
    [1.4, 1.5, 0.9],
    [100, 1.5, 0.25],
    [Infinity, 1.5, 0.25],
    [0, 1.5, 0.5],
    [4, 3, 0.675],
  ])(
    'the next radius of a step with a bend of %d, of which %d is allowed, is %d of its length',
    (bend, most, part) => expect(unbentRadius(8, bend, most)).toBeCloseTo(8 * part, 12),
  );
});

it.each([
  [[1, 1], [1, -1], 5.9, true],
  [[1, 1], [1, -1], 6.1, false],
  [[1, 1], [1, -1], 9.9, false],
  [[1, 1], [1, -1], 10.1, true],
  [[-1, 1], [1, 1], 0, true],
  [[1, 1], [2, 3], 0, false],
  [[1, 0], [1, -1], 0, false],
  [[-1, 1], [0, 1], 0, false],
  [[0, 1], [0, 0], 0, false],
])('from %j to %j with a decrease of %d of 8, a step strays: %s', (x, trial, decrease, expected) => {
  const state = stateOf({ f: 10 });
  state.x.set(x);
  state.trial.set(trial);
  const tried = { length: 1, predicted: 8, trialF: 10 - decrease, mayBend: false };
  expect(strays(state, tried)).toBe(expected);
});

it('where residuals are not finite, the damping takes over, no less than at first', () => {
  for (const [byRadius, damping, first, expected] of [
    [true, 1e-9, 1e-3, 1e-3],
    [true, 1, 1e-3, 1],
    [false, 1e-9, 1e-3, 1e-9],
  ] as const) {
    const state = stateOf({ byRadius, damping, first });
    followDamping(state);
    expect([state.byRadius, state.damping]).toEqual([false, expected]);
  }
});

describe('the damping after a step that was taken', () => {
  it.each([
    // gain ratio, factor, and whether the next step is nearly straight: |gain − 1| < ¼
    [0.2, 2, false],
    [0.25, 1 / 1.5, false],
    [0.74, 1 / 1.5, false],
    [0.75, 1 / 1.5, false],
    [0.76, 1 / 5, true],
    [1.24, 1 / 5, true],
    [1.25, 1 / 5, false],
  ])('the damping after a step of gain ratio %d is %d times as large', (gain, factor, isStraight) => {
    const state = stateOf({ damping: 3, growth: 64, isStraight: !isStraight });
    relax(state, gain, 1e-20);
    expect(state).toMatchObject({ growth: 2, isStraight });
    expect(state.damping).toBeCloseTo(3 * factor, 14);
  });

  it('is at least the least', () => {
    const state = stateOf({ damping: 3 });
    relax(state, 1, 0.7);
    expect(state.damping).toBe(0.7);
  });
});
