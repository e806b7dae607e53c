import { describe, expect, it } from 'vitest';
import { uniform } from '../../../bench/problems/random.js';
import { runUnguarded } from '../../../src/core/drive.ts';
import {
  iterative,
  jacobianVector,
  mostColumns,
  multiplied,
  vectorJacobian,
} from '../../../src/solvers/leastSquares/iterative.ts';
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
  ])(
    'a step by products of %d residuals and %d unknowns at λ = %d is that of the damped system',
    (m, n, damping, held) => {
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
    },
  );

  it('a D of 0 counts as 1', () => {
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
    const { problem, asked } = systemOf(3, 2, 1);
    const flat: Problem = { ...problem, vectorJacobian: (_, _u, product) => product.fill(0) };
    runUnguarded(iterative.linearize(state, null, false), flat);
    iterative.prepare(state);
    state.damping = 1;
    asked.length = 0;
    expect(runUnguarded(iterative.solve(state), flat)).toBe(NaN);
    expect([asked, state.obstacle]).toEqual([[], '']);
    const exact: Problem = { ...problem, residuals: (_, out) => out.fill(0) };
    runUnguarded(iterative.linearize(state, null, false), exact);
    iterative.prepare(state);
    expect(runUnguarded(iterative.solve(state), exact)).toBe(NaN);
  });

  it('a step by products of a matrix of low rank ends when nothing new is left', () => {
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

/** A state whose system is that of given rows, ready to solve. */
function prepared(rows: number[][], r: number[], damping: number, tolerance = 1e-14, rounded = false) {
  const [m, n] = [rows.length, rows[0].length];
  const asked: string[] = [];
  const change: { v?: (product: Float64Array, call: number) => void; u?: typeof change.v } = {};
  const calls = { v: 0, u: 0 };
  const problem: Problem = {
    p0: new Float64Array(n),
    fg: () => NaN,
    residuals: (_, out) => out.set(r),
    jacobianVector(_, v, product) {
      asked.push('Jv');
      product.set(rows.map((row) => row.reduce((sum, a, j) => sum + a * v[j], 0)));
      change.v?.(product, calls.v++);
    },
    vectorJacobian(_, u, product) {
      asked.push('Jᵀu');
      product.set(rows[0].map((_a, j) => rows.reduce((sum, row, i) => sum + row[j] * u[i], 0)));
      change.u?.(product, calls.u++);
    },
  };
  const state = { ...stateOf(m, n, tolerance), rounded };
  runUnguarded(iterative.linearize(state, null, false), problem);
  iterative.prepare(state);
  state.damping = damping;
  asked.length = 0;
  calls.u = 0;
  return { state, asked, change, solve: () => runUnguarded(iterative.solve(state), problem), m, n };
}

describe('the columns of a step', () => {
  it.each([
    [1, 1],
    [300, 300],
    [301, 300],
    [223_696, 300],
    [223_697, 299],
    [335_544, 200],
    [2 ** 24, 4],
    [2 ** 27, 2],
  ])('are limited, for %d unknowns to %d: half a gigabyte', (n, most) => expect(mostColumns(n)).toBe(most));

  it('are no more than 300', () => {
    const n = 320;
    const rows = Array.from({ length: n }, (_, i) =>
      Array.from({ length: n }, (_v, j) => (i === j ? 1.05 ** i : 0)),
    );
    const { solve, asked, state } = prepared(rows, Array(n).fill(1), 1e-12, 1e-16);
    expect(solve()).toBeGreaterThan(0);
    expect(asked).toHaveLength(2 * 300 + 1);
    expect(state.step.every(Number.isFinite)).toBe(true);
  });

  it('are as many in any unit of J and r, and none is new by its unit', () => {
    const { J, r } = systemOf(30, 12, 8);
    const stepIn = (a: number, b: number, tolerance: number) => {
      const rows = J.map((row) => row.map((value) => a * value));
      const scaled = r.map((value) => b * value);
      const { solve, asked, state } = prepared(rows, scaled, 1e-3 * a * a, tolerance);
      solve();
      return { count: asked.length, step: Array.from(state.step, (value) => (value * a) / b) };
    };
    for (const tolerance of [0.3, 1e-2, 1e-14]) {
      const { count, step } = stepIn(1, 1, tolerance);
      for (const [a, b] of [
        [1e6, 1],
        [1e-6, 1],
        [1, 1e6],
        [1, 1e-6],
        [1e-9, 1e4],
        [1e9, 1e-4],
      ]) {
        const other = stepIn(a, b, tolerance);
        expect([tolerance, a, b, other.count]).toEqual([tolerance, a, b, count]);
        other.step.forEach((value, j) => expect(value).toBeCloseTo(step[j], 7));
      }
    }
  });

  it.each<[string, number[][], number[], number]>([
    // Products, and the one for Jδ.
    ['the residuals are', [[2]], [1], 2 + 1],
    [
      'all is along the gradient',
      [
        [2, 0],
        [0, 0],
      ],
      [1, 1],
      2 + 1,
    ],
    [
      'a new column of U is 0',
      [
        [2, 0],
        [0, 1],
      ],
      [1, 0],
      2 + 1,
    ],
    [
      'a column is smaller than 1e-13 of the largest',
      [
        [1, 0],
        [1e-6, 1e-14],
        [0, 0],
      ],
      [1, 0, 0],
      2 + 1,
    ],
    [
      'a column is larger than 1e-13 of the largest',
      [
        [1, 0],
        [1e-6, 1e-12],
        [0, 0],
      ],
      [1, 0, 0],
      4 + 1,
    ],
  ])('end where nothing is new: %s', (_, rows, r, products) => {
    const { solve, asked, state } = prepared(rows, r, 1e-30, 1e-30);
    expect(solve()).toBeGreaterThan(0);
    expect(asked).toHaveLength(products);
    expect(state.step.every(Number.isFinite)).toBe(true);
    // The gradient of the linear model is 0 as far as it was looked at.
    const [along] = state.step;
    expect(along).toBeCloseTo(-r[0] / rows[0][0], 5);
  });
});

describe('a product that is not finite', () => {
  const { J, r } = systemOf(8, 6, 11);
  it.each(['v', 'u'] as const)('is no step, and is named: %s', (name) => {
    for (const bad of [0, 2]) {
      const { solve, change, state, asked } = prepared(J, r, 1e-6);
      change[name] = (product, call) => call === bad && (product[1] = NaN);
      expect(solve()).toBe(NaN);
      expect(asked).toHaveLength(2 * bad + (name === 'v' ? 1 : 2));
      const method = { v: 'jacobianVector', u: 'vectorJacobian' }[name];
      expect(state.obstacle).toBe(`Element 1 of ${method} is NaN at x = [0, 0, 0, 0, 0, 0].`);
      // Nor is there one for another damping.
      state.damping = 1;
      expect(solve()).toBe(NaN);
      expect(asked).toHaveLength(2 * bad + (name === 'v' ? 1 : 2));
    }
  });

  it('is told by a product alone, which keeps an older obstacle', () => {
    const state = stateOf(2, 1);
    state.obstacle = 'before';
    const ask = (value: number) => {
      const question = jacobianVector(state.x, Float64Array.of(1), new Float64Array(2));
      const problem = { jacobianVector: (_x: never, _v: never, p: Float64Array) => p.fill(value) };
      return runUnguarded(multiplied(state, question), problem as unknown as Problem);
    };
    expect([ask(3), state.obstacle]).toEqual([true, 'before']);
    expect([ask(Infinity), state.obstacle]).toEqual([
      false,
      'Element 0 of jacobianVector is Infinity at x = [0].',
    ]);
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

describe('products that round', () => {
  const { J, r } = systemOf(8, 6, 11);
  const message = /are not products with one Jacobian/;
  const wrongBy = (part: number, rounded: boolean, along: number[] = []) => {
    const { solve, change } = prepared(J, r, 1e-6, 1e-14, rounded);
    change.v = (product, call) => {
      const size = Math.hypot(...product);
      if (call === 0)
        product.forEach((_, i) => (product[i] += part * size * (along[i] ?? (i === 1 ? 1 : 0))));
    };
    return solve;
  };

  it('are compared first along r, where errors of a millionth tell, in float32 of a thousandth', () => {
    const unit = r.map((value) => value / Math.hypot(...r));
    expect(wrongBy(1e-5, false, unit)).toThrow(message);
    expect(wrongBy(1e-5, true, unit)).not.toThrow();
    expect(wrongBy(1e-2, true, unit)).toThrow(message);
    expect(wrongBy(0.5, true)).toThrow(message);
  });

  it('are compared in units of J, not of r', () => {
    const { solve, change } = prepared(
      J,
      r.map((value) => 1e8 * value),
      1e-6,
    );
    change.v = (product, call) => call === 2 && (product[1] += 0.1);
    expect(solve).toThrow(message);
  });

  it('are not refused for what rounding leaves of a small singular value', () => {
    const { solve, change, state } = prepared(
      [
        [1, 0],
        [1e-3, 1e-10],
        [0, 0],
      ],
      [1, 0, 0],
      1e-25,
      1e-30,
    );
    change.v = (product) => product.forEach((_, i) => (product[i] += 1e-14 * Math.sin(9 * i + 1)));
    change.u = (product) => product.forEach((_, j) => (product[j] += 1e-14 * Math.cos(7 * j + 1)));
    expect(solve).not.toThrow();
    expect(state.step[0]).toBeCloseTo(-1, 1);
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
