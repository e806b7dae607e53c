import { describe, expect, it } from 'vitest';
import { leastSquares, levenbergMarquardt, minimize, type Problem } from 'quasi-newton';
import { runUnguarded } from '../../src/core/drive.ts';
import type { LevenbergMarquardtState } from '../../src/solvers/levenbergMarquardt.ts';

describe('settings of Levenberg–Marquardt', () => {
  it('are refused all at once, with what is allowed', () => {
    const wrong = {
      damping: 0,
      scaling: 'rows',
      acceleration: 1,
      control: 'length',
      differences: '4-point',
      method: 'sparse',
      tolerance: 2,
      lower: 'low',
      upper: NaN,
    };
    expect(() => levenbergMarquardt(wrong as never)).toThrow(
      new RangeError(`levenbergMarquardt: 9 options are wrong:
  damping: must be a finite number > 0, got 0.
  scaling: must be 'auto' or 'identity' or 'columns', got "rows".
  acceleration: must be true, false or 'auto', got 1.
  control: must be 'damping' or 'radius', got "length".
  differences: must be 'auto' or '2-point' or '3-point', got "4-point".
  method: must be 'auto' or 'dense' or 'dual' or 'iterative', got "sparse".
  tolerance: must be a number in (0, 1), got 2.
  lower: must be a number, null (unbounded), or an array of these, got "low".
  upper: must be a number, null (unbounded), or an array of these, got NaN.`),
    );
    for (const options of [
      { scaling: 'auto', acceleration: 'auto', control: 'damping', differences: 'auto', method: 'auto' },
      { scaling: 'identity', acceleration: true, control: 'radius', differences: '2-point', method: 'dense' },
      { scaling: 'columns', acceleration: false, differences: '3-point', method: 'dual' },
      { method: 'iterative', tolerance: 1e-3, damping: 1, lower: null, upper: [1, null] },
    ] as const) {
      expect(() => levenbergMarquardt(options as never)).not.toThrow();
    }
    expect(() => levenbergMarquardt({ lower: 2, upper: 1 })).toThrow(/^levenbergMarquardt: /);
  });

  it.each([
    // Residuals with their Jacobian, or with 1 or 2 points of differences; central ones after forward ones.
    ['2-point', true, 1],
    ['3-point', true, 1],
    ['auto', true, 1],
    ['2-point', false, 1 + 1],
    ['3-point', false, 1 + 2],
    ['auto', false, 1 + 1 + 2],
    [undefined, false, 1 + 1 + 2],
  ] as const)(
    'differences %s, own Jacobian %s: at a minimum a step takes %d evaluations',
    (differences, isOwn, count) => {
      let calls = 0;
      const parabola = leastSquares({
        p0: Float64Array.of(0),
        residualCount: 2,
        residuals([a], r, J) {
          calls++;
          r.set([a - 1, a + 1]);
          if (isOwn) J?.fill(1);
        },
      });
      const solver = levenbergMarquardt({ ...(differences && { differences }) });
      const state = solver.init({ n: 1, precision: 'float64', residualCount: 2 });
      const steps = [1, 2].map(() => {
        calls = 0;
        return [runUnguarded(solver.step(state), parabola), calls];
      });
      const floor = { kind: 'failed', termination: 'precisionFloor' };
      // The second step finds the model as the first has left it.
      expect(steps).toEqual([
        [floor, count],
        [floor, 0],
      ]);
    },
  );

  it('keep the unit of the first Jacobian where central differences begin', () => {
    const residuals = ([a]: Float64Array, r: Float64Array) => r.set([a * a - 4, 1]);
    const problem = leastSquares({ p0: Float64Array.of(3), residualCount: 2, residuals });
    const { state, x } = minimize(problem, levenbergMarquardt(), { gtol: 0 });
    const { unit, scheme } = state.iterate as LevenbergMarquardtState;
    expect(x[0]).toBeCloseTo(2, 8);
    // 2a is 6 at the start, and 4 at the end.
    expect([unit, scheme]).toEqual([expect.closeTo(36, 4), '3-point']);
  });

  it('the dual form of Levenberg–Marquardt measures steps by the identity, however different the columns are', () => {
    const rows = [
      [1e6, 0, 1],
      [0, 1, 2],
    ];
    const times = (v: Float64Array) => rows.map((row) => row.reduce((sum, a, j) => sum + a * v[j], 0));
    const residuals = (x: Float64Array, r: Float64Array) => r.set(times(x).map((value) => value - 1));
    const problem: Problem = {
      ...leastSquares({ p0: new Float64Array(3), residualCount: 2, residuals }),
      jacobianVector: (_, v, product) => product.set(times(v)),
      vectorJacobian: (_, u, product) =>
        product.set([0, 1, 2].map((j) => rows[0][j] * u[0] + rows[1][j] * u[1])),
      jacobianGram: (_, product) => product.set([1e12 + 1, 2, 2, 5]),
    };
    const after = (method: 'dual' | 'iterative') => {
      const { state } = minimize(problem, levenbergMarquardt({ method }), { maxIterations: 1 });
      const { isDual, byColumns, scale } = state.iterate as LevenbergMarquardtState;
      return { isDual, byColumns, isPlain: scale.every((value) => value === 1) };
    };
    expect(after('dual')).toEqual({ isDual: true, byColumns: false, isPlain: true });
    expect(after('iterative')).toEqual({ isDual: false, byColumns: true, isPlain: false });
  });

  it('steps of the dual form that bend too much are taken as they are if f falls by a quarter of the promise', () => {
    // r = eˣ − 1, whose step from 3 bends by 1.9.
    const after = (
      p0: number,
      values: (x: number) => readonly [number, number],
      method: 'dual' | 'dense',
    ) => {
      const problem = leastSquares({
        p0: Float64Array.of(p0),
        residualCount: 1,
        residuals([x], r, J) {
          const [value, slope] = values(x);
          r[0] = value;
          if (J) J[0] = slope;
        },
        jacobianVector: ([x], [v], product) => (product[0] = values(x)[1] * v),
        vectorJacobian: ([x], [u], product) => (product[0] = values(x)[1] * u),
      });
      const jacobianGram = ([x]: Float64Array, product: Float64Array) =>
        void (product[0] = values(x)[1] ** 2);
      const solver = levenbergMarquardt({ method, scaling: 'identity', damping: 1e-3 });
      const { x, evaluations } = minimize({ ...problem, jacobianGram }, solver, { maxIterations: 1 });
      return { x: x[0], evaluations: evaluations.f };
    };
    const growth = (x: number) => [Math.exp(x) - 1, Math.exp(x)] as const;
    // The first damping is that of ‖J‖, which the dual form estimates, exactly for one column.
    const [r, J] = growth(3);
    expect(after(3, growth, 'dual').x).toBeCloseTo(3 - r / (J * 1.001), 12);
    expect(Math.abs(after(3, growth, 'dense').x - (3 - r / (J * 1.001)))).toBeGreaterThan(0.01);
    const wall = (x: number) => [x > 2.5 ? Math.exp(x) - 1 : 19, Math.exp(x)] as const;
    // From 19.1 to 19 is less than a quarter of what was promised.
    expect(after(3, wall, 'dual').x).toBeGreaterThan(2.1);
  });

  it('Levenberg–Marquardt by default takes products for a Jacobian of more than a gigabyte, and JJᵀ for few residuals', () => {
    const chosen = (setting: object, options = {}) => {
      const given = { n: 20_000, precision: 'float64', jacobianProducts: true, ...setting } as const;
      const { isDual, isIterative } = levenbergMarquardt(options).init(given) as LevenbergMarquardtState;
      return [isDual, isIterative];
    };
    expect(chosen({ residualCount: 10_000 })).toEqual([false, true]);
    expect(chosen({ residualCount: 10 })).toEqual([false, false]);
    const gram = { residualCount: 1000, jacobianGram: true };
    expect(chosen(gram)).toEqual([true, true]);
    // The dual form is that of the identity, without bounds.
    for (const options of [{ lower: 0 }, { scaling: 'columns' }, { lower: 0, scaling: 'columns' }]) {
      expect(chosen(gram, options)[0]).toBe(false);
    }
  });

  it('Levenberg–Marquardt without bounds leaves points and measures to the problem', () => {
    const keys = (options: object) =>
      ['admit', 'measure'].filter((key) => key in levenbergMarquardt(options));
    for (const lower of [undefined, null, -Infinity])
      expect(keys({ lower, upper: lower === null ? null : Infinity })).toEqual([]);
    expect(keys({ lower: 0 })).toEqual(['admit', 'measure']);
    expect(keys({ upper: 0 })).toEqual(['admit', 'measure']);
  });
});

describe('the end', () => {
  it('a step ends at the floor where the linear model promises nothing, and as a failure where it does', () => {
    const stepAt = (a: number, unit: number, slope: number) => {
      const problem = leastSquares({
        p0: Float64Array.of(a),
        residualCount: 1,
        residuals([a], r, J) {
          r[0] = unit * a;
          J?.fill(unit * slope);
        },
      });
      const solver = levenbergMarquardt();
      const state = solver.init({ n: 1, precision: 'float64', residualCount: 1 });
      state.x.set(problem.p0);
      return runUnguarded(solver.step(state), problem);
    };
    for (const unit of [1e-10, 1, 1e10]) {
      expect(stepAt(0, unit, 1)).toEqual({ kind: 'failed', termination: 'precisionFloor' });
      expect(stepAt(1, unit, -1)).toEqual({ kind: 'failed', termination: 'lineSearchFailed' });
      expect(stepAt(1, unit, 0)).toEqual({ kind: 'failed', termination: 'precisionFloor' });
      expect(stepAt(1, unit, 1)).toMatchObject({ kind: 'accepted' });
    }
  });

  it('a step ends as a failure where squares of the Jacobian overflow', () => {
    const steep = leastSquares({
      p0: Float64Array.of(1),
      residualCount: 1,
      residuals(_, r, J) {
        r[0] = 1;
        J?.fill(1e200);
      },
    });
    const solver = levenbergMarquardt();
    const state = solver.init({ n: 1, precision: 'float64', residualCount: 1 });
    const failure = { kind: 'failed', termination: 'lineSearchFailed' };
    expect(runUnguarded(solver.step(state), steep)).toEqual(failure);
  });

  it('a step in float32 ends at the floor at once, too', () => {
    let calls = 0;
    const problem = leastSquares({
      p0: Float64Array.of(0),
      residualCount: 2,
      precision: 'float32',
      residuals([a], r, J) {
        calls++;
        r.set([a - 1, a + 1]);
        J?.fill(1);
      },
    });
    const solver = levenbergMarquardt();
    const state = solver.init({ n: 1, precision: 'float32', residualCount: 2 });
    expect(runUnguarded(solver.step(state), problem)).toEqual({
      kind: 'failed',
      termination: 'precisionFloor',
    });
    expect(calls).toBe(1);
  });

  it('a step ends after as many trials in any unit, where no step lowers f', () => {
    const trials = (unit: number) => {
      const wrong = leastSquares({
        p0: Float64Array.of(1, 2),
        residualCount: 2,
        residuals([a, b], r, J) {
          r.set([unit * a, unit * (b - a)]);
          J?.set([-unit, 0, unit, -unit]);
        },
      });
      return minimize(wrong, levenbergMarquardt(), { gtol: 0 }).evaluations.f;
    };
    expect([2 ** -40, 2 ** 40].map(trials)).toEqual([trials(1), trials(1)]);
    // Factors 2, 4, 8, … from 1e-3 to 1e32: 2^(k(k + 1)/2) = 1e35 at k = 15. The comparison with the gradient takes 24 more.
    expect(trials(1)).toBeGreaterThan(15);
    expect(trials(1)).toBeLessThan(45);
  });
});

describe('a step', () => {
  it('costs no product more where no step is cut', () => {
    const problem: Problem = {
      ...leastSquares({
        p0: Float64Array.of(3, -2),
        residualCount: 3,
        residuals: ([a, b], r) => r.set([a - 1, Math.exp(b) - 2, a + b]),
      }),
      jacobianVector: ([, b], [v, w], product) => product.set([v, Math.exp(b) * w, v + w]),
      vectorJacobian: ([, b], [t, u, w], product) => product.set([t + w, Math.exp(b) * u + w]),
    };
    const end = (lower: number) =>
      minimize(problem, levenbergMarquardt({ method: 'iterative', lower }), { maxIterations: 5 });
    const [free, wide] = [end(-Infinity), end(-1e6)];
    expect(free.evaluations.jacobianVector).toBeGreaterThan(5);
    expect(wide.evaluations).toEqual(free.evaluations);
  });

  it('takes a shorter step where the residuals a tenth of the way are not finite', () => {
    const holed = leastSquares({
      p0: Float64Array.of(0),
      residualCount: 1,
      residuals([a], r, J) {
        r[0] = a > 0.05 && a < 0.15 ? NaN : a - 1;
        J?.fill(1);
      },
    });
    const end = (acceleration: boolean) =>
      minimize(holed, levenbergMarquardt({ acceleration }), { maxIterations: 1 }).x[0];
    // A tenth of the whole step lies at 0.1.
    expect(end(false)).toBeGreaterThan(0.99);
    expect(end(true)).toBeLessThan(0.5);
    expect(end(true)).toBeGreaterThan(0.1);
  });
});

describe('a step that is accepted', () => {
  it('has lowered f, also where the Jacobian beyond a trial is not finite', () => {
    const walled = leastSquares({
      p0: Float64Array.of(3, 1),
      residualCount: 2,
      residuals([a, b], r, J) {
        r.set([a - 0.5, b]);
        J?.set([a < 0.9 ? NaN : 1, 0, 0, 1]);
      },
    });
    const { trace, x } = minimize(walled, levenbergMarquardt(), { maxIterations: 3 });
    expect(trace).toHaveLength(4);
    expect(x[0]).toBeGreaterThanOrEqual(0.9);
    trace.forEach(({ f }, k) => expect(f).toBeLessThan(trace[k - 1]?.f ?? Infinity));
  });

  it('takes the residuals of its trial for those of the new point', () => {
    let calls = 0;
    const problem = leastSquares({
      p0: Float64Array.of(3),
      residualCount: 1,
      residuals([a], r) {
        calls++;
        r[0] = a - 1;
      },
    });
    const solver = levenbergMarquardt({ acceleration: false });
    const state = solver.init({ n: 1, precision: 'float64', residualCount: 1 });
    state.x.set(problem.p0);
    // Residuals and a difference at the start, the trial, and a difference there.
    for (const count of [4, 2, 2]) {
      calls = 0;
      expect(runUnguarded(solver.step(state), problem).kind).toBe('accepted');
      expect(calls).toBe(count);
    }
  });

  it('lowers the damping by 5, to 1e-20 of the square of the first column at least', () => {
    // Gauss–Newton halves a, and f falls by 15/16 where the linear model promises all of it.
    const square = (unit: number) =>
      leastSquares({
        p0: Float64Array.of(1),
        residualCount: 1,
        residuals([a], r, J) {
          r[0] = unit * a * a;
          J?.fill(2 * unit * a);
        },
      });
    const dampingAfter = (unit: number, maxIterations: number) => {
      const solver = levenbergMarquardt({ acceleration: false });
      const { state } = minimize(square(unit), solver, { maxIterations, gtol: 0 });
      return (state.iterate as LevenbergMarquardtState).damping / (2 * unit) ** 2;
    };
    for (const unit of [2 ** -20, 1, 2 ** 20]) {
      for (const k of [0, 1, 2, 10]) {
        const expected = k === 0 ? 0 : 1e-3 / 5 ** k;
        expect(dampingAfter(unit, k) / (expected || 1)).toBeCloseTo(Number(k > 0), 12);
      }
      expect(dampingAfter(unit, 40) / 1e-20).toBeCloseTo(1, 12);
    }
  });

  it('scaling by columns begins with the least damping whose step is not longer than x', () => {
    const firstAt = (a: number) => {
      const problem = leastSquares({
        p0: Float64Array.of(a),
        residualCount: 1,
        residuals([a], r, J) {
          r[0] = a - 1;
          J?.fill(1);
        },
      });
      const solver = levenbergMarquardt({ scaling: 'columns' });
      const { state } = minimize(problem, solver, { maxIterations: 1, gtol: 0 });
      return (state.iterate as LevenbergMarquardtState).first;
    };
    // A step is (1 − a)/(1 + λ).
    expect(firstAt(0.6)).toBeCloseTo(1e-12, 20);
    expect(firstAt(0.499)).toBeCloseTo(0.01, 10);
    expect(firstAt(0.48)).toBeCloseTo(0.1, 10);
    expect(firstAt(0)).toBe(1e-3);
  });

  it('leaves the array of its start as it is, as the solver says', () => {
    const fit = leastSquares({
      p0: Float64Array.of(-1.2, 1),
      residualCount: 2,
      residuals: ([a, b], r) => r.set([10 * (b - a * a), 1 - a]),
    });
    const solver = levenbergMarquardt();
    expect(solver).toMatchObject({ name: 'levenbergMarquardt', descends: true, leavesPoint: true });
    const state = solver.init({ n: 2, precision: 'float64', residualCount: 2 });
    state.x.set(fit.p0);
    const start = state.x;
    expect(runUnguarded(solver.step(state), fit).kind).toBe('accepted');
    expect(state.x).not.toBe(start);
    expect(start).toEqual(fit.p0);
  });
});
