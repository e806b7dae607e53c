import { describe, expect, it } from 'vitest';
import { levenbergMarquardt, type Termination } from 'quasi-newton';
import { runUnguarded } from '../../../src/core/drive.ts';
import { approach } from '../../../src/solvers/curveFit/approach.ts';
import { linearModel, type FitProblem, type Linearized } from '../../../src/solvers/curveFit/linearized.ts';
import { farFit, hardFit, randomFit, seeds } from './fits.ts';
import type { LevenbergMarquardtState } from '../../../src/solvers/levenbergMarquardt.ts';

const EPS = { float64: 2 ** -52, float32: 2 ** -23 };

interface Ended {
  x: number[];
  termination: Termination;
  near: Linearized | null;
  ratio: number;
}

/** The rule of the approach once more, in plain code. */
function plainApproach(fit: FitProblem, p0: Float64Array, accuracy: 'rough' | 'fine'): Ended {
  const { problem, lower, upper, limits, size } = fit;
  const precision = problem.precision ?? 'float64';
  const within = (x: ArrayLike<number>) =>
    Array.from(x).every((value, j) => lower[j] <= value && value <= upper[j]);
  const hasBounds = [...lower, ...upper].some((bound) => Math.abs(bound) < Infinity);
  const solver = levenbergMarquardt({
    scaling: 'columns',
    acceleration: 'auto',
    control: 'radius',
    differences: { rough: '2-point', fine: '3-point' }[accuracy] as '2-point',
    ...(hasBounds ? { lower, upper } : {}),
  });
  const m = problem.residualCount as number;
  const state = solver.init({ n: p0.length, precision, residualCount: m }) as LevenbergMarquardtState;
  p0.forEach((value, j) => {
    state.x[j] = precision === 'float32' ? Math.min(upper[j], Math.max(lower[j], Math.fround(value))) : value;
  });
  const end = (termination: Termination, near: Linearized | null = null, ratio = 1): Ended => ({
    x: [...state.x],
    termination,
    near,
    ratio,
  });
  const ftol = accuracy === 'rough' || precision === 'float32' ? 1e-7 : 1e-12;
  let small = 0;
  let limit = 1e-3;
  let last = 0;
  let stalls = 0;
  for (let k = 0; k < limits.maxIterations; k++) {
    const outcome = runUnguarded(solver.step(state), problem);
    if (outcome.kind === 'failed') return end(outcome.termination);
    const gained = state.before - state.f;
    small = gained <= ftol * state.before ? small + 1 : 0;
    if (Math.sqrt(state.f) <= 100 * EPS[precision] * size) return end('functionTolerance');
    const model = linearModel(fit, state, accuracy);
    // Where moving a parameter by its size would change the model by 1e5 times the size of y, steps of differences are too long.
    const isFar = Array.from(state.x).some((value, j) => {
      const column = Array.from({ length: m }, (_, i) => state.jacobian[i * state.x.length + j]);
      return Math.abs(value) * Math.hypot(...column) > 1e5 * size;
    });
    if (k === 0 && accuracy === 'rough' && isFar) return plainApproach(fit, p0, 'fine');
    const ratio = model.decrease / (gained > last ? gained : last);
    last = model.decrease;
    if (last / model.f <= limit && ratio < 0.9) {
      const x = model.x.map((value, j) => value + model.step[j]);
      const r = new Float64Array(m);
      let keeps = false;
      if (within(x)) {
        problem.residuals(x, r, null);
        const f = r.reduce((sum, value) => sum + value * value, 0);
        const rounding = 64 * EPS[precision] * (model.f + size * Math.sqrt(model.f));
        keeps = f <= model.f - model.decrease / 10 + rounding;
      }
      if (keeps) return end('functionTolerance', model, ratio);
      limit = 0.1 * (last / model.f);
    }
    stalls = state.damping < 1e-13 && 100 * gained < model.decrease ? stalls + 1 : 0;
    if (stalls === 4) return end('functionTolerance', model, ratio);
    if (small === 2) return end('functionTolerance');
  }
  return end('maxIterations');
}

describe('the approach of a fit', () => {
  it.each([...seeds('usual', 160), ...seeds('hard', 150), ...seeds('far', 60)])(
    'is that of its rule on %s fit %d',
    (kind, seed) => {
      const make = { usual: randomFit, hard: hardFit, far: farFit }[kind];
      for (const accuracy of ['rough', 'fine'] as const) {
        const { fit, points, p0 } = make(seed);
        // In float32, a start is rounded.
        const start = p0.map((value) => (fit.problem.precision === 'float32' ? value * (1 + 1e-9) : value));
        const found = runUnguarded(approach(fit, start, accuracy), fit.problem);
        const asked = points.splice(0);
        const expected = plainApproach(fit, start, accuracy);
        expect(asked).toEqual(points);
        expect([...found.x]).toEqual(expected.x);
        expect([found.termination, found.ratio]).toEqual([expected.termination, expected.ratio]);
        expect(found.near).toEqual(expected.near);
      }
    },
  );

  it('ends at the limit of evaluations, wherever that falls', () => {
    let tried = 0;
    for (const seed of [1, 2, 5, 6, 25, 29]) {
      const { fitWith, points, p0 } = randomFit(seed);
      const whole = fitWith({ maxIterations: 1000 });
      const { near: ending } = runUnguarded(approach(whole, p0, 'rough'), whole.problem);
      // Some end with a step that is only tried, and may then not be.
      if (ending !== null) tried++;
      const all = points.length;
      for (let most = 1; most <= all; most++) {
        points.length = 0;
        const fit = fitWith({ maxIterations: 1000, maxEvaluations: most });
        const { termination, near } = runUnguarded(approach(fit, p0, 'rough'), fit.problem);
        expect(points.length).toBe(most);
        if (most === all) continue;
        expect([termination, near]).toEqual(['maxEvaluations', null]);
      }
    }
    expect(tried).toBeGreaterThan(1);
  });

  it('is aborted by its signal, also in the step that is only tried', () => {
    const { fitWith, points, p0 } = randomFit(1);
    const whole = fitWith({ maxIterations: 1000 });
    runUnguarded(approach(whole, p0, 'rough'), whole.problem);
    for (const at of [2, points.length]) {
      points.length = 0;
      const controller = new AbortController();
      const fit = fitWith({ maxIterations: 1000, signal: controller.signal });
      const aborting = {
        ...fit.problem,
        residuals(x: Float64Array, r: Float64Array, J: Float64Array | null) {
          fit.problem.residuals(x, r, J);
          if (points.length === at) controller.abort(new Error('enough'));
        },
      };
      expect(() => runUnguarded(approach({ ...fit, problem: aborting }, p0, 'rough'), aborting)).toThrow(
        'enough',
      );
    }
  });
});
