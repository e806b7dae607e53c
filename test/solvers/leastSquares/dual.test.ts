import { describe, expect, it } from 'vitest';
import { runUnguarded } from '../../../src/core/drive.ts';
import { dual } from '../../../src/solvers/leastSquares/dual.ts';
import { newState } from '../../../src/solvers/leastSquares/state.ts';
import type { Precision, Problem } from '../../../src/core/problem.ts';

const rows = [
  [2, -1, 0.5, 3],
  [1, 4, -2, 0.25],
];
const r = [3, -2];
const times = (v: ArrayLike<number>) => rows.map((row) => row.reduce((sum, a, j) => sum + a * v[j], 0));
const transposed = (u: ArrayLike<number>) => [0, 1, 2, 3].map((j) => rows[0][j] * u[0] + rows[1][j] * u[1]);
/** JJᵀ, by hand. */
const gram = [14.25, -2.25 + 0, -2.25, 21.0625];
gram[1] = gram[2] = rows[0].reduce((sum, a, j) => sum + a * rows[1][j], 0);

function problemWith(change: Partial<Problem> = {}): Problem {
  return {
    p0: new Float64Array(4),
    fg: () => NaN,
    residuals: (_, out) => out.set(r),
    jacobianVector: (_, v, product) => product.set(times(v)),
    vectorJacobian: (_, u, product) => product.set(transposed(u)),
    jacobianGram: (_, product) => product.set(gram),
    ...change,
  };
}
const stateWith = (precision: Precision = 'float64') =>
  newState({ n: 4, precision, residualCount: 2, jacobianProducts: true, jacobianGram: true }, '2-point', {
    method: 'dual',
    tolerance: 0.1,
    isPlain: true,
  });

/** δ = −Jᵀ(JJᵀ + λI)⁻¹b by Cramer's rule. */
function stepFor(b: number[], damping: number): number[] {
  const [a, c, d] = [gram[0] + damping, gram[1], gram[3] + damping];
  const det = a * d - c * c;
  return transposed([(b[0] * d - b[1] * c) / det, (b[1] * a - b[0] * c) / det]).map((value) => -value);
}

describe('the dual form', () => {
  it.each([1e-6, 0.5, 1e3])('solves the damped system by JJᵀ, at λ = %d', (damping) => {
    const [state, problem] = [stateWith(), problemWith()];
    expect(runUnguarded(dual.linearize(state, null, false), problem)).toBe(true);
    expect([state.ready, state.f]).toEqual([true, 13]);
    expect([...state.gradient]).toEqual(transposed(r).map((value) => 2 * value));
    dual.prepare(state);
    state.damping = damping;
    const decrease = runUnguarded(dual.solve(state), problem);
    const step = stepFor(r, damping);
    step.forEach((value, j) => expect(state.step[j]).toBeCloseTo(value, 12));
    const slope = times(step);
    slope.forEach((value, i) => expect(state.slope[i]).toBeCloseTo(value, 12));
    // ‖r‖² − ‖r + Jδ‖²
    const rest = r.map((value, i) => value + slope[i]);
    expect(decrease).toBeCloseTo(13 - rest[0] ** 2 - rest[1] ** 2, 11);

    state.curvature.set([1, 5]);
    runUnguarded(dual.solveAgain(state), problem);
    stepFor([1, 5], damping).forEach((value, j) => expect(state.second[j]).toBeCloseTo(value, 12));

    state.step.set([1, 2, 3, 4]);
    runUnguarded(dual.multiply(state), problem);
    expect([...state.slope]).toEqual(times([1, 2, 3, 4]));
  });

  it('has no step where the matrix is not positive definite', () => {
    const [state, problem] = [stateWith(), problemWith({ jacobianGram: (_, p) => p.set([1, 2, 2, 1]) })];
    runUnguarded(dual.linearize(state, null, false), problem);
    state.damping = 0.5;
    expect(runUnguarded(dual.solve(state), problem)).toBe(NaN);
  });

  it('estimates the norms of the columns by products', () => {
    const [state, problem] = [stateWith(), problemWith()];
    const norms = runUnguarded(dual.columnNorms(state), problem);
    expect(norms).toHaveLength(4);
    // (2, 1), (−1, 4), (0.5, −2), (3, 0.25): √(Σ(aᵤ ± aᵥ)²) lies between the difference and the sum.
    norms.forEach((norm, j) => {
      const [a, b] = rows.map((row) => Math.abs(row[j]));
      expect(norm).toBeGreaterThanOrEqual(Math.abs(a - b) - 1e-12);
      expect(norm).toBeLessThanOrEqual(a + b + 1e-12);
    });
  });

  it.each([
    ['products', { vectorJacobian: (_x: never, _u: never, p: Float64Array) => p.fill(NaN) }],
    ['JJᵀ', { jacobianGram: (_x: never, p: Float64Array) => p.set([1, 0, 0, NaN]) }],
    ['JJᵀ, at first', { jacobianGram: (_x: never, p: Float64Array) => p.set([Infinity, 0, 0, 1]) }],
  ])('is not ready where %s are not finite', (_, change) => {
    const state = stateWith();
    state.ready = true;
    expect(runUnguarded(dual.linearize(state, null, false), problemWith(change as never))).toBe(false);
    expect(state.ready).toBe(false);
  });
});

describe('an obstacle', () => {
  it('is named by its place in JJᵀ, and an older one is kept where there is none', () => {
    const state = stateWith();
    const bad = problemWith({ jacobianGram: (_, p) => p.set([1, 0, NaN, 1]) });
    runUnguarded(dual.linearize(state, null, false), bad);
    expect(state.obstacle).toBe('jacobianGram at row 1, column 0, is NaN at x = [0, 0, 0, 0].');
    runUnguarded(dual.linearize(state, null, false), problemWith());
    expect(state.obstacle).toBe('jacobianGram at row 1, column 0, is NaN at x = [0, 0, 0, 0].');
  });

  it('an error of JJᵀ leaves a model that is not ready', () => {
    const state = stateWith();
    const failing = problemWith({
      jacobianGram() {
        throw new Error('none');
      },
    });
    expect(() => runUnguarded(dual.linearize(state, null, false), failing)).toThrow('none');
    expect(state.ready).toBe(false);
  });
});

describe('JJᵀ and Jᵀu of different matrices', () => {
  const solveWith = (factor: number, precision: Precision = 'float64', size = 1) => {
    const state = stateWith(precision);
    const problem = problemWith({
      residuals: (_, out) => out.set(r.map((value) => size * value)),
      jacobianGram: (_, product) => product.set(gram.map((value) => factor * value)),
    });
    runUnguarded(dual.linearize(state, null, false), problem);
    state.damping = 1;
    return () => runUnguarded(dual.solve(state), problem);
  };

  it.each<[Precision, number]>([
    // ‖Jᵀu‖² of different matrices: 1e-6 apart in float64, 1e-2 in float32.
    ['float64', 1e-6],
    ['float32', 1e-2],
  ])('are refused in %s from a relative difference of %d on', (precision, apart) => {
    for (const size of [1e-6, 1, 1e6]) {
      expect(solveWith(1 + 2 * apart, precision, size)).toThrow(TypeError);
      expect(solveWith(1 - 2 * apart, precision, size)).toThrow(TypeError);
      expect(solveWith(1 + apart / 2, precision, size)).not.toThrow();
      expect(solveWith(1 - apart / 2, precision, size)).not.toThrow();
    }
  });

  it('are named with both numbers', () => {
    const number = String.raw`\d\.\d{6}e?[-\d]*|\d+\.\d+`;
    expect(solveWith(2)).toThrow(
      new RegExp(
        `^jacobianGram and vectorJacobian do not belong to one Jacobian: for the same u, ‖Jᵀu‖² is (${number}) and uᵀ\\(JJᵀ\\)u (${number})\\. Correct them, or leave jacobianGram out: { \\.\\.\\.problem, jacobianGram: undefined }\\.$`,
      ),
    );
  });

  it('are not refused for rounding relative to the trace of JJᵀ', () => {
    // J = diag(1, 1e8): in its unit, JJᵀ is known to 50 roundings of 1e16, which is 110.
    for (const [grain, isRefused] of [
      [50, false],
      [150, true],
    ] as const) {
      const state = stateWith();
      const problem = problemWith({
        residuals: (_, out) => out.set([1, 0]),
        vectorJacobian: (_, u, product) => product.set([u[0], 1e8 * u[1], 0, 0]),
        jacobianGram: (_, product) => product.set([1 + grain * 2 ** -52 * 1e16, 0, 0, 1e16]),
      });
      runUnguarded(dual.linearize(state, null, false), problem);
      state.damping = 1;
      const solve = () => runUnguarded(dual.solve(state), problem);
      let refused = false;
      try {
        solve();
      } catch {
        refused = true;
      }
      expect(refused).toBe(isRefused);
    }
  });

  it('are not refused for what rounding hides', () => {
    // A residual outside the range of J: JJᵀu is the rounding of two large terms.
    const state = stateWith();
    const unit = 1e8;
    const problem = problemWith({
      residuals: (_, out) => out.set([1, -1]),
      vectorJacobian: (_, u, product) => product.fill(unit * (u[0] + u[1])),
      jacobianGram: (_, product) => product.set([4e16, 4e16, 4e16, 4e16 + 8]),
    });
    runUnguarded(dual.linearize(state, null, false), problem);
    state.damping = 10;
    expect(() => runUnguarded(dual.solve(state), problem)).not.toThrow();
  });
});
