import { describe, expect, it } from 'vitest';
import { runUnguarded } from '../../../src/core/drive.ts';
import { dense } from '../../../src/solvers/leastSquares/dense.ts';
import { dual } from '../../../src/solvers/leastSquares/dual.ts';
import { iterative } from '../../../src/solvers/leastSquares/iterative.ts';
import { accept, linearize, refine, solverOf } from '../../../src/solvers/leastSquares/linearize.ts';
import { newState, type LevenbergMarquardtState } from '../../../src/solvers/leastSquares/state.ts';
import type { Box } from '../../../src/core/bounds.ts';
import type { Problem } from '../../../src/core/problem.ts';

/** r = (x₀³, 3x₁), with values where `isDefined` says so. */
function situation(isDefined: (x: ArrayLike<number>) => boolean = () => true, writes = false) {
  const state = newState({ n: 2, precision: 'float64', residualCount: 2 }, '2-point', {
    method: 'dense',
    tolerance: 0.1,
    isPlain: false,
  });
  state.x.set([2, 1]);
  const points: number[][] = [];
  const problem: Problem = {
    p0: Float64Array.of(2, 1),
    fg: () => NaN,
    residuals(x, r, J) {
      points.push([...x]);
      r.set([isDefined(x) ? x[0] ** 3 : NaN, 3 * x[1]]);
      if (writes) J?.set([isDefined(x) && x[0] < 5 ? 3 * x[0] ** 2 : NaN, 0, 0, 3]);
    },
  };
  const run = (known = false) => runUnguarded(linearize(state, null, known), problem);
  return { state, problem, run, points };
}

it('the state chooses between JJᵀ, products and J', () => {
  const chosen = (isIterative: boolean, isDual: boolean) =>
    solverOf({ isIterative, isDual } as LevenbergMarquardtState);
  expect([chosen(false, false), chosen(true, false), chosen(true, true)]).toEqual([dense, iterative, dual]);
});

describe('a linear model', () => {
  it('raises D to the norms of its columns, where D follows them', () => {
    const { state, run } = situation(undefined, true);
    state.scale.set([20, 1]);
    run();
    expect([...state.scale]).toEqual([20, 1]);
    state.byColumns = true;
    run();
    expect([...state.scale]).toEqual([20, 3]);
  });

  it('the linear model of a trial point is accepted with its step, or not at all', () => {
    const { state, problem, run } = situation(undefined, true);
    run();
    state.trial.set([1, 2]);
    state.trialResiduals.set([1, 6]);
    expect(runUnguarded(accept(state, null, 37), problem)).toBe(true);
    expect([[...state.x], state.f, state.before, [...state.step]]).toEqual([[1, 2], 37, 73, [-1, 1]]);
    expect([...state.jacobian]).toEqual([3, 0, 0, 3]);

    // Beyond 5, the Jacobian is not finite.
    state.trial.set([6, 0]);
    state.trialResiduals.set([216, 0]);
    expect(runUnguarded(accept(state, null, 36), problem)).toBe(false);
    expect([[...state.x], state.f, [...state.residuals]]).toEqual([[1, 2], 37, [1, 6]]);
    expect([[...state.jacobian], state.ready]).toEqual([[3, 0, 0, 3], true]);
  });
});

it('residuals that are known are not evaluated again', () => {
  const { state, problem, run, points } = situation((x) => x[0] < 5 && x[0] > -1);
  run();
  expect(points[0]).toEqual([2, 1]);
  points.length = 0;
  state.trial.set([1, 2]);
  state.trialResiduals.set([1, 6]);
  expect(runUnguarded(accept(state, null, 37), problem)).toBe(true);
  expect(state.residuals).toEqual(Float64Array.of(1, 6));
  // Of a point that is not accepted, and of the iterate after it.
  state.trial.set([6, 0]);
  state.trialResiduals.set([216, 0]);
  expect(runUnguarded(accept(state, null, 36), problem)).toBe(false);
  expect(runUnguarded(refine(state, null, { damping: 1, growth: 2, radius: 0 }), problem)).toBe(true);
  expect(points.filter(([a]) => a === 1).map(([, b]) => b === 2)).not.toContain(true);
  expect(points.filter(([a, b]) => a === 6 && b === 0)).toEqual([]);
});

describe('central differences', () => {
  const before = { damping: 0.5, growth: 2, radius: 3 };
  const changed = { damping: 1e9, growth: 512, radius: 1e-9 };

  it('replace forward ones, with the damping and the radius from before these', () => {
    const { state, problem, run } = situation();
    run();
    expect([state.source, state.scheme]).toEqual(['differences', '2-point']);
    const rough = Math.abs(state.jacobian[0] - 12);
    state.free.fill(0);
    Object.assign(state, changed);
    const box = { lower: () => -9, upper: () => 9 } as unknown as Box;
    expect(runUnguarded(refine(state, box, before), problem)).toBe(true);
    expect(state).toMatchObject({ ...before, scheme: '3-point' });
    expect([...state.free]).toEqual([1, 1]);
    expect(Math.abs(state.jacobian[0] - 12)).toBeLessThan(rough / 100);
    // JᵀJ, of which the lower triangle counts
    expect([state.normal[0], state.normal[3]]).toEqual([expect.closeTo(144, 6), expect.closeTo(9, 6)]);
    // They are not replaced again.
    Object.assign(state, changed);
    expect(runUnguarded(refine(state, box, before), problem)).toBe(false);
    expect(state).toMatchObject(changed);
  });

  it('do not replace what the function writes', () => {
    const { state, problem, run } = situation(undefined, true);
    run();
    Object.assign(state, changed);
    expect(runUnguarded(refine(state, null, before), problem)).toBe(false);
    expect(state).toMatchObject({ ...changed, scheme: '2-point' });
  });

  it('leave the forward ones where only these have values', () => {
    const step = 2 ** -26 * 2;
    const { state, problem, run, points } = situation((x) => x[0] >= 2 && x[0] < 2 + 2 * step);
    run();
    points.length = 0;
    const J = state.jacobian.slice();
    Object.assign(state, changed);
    expect(runUnguarded(refine(state, null, before), problem)).toBe(false);
    expect(state).toMatchObject({ ...changed, scheme: '2-point', ready: true });
    expect(state.jacobian).toEqual(J);
    expect(points).not.toContainEqual([2, 1]);
  });
});
