import { describe, expect, it } from 'vitest';
import { minimize, newtonCG, type Problem } from 'quasi-newton';
import { move, scaleSlope, shortenDifferences } from '../../src/solvers/newtonModel.ts';
import { stateAt, told } from './newtonCGStates.ts';

describe('where the change of f is rounding', () => {
  it('a step is taken if it makes the gradient smaller', () => {
    const problem = told({ f: () => 5, gradient: (x) => x });
    const { state, step } = stateAt(problem, { x: [1e-9, -2e-9] });
    expect(step()).toMatchObject({ kind: 'accepted', alpha: 1 });
    for (const value of state.x) expect(Math.abs(value)).toBeLessThan(1e-23);
    expect(state.f).toBe(5);
  });

  it('a step is taken if the gradient is hardly smaller, as long as f does not change at all', () => {
    const problem = told({ f: () => 5, gradient: ([x]) => [x === 1e-9 ? 1e-9 : 0.9e-9] });
    const { state, step } = stateAt(problem, { x: [1e-9] });
    expect(step()).toMatchObject({ kind: 'accepted', alpha: 1 });
    expect(state.x[0]).not.toBe(1e-9);
  });

  it('a step is not taken if the gradient grows or stays, and the floor of precision is reported', () => {
    for (const growth of [3, 1]) {
      const problem = told({ f: () => 5, gradient: (x) => (x[0] === 1e-9 ? [1e-9] : [growth * 1e-9]) });
      const { state, step } = stateAt(problem, { x: [1e-9] });
      expect(step()).toEqual({ kind: 'failed', termination: 'precisionFloor' });
      expect(state.x[0]).toBe(1e-9);
    }
  });

  it('a large rise is not taken for rounding, even if the promised decrease is small', () => {
    // f rises by 1, and the gradient vanishes: no minimum is there.
    const problem = told({ f: ([x]) => (x === 1e-9 ? 5 : 6), gradient: ([x]) => [x] });
    const { state, step } = stateAt(problem, { x: [1e-9] });
    expect(step()).toEqual({ kind: 'failed', termination: 'precisionFloor' });
    expect(state.x[0]).toBe(1e-9);
  });

  it('counts as such beside the size of f at the start, if the gradient has halved', () => {
    // |f| is 1e-20 now and was 1 at first: changes of 1e-17 say nothing.
    const gradients = (after: number) =>
      told({ f: ([x]) => (x === 1e-9 ? 1e-20 : 3e-17), gradient: ([x]) => [x === 1e-9 ? 1e-9 : after] });
    for (const [after, expected] of [
      [0.5e-9, { kind: 'accepted' }],
      [0.51e-9, { kind: 'failed', termination: 'precisionFloor' }],
    ] as const) {
      const { state, step } = stateAt(gradients(after), { x: [1e-9] });
      [state.firstNorm, state.firstValue] = [1, 1];
      expect(step()).toMatchObject(expected);
    }
  });
});

describe('endings of a step', () => {
  it('a gradient of zero is the floor of precision, without an evaluation', () => {
    const problem = told({ f: () => 1, gradient: () => [0, 0] });
    const { step } = stateAt(problem, { x: [1, 2] });
    problem.evaluations = 0;
    expect(step()).toEqual({ kind: 'failed', termination: 'precisionFloor' });
    expect(problem.evaluations).toBe(0);
  });

  it('a decrease that is nearly subnormal is the floor of precision, without an evaluation', () => {
    const problem = told({ f: ([x]) => x * x, gradient: ([x]) => [2 * x], curvature: [2] });
    const { step } = stateAt(problem, { x: [1e-150] });
    problem.evaluations = 0;
    expect(step()).toEqual({ kind: 'failed', termination: 'precisionFloor' });
    expect(problem.evaluations).toBe(0);
  });

  it('on a mini-batch a failed trial ends the step at once, with the radius of the options', () => {
    const problem = told({ f: ([x]) => (x === 1 ? 1 : 2), gradient: ([x]) => [x] });
    const { state, step } = stateAt(problem, { x: [1], stochastic: true, radius: 7 });
    problem.evaluations = 0;
    expect(step()).toEqual({ kind: 'failed', termination: 'lineSearchFailed' });
    expect(problem.evaluations).toBe(1);
    expect(state.radius).toBe(7);
    expect(state.x[0]).toBe(1);
  });

  it('a step that does not move x is lost', () => {
    // The step of 1e-20 is below the rounding of x, though f and its gradient promise a decrease.
    const problem = told({ f: ([x]) => x, gradient: () => [1], curvature: [1e20] });
    const { state, step } = stateAt(problem, { x: [1] });
    problem.evaluations = 0;
    expect(step().kind).toBe('failed');
    expect(problem.evaluations).toBe(0);
    expect(state.x[0]).toBe(1);
  });

  it('from zero, with nothing that tells a size, the first radius is 1', () => {
    const problem = told({ f: ([x]) => x, gradient: () => [1], curvature: [0] });
    const { state, step } = stateAt(problem, { x: [0] });
    expect(step()).toMatchObject({ kind: 'accepted', alpha: 1, moved: 1 });
    expect(state.x[0]).toBe(-1);
  });
});

describe('in float32', () => {
  it('trial points are float32 numbers', () => {
    const problem = told({
      f: ([x]) => (x - 1 / 3) ** 2,
      gradient: ([x]) => [2 * (x - 1 / 3)],
      curvature: [2],
    });
    const { state, step } = stateAt(problem, { x: [2], precision: 'float32' });
    expect(step().kind).toBe('accepted');
    expect(state.x[0]).toBe(Math.fround(1 / 3));
  });

  it('a relative change below 1e-6 is rounding, one above is not', () => {
    const change = (relative: number) =>
      told({ f: ([x]) => (x === 1 ? 1 : 1 + relative), gradient: ([x]) => [1e-4 * x], curvature: [1e-4] });
    const taken = (relative: number) =>
      stateAt(change(relative), { x: [1], precision: 'float32' }).step().kind === 'accepted';
    // The promise is 5e-5; only a fall counts as long as that is above the noise.
    expect(taken(-4e-5)).toBe(true);
    expect(taken(4e-5)).toBe(false);
  });
});

describe('the model', () => {
  it('scales slopes to 1, and says by what', () => {
    const { state } = stateAt(told({ f: () => 1, gradient: () => [3, -8] }), { x: [1, 1], scale: [2, 0.5] });
    expect(scaleSlope(state)).toBe(6);
    expect(Array.from(state.slope)).toEqual([1, -4 / 6]);
    state.gradient.fill(0);
    expect(scaleSlope(state)).toBe(0);
    expect(Array.from(state.slope)).toEqual([0, 0]);
  });

  it('moves in units of the sizes, and says how far', () => {
    const { state } = stateAt(told({ f: () => 1, gradient: () => [1, 1] }), {
      x: [10, -10],
      scale: [2, 0.5],
    });
    state.step.set([1, -4]);
    expect(move(state, 0.5)).toBe(1);
    expect(Array.from(state.trial)).toEqual([11, -11]);
  });

  it('shortens differences only where they are longer than a step, and not without end', () => {
    const problem = told({ f: () => 1, gradient: () => [1] });
    const { state } = stateAt(problem, { x: [1e6], exact: false });
    state.radius = 1e-2;
    const difference = 1e-3 * state.radius; // held to a thousandth of the radius
    expect(shortenDifferences(state, difference)).toBe(false);
    expect(shortenDifferences(state, 0.999 * difference)).toBe(true);
    expect(state.reach).toBe(1e-3);
    state.radius = 0;
    let times = 1;
    while (shortenDifferences(state, 0)) times++;
    expect(times).toBe(2);
    expect(state.reach).toBeCloseTo(1e-6, 12);
    const exact = stateAt(problem, { x: [1e6] }).state;
    expect(shortenDifferences(exact, 0)).toBe(false);
  });
});

describe('the solver', () => {
  it('has a name and a description, and descends', () => {
    const solver = newtonCG();
    expect(solver.name).toBe('newtonCG');
    expect(solver.descends).toBe(true);
    expect(String(minimize(told2(), solver))).toContain('Newton–CG (trust region, Steihaug)');
  });

  it('accepts a radius as large as the largest', () => {
    expect(() => newtonCG({ radius: 2, maxRadius: 2 })).not.toThrow();
  });
});

function told2(): Problem {
  return {
    ...told({ f: ([x]) => x * x, gradient: ([x]) => [2 * x], curvature: [2] }),
    p0: Float64Array.of(3),
  };
}
