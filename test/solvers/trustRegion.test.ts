import { describe, expect, it } from 'vitest';
import { curveFit, leastSquares, levenbergMarquardt, minimize } from '../../src/index.ts';
import { dense } from '../../src/solvers/leastSquares/dense.ts';
import { newState } from '../../src/solvers/leastSquares/state.ts';
import {
  lengthOf,
  nextRadius,
  solveWithin,
  strays,
  unbentRadius,
} from '../../src/solvers/leastSquares/trustRegion.ts';
import type { LevenbergMarquardtState } from '../../src/solvers/leastSquares/state.ts';
import { resultOf } from './vectors.ts';

/** A linear model of 3 residuals and 2 unknowns, with the radius of its step. */
function modelWith(radius: number, jacobian = [3, 1, 0, 2, 1, -1]): LevenbergMarquardtState {
  const state = newState({ n: 2, precision: 'float64', residualCount: 3 }, '2-point', {
    method: 'dense',
    tolerance: 0.1,
    isPlain: false,
  });
  state.jacobian.set(jacobian);
  state.residuals.set([1, -2, 4]);
  state.f = 21;
  state.scale.set([4, 0.5]);
  Object.assign(state, { radius, least: 1e-20, damping: 1e-3 });
  dense.prepare(state);
  return state;
}

describe('a step within a radius', () => {
  it('is the Gauss–Newton step where that is short enough', () => {
    const state = modelWith(100);
    const promised = resultOf(solveWithin(state, dense, 1e32));
    // By hand: JᵀJ = [[10, 2], [2, 6]], Jᵀr = [7, -7].
    expect(state.step[0]).toBeCloseTo(-1, 12);
    expect(state.step[1]).toBeCloseTo(1.5, 12);
    expect(promised).toBeCloseTo(17.5, 10);
  });

  it.each([1, 0.1, 1e-3, 1e-6])('has a length of %d to a tenth, and solves the damped system', (radius) => {
    const state = modelWith(radius);
    resultOf(solveWithin(state, dense, 1e32));
    expect(lengthOf(state) / radius).toBeGreaterThan(1 / 1.101);
    expect(lengthOf(state) / radius).toBeLessThan(1.101);
    const [a, b] = state.step;
    const { damping } = state;
    expect((10 + 16 * damping) * a + 2 * b).toBeCloseTo(-7, 9);
    expect(2 * a + (6 + 0.25 * damping) * b).toBeCloseTo(7, 9);
  });

  it('lowers the damping further where the columns have shrunk far below D', () => {
    const state = modelWith(100, [3e-12, 1, 0, 2, 1e-12, -1]);
    state.scale[0] = 1;
    state.radius = 1e13;
    resultOf(solveWithin(state, dense, 1e32));
    expect(state.least).toBeLessThan(1e-20);
  });
});

describe('the next radius', () => {
  const base = { length: 2, predicted: 8, mayBend: false };
  const after = (decrease: number, more: object = {}, isTaken = decrease > 0): number => {
    const state = modelWith(2);
    state.slope.set([-1, 2, -1]); // rᵀJδ = −9
    return nextRadius(state, { ...base, trialF: state.f - decrease, ...more }, isTaken);
  };

  it('is twice the length of a step that did as predicted', () => expect(after(6)).toBe(4));
  it('stays where a step on its edge did less', () => expect(after(3)).toBe(2));
  it('is twice the length of a shorter step that did less', () => expect(after(3, { length: 1 })).toBe(2));
  it('is half the length of a taken step that did far less', () => expect(after(1)).toBe(1));
  it('stays after a straight one that did far less', () => expect(after(1, { mayBend: true })).toBe(2));
  it('is the minimum of a parabola after a failure, a tenth at least', () => {
    // Slope −18 and a rise of c − 18: the minimum lies at 18/(2·(18 + rise)).
    expect(after(-18)).toBeCloseTo(2 * (18 / 72), 12);
    expect(after(-1e6)).toBeCloseTo(0.2, 12);
    expect(after(NaN)).toBeCloseTo(0.2, 12);
    expect(after(-Infinity)).toBeCloseTo(0.2, 12);
  });
  it('the radius hardly shrinks if acceleration has not been tried', () => {
    expect(after(-18, { mayBend: true })).toBeCloseTo(1.6, 12);
    expect(after(NaN, { mayBend: true })).toBeCloseTo(0.2, 12);
  });
  it('is half the length of a step that was refused although f fell', () =>
    expect(after(3, {}, false)).toBe(1));

  it('follows the bend of a step that bends too much', () => {
    expect(unbentRadius(2, 3, 1.5)).toBeCloseTo(0.9, 12);
    expect(unbentRadius(2, 1.51, 1.5)).toBeCloseTo((2 * 0.9 * 1.5) / 1.51, 12);
    expect(unbentRadius(2, Infinity, 1.5)).toBe(0.5);
    expect(unbentRadius(2, 0, 1.5)).toBe(1);
  });
});

describe('a step across 0', () => {
  const crossing = (x: number[], trial: number[], decrease: number): boolean => {
    const state = modelWith(2);
    state.x.set(x);
    state.trial.set(trial);
    return strays(state, { length: 2, predicted: 8, trialF: state.f - decrease, mayBend: false });
  };

  it('is refused where the decrease differs by more than a quarter from the prediction', () => {
    expect(crossing([1, 1], [1, -1], 5.9)).toBe(true);
    expect(crossing([1, 1], [1, -1], 6.1)).toBe(false);
    expect(crossing([1, 1], [1, -1], 9.9)).toBe(false);
    expect(crossing([1, 1], [1, -1], 10.1)).toBe(true);
    expect(crossing([1, 1], [1, 0], 1)).toBe(false);
    expect(crossing([1, 0], [1, -1], 1)).toBe(false);
  });
});

describe('fits with poles', () => {
  const x = Array.from({ length: 24 }, (_, i) => 0.02 + (1.08 * i) / 23);
  const michaelisMenten = (s: number, [v, k]: readonly number[] | Float64Array): number => (v * s) / (k + s);
  const y = x.map((s, i) => michaelisMenten(s, [212, 0.064]) + 2 * Math.sin(17 * i * i));

  it.each([
    [1, 1],
    [24, 0.0945],
    [22.6, 0.24],
    [1000, 5],
  ])('Michaelis–Menten is solved from (%d, %d)', (...p0) => {
    const fit = curveFit(michaelisMenten, x, y, p0);
    expect(fit.converged).toBe(true);
    expect(fit.x[0]).toBeGreaterThan(200);
    expect(fit.x[1]).toBeGreaterThan(0.05);
    expect(fit.evaluations).toBeLessThan(120);
  });

  it('the radius serves levenbergMarquardt, too, with bounds, a first damping and a start at 0', () => {
    const problem = leastSquares({
      p0: Float64Array.of(0, 0),
      residualCount: 3,
      residuals: ([a, b], r) => [1, 3, 5].forEach((value, t) => (r[t] = a + b * t - value)),
    });
    for (const options of [{}, { damping: 1e-2 }, { lower: 0 }, { acceleration: false }]) {
      const { x: found } = minimize(problem, levenbergMarquardt({ control: 'radius', ...options }));
      expect(found[0]).toBeCloseTo(1, 6);
      expect(found[1]).toBeCloseTo(2, 6);
    }
  });
});
