import { describe, expect, it } from 'vitest';
import { uniform } from '../../../bench/problems/random.js';
import { runUnguarded } from '../../../src/core/drive.ts';
import { iterative, jacobianVector, vectorJacobian } from '../../../src/solvers/leastSquares/iterative.ts';
import { newState, type LevenbergMarquardtState } from '../../../src/solvers/leastSquares/state.ts';
import type { Problem } from '../../../src/core/problem.ts';

/** Random residuals and Jacobian at one point, with products that are counted. */
function systemOf(m: number, n: number, seed: number) {
  const random = uniform(seed);
  const signed = () => 2 * random() - 1;
  const J = Array.from({ length: m }, () => Array.from({ length: n }, signed));
  const r = Array.from({ length: m }, signed);
  const asked: string[] = [];
  const problem: Problem = {
    p0: new Float64Array(n),
    fg: () => NaN,
    residuals(_, out) {
      asked.push('r');
      out.set(r);
    },
    jacobianVector(_, v, product) {
      asked.push('Jv');
      product.set(J.map((row) => row.reduce((sum, a, j) => sum + a * v[j], 0)));
    },
    vectorJacobian(_, u, product) {
      asked.push('Jᵀu');
      product.set(J[0].map((_a, j) => J.reduce((sum, row, i) => sum + row[j] * u[i], 0)));
    },
  };
  return { J, r, problem, asked, signed };
}

function stateOf(m: number, n: number, tolerance = 1e-14): LevenbergMarquardtState {
  return newState({ n, precision: 'float64', residualCount: m, jacobianProducts: true }, '2-point', {
    method: 'iterative',
    tolerance,
    isPlain: false,
  });
}

/** (JᵀJ + λD²)δ = −Jᵀb over the free unknowns, by elimination. */
function plainStep(
  J: number[][],
  b: ArrayLike<number>,
  damping: number,
  scale: number[],
  free: number[],
): number[] {
  const n = scale.length;
  const rows = free.map((p) => [
    ...free.map(
      (q) => J.reduce((sum, row) => sum + row[p] * row[q], 0) + (p === q ? damping * scale[p] ** 2 : 0),
    ),
    -J.reduce((sum, row, i) => sum + row[p] * b[i], 0),
  ]);
  const k = free.length;
  for (let c = 0; c < k; c++) {
    for (let i = 0; i < k; i++) {
      if (i === c) continue;
      const factor = rows[i][c] / rows[c][c];
      rows[i] = rows[i].map((value, j) => value - factor * rows[c][j]);
    }
  }
  const step = Array<number>(n).fill(0);
  free.forEach((j, c) => (step[j] = rows[c][k] / rows[c][c]));
  return step;
}

describe('a step by products', () => {
  it.each([
    [7, 4, 0.5, []],
    [7, 4, 1e-3, []],
    [3, 6, 0.2, []],
    [9, 5, 0.3, [0, 3]],
    [6, 6, 10, [5]],
    [5, 1, 0.1, []],
  ])('of %d residuals and %d unknowns at λ = %d is that of the damped system', (m, n, damping, held) => {
    const { J, r, problem, signed } = systemOf(m, n, 10 * m + n);
    const state = stateOf(m, n);
    const scale = Array.from({ length: n }, (_, j) => 0.5 + j);
    const free = scale.map((_, j) => j).filter((j) => !held.includes(j));
    expect(runUnguarded(iterative.linearize(state, null, false), problem)).toBe(true);
    const f = r.reduce((sum, value) => sum + value * value, 0);
    expect(state.f).toBeCloseTo(f, 12);
    scale.forEach((_, j) => {
      const along = J.reduce((sum, row, i) => sum + 2 * row[j] * r[i], 0);
      expect(state.gradient[j]).toBeCloseTo(along, 12);
    });
    state.scale.set(scale);
    for (const j of held) state.free[j] = 0;
    iterative.prepare(state);
    for (const lambda of [damping, 4 * damping]) {
      state.damping = lambda;
      const decrease = runUnguarded(iterative.solve(state), problem);
      const step = plainStep(J, r, lambda, scale, free);
      step.forEach((value, j) => expect(state.step[j]).toBeCloseTo(value, 9));
      const slope = J.map((row) => row.reduce((sum, a, j) => sum + a * step[j], 0));
      slope.forEach((value, i) => expect(state.slope[i]).toBeCloseTo(value, 9));
      const rest = r.reduce((sum, value, i) => sum + (value + slope[i]) ** 2, 0);
      expect(decrease).toBeCloseTo(f - rest, 9);
    }
    // δ₂ is found in the space of δ₁, which is the whole one if m ≥ n.
    if (m < n) return;
    state.curvature.forEach((_, i) => (state.curvature[i] = signed()));
    runUnguarded(iterative.solveAgain(state), problem);
    const second = plainStep(J, state.curvature, 4 * damping, scale, free);
    second.forEach((value, j) => expect(state.second[j]).toBeCloseTo(value, 8));
  });

  it('of columns whose D is 0 takes 1 in its place', () => {
    const { J, r, problem } = systemOf(6, 3, 5);
    const state = stateOf(6, 3);
    runUnguarded(iterative.linearize(state, null, false), problem);
    state.scale.set([2, 0, 3]);
    iterative.prepare(state);
    state.damping = 0.7;
    runUnguarded(iterative.solve(state), problem);
    plainStep(J, r, 0.7, [2, 1, 3], [0, 1, 2]).forEach((value, j) =>
      expect(state.step[j]).toBeCloseTo(value, 9),
    );
  });

  it('is prepared where it is first wanted', () => {
    const { J, r, problem } = systemOf(6, 3, 6);
    const state = stateOf(6, 3);
    runUnguarded(iterative.linearize(state, null, false), problem);
    state.damping = 0.7;
    runUnguarded(iterative.solve(state), problem);
    plainStep(J, r, 0.7, [1, 1, 1], [0, 1, 2]).forEach((value, j) =>
      expect(state.step[j]).toBeCloseTo(value, 9),
    );
  });

  it('ends as soon as its gradient has come down to the tolerance', () => {
    const products = (tolerance: number, damping = 1e-6): number => {
      const { J, r, problem, asked } = systemOf(60, 30, 3);
      const state = stateOf(60, 30, tolerance);
      runUnguarded(iterative.linearize(state, null, false), problem);
      iterative.prepare(state);
      state.damping = damping;
      asked.length = 0;
      runUnguarded(iterative.solve(state), problem);
      // ‖(JᵀJ + λI)δ + Jᵀr‖ against ‖Jᵀr‖.
      const slope = J.map((row, i) => row.reduce((sum, a, j) => sum + a * state.step[j], r[i]));
      const rest = J[0].map(
        (_, j) => J.reduce((sum, row, i) => sum + row[j] * slope[i], 0) + damping * state.step[j],
      );
      expect(Math.hypot(...rest) / (0.5 * Math.hypot(...state.gradient))).toBeLessThanOrEqual(
        tolerance * 1.0001,
      );
      return asked.length;
    };
    const counts = [0.5, 0.1, 1e-2, 1e-4].map((tolerance) => products(tolerance));
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(counts[0]).toBeLessThan(counts[3] / 2);
    // Two products for each column, and Jδ.
    expect(counts.every((count) => count % 2 === 1)).toBe(true);
    expect(products(0.1, 1e6)).toBe(3);
  });

  it('takes further dampings from the same products', () => {
    const { problem, asked } = systemOf(60, 30, 4);
    const state = stateOf(60, 30, 1e-3);
    runUnguarded(iterative.linearize(state, null, false), problem);
    iterative.prepare(state);
    state.damping = 1e-3;
    runUnguarded(iterative.solve(state), problem);
    asked.length = 0;
    for (const damping of [1, 10, 1e3]) {
      state.damping = damping;
      runUnguarded(iterative.solve(state), problem);
    }
    expect(asked).toEqual(['Jv', 'Jv', 'Jv']);
  });

  it('is none where the gradient is 0', () => {
    const state = stateOf(3, 2);
    const { problem } = systemOf(3, 2, 1);
    const flat: Problem = { ...problem, vectorJacobian: (_, _u, product) => product.fill(0) };
    runUnguarded(iterative.linearize(state, null, false), flat);
    iterative.prepare(state);
    state.damping = 1;
    expect(runUnguarded(iterative.solve(state), flat)).toBe(NaN);
    const exact: Problem = { ...problem, residuals: (_, out) => out.fill(0) };
    runUnguarded(iterative.linearize(state, null, false), exact);
    iterative.prepare(state);
    expect(runUnguarded(iterative.solve(state), exact)).toBe(NaN);
  });

  it('of a matrix of low rank ends when nothing new is left', () => {
    const u = [1, 2, -1, 3];
    const v = [2, 1, -1];
    const J = u.map((a) => v.map((b) => a * b));
    const r = [1, -1, 2, 0.5];
    const state = stateOf(4, 3);
    const problem: Problem = {
      p0: new Float64Array(3),
      fg: () => NaN,
      residuals: (_, out) => out.set(r),
      jacobianVector: (_, w, product) =>
        product.set(u.map((a) => a * v.reduce((s, b, j) => s + b * w[j], 0))),
      vectorJacobian: (_, w, product) =>
        product.set(v.map((b) => b * u.reduce((s, a, i) => s + a * w[i], 0))),
    };
    runUnguarded(iterative.linearize(state, null, false), problem);
    iterative.prepare(state);
    state.damping = 0.5;
    runUnguarded(iterative.solve(state), problem);
    plainStep(J, r, 0.5, [1, 1, 1], [0, 1, 2]).forEach((value, j) =>
      expect(state.step[j]).toBeCloseTo(value, 10),
    );
  });
});

describe('the linear model by products', () => {
  it('keeps residuals that are known, and the largest |x|', () => {
    const { problem, asked } = systemOf(3, 2, 2);
    const state = stateOf(3, 2);
    state.x.set([3, -4]);
    state.sizes.set([5, 1]);
    Object.assign(state, { f: 8 });
    state.residuals.set([2, 0, 2]);
    expect(runUnguarded(iterative.linearize(state, null, true), problem)).toBe(true);
    expect(asked).toEqual(['Jᵀu']);
    expect([state.f, state.ready, ...state.sizes]).toEqual([8, true, 5, 4]);
  });

  it.each([0, 1])('says which element of Jᵀr is not finite: %d', (j) => {
    const { problem } = systemOf(3, 2, 2);
    const state = stateOf(3, 2);
    state.ready = true;
    const bad: Problem = { ...problem, vectorJacobian: (_, _u, product) => (product[j] = -Infinity) };
    expect(runUnguarded(iterative.linearize(state, null, false), bad)).toBe(false);
    expect(state.ready).toBe(false);
    expect(state.obstacle).toBe(`Element ${j} of vectorJacobian is -Infinity at x = [0, 0].`);
  });

  it('estimates column norms from twelve random signs, exactly if columns have one element', () => {
    const { problem, asked } = systemOf(3, 2, 2);
    const diagonal: Problem = {
      ...problem,
      vectorJacobian(_, [a, b], product) {
        asked.push('Jᵀu');
        product.set([3 * a, -4 * b]);
      },
    };
    const norms = runUnguarded(iterative.columnNorms(stateOf(3, 2)), diagonal);
    expect(norms[0]).toBeCloseTo(3, 12);
    expect(norms[1]).toBeCloseTo(4, 12);
    expect(asked).toHaveLength(12);
  });

  it('multiplies by one product', () => {
    const { J, problem } = systemOf(3, 2, 9);
    const state = stateOf(3, 2);
    state.step.set([2, -3]);
    runUnguarded(iterative.multiply(state), problem);
    J.forEach(([a, b], i) => expect(state.slope[i]).toBeCloseTo(2 * a - 3 * b, 12));
  });

  it('asks by the names of the problem’s methods', () => {
    const [x, v, product] = [1, 2, 3].map((size) => new Float64Array(size));
    expect(jacobianVector(x, v, product)).toEqual({ kind: 'jacobianVector', x, v, product });
    expect(vectorJacobian(x, v, product)).toEqual({ kind: 'vectorJacobian', x, u: v, product });
  });
});

describe('products with different matrices', () => {
  const message = /^jacobianVector and vectorJacobian are not products with one Jacobian/;
  it.each([
    ['in the first column', (k: number) => k === 0],
    ['in a later one', (k: number) => k === 2],
  ])('are refused, %s', (_, isWrong) => {
    const { problem } = systemOf(8, 6, 11);
    let calls = 0;
    const wrong: Problem = {
      ...problem,
      jacobianVector(x, v, product) {
        problem.jacobianVector?.(x, v, product);
        if (isWrong(calls++)) product[1] += 0.1;
      },
    };
    const state = stateOf(8, 6);
    runUnguarded(iterative.linearize(state, null, false), wrong);
    iterative.prepare(state);
    state.damping = 1e-6;
    expect(() => runUnguarded(iterative.solve(state), wrong)).toThrow(message);
  });
});
