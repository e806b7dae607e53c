import { describe, expect, it } from 'vitest';
import { uniform } from '../../../bench/problems/random.js';
import { runUnguarded } from '../../../src/core/drive.ts';
import {
  factorDamped,
  formNormal,
  hold,
  scaledSquare,
  solveDamped,
  timesJacobian,
  type DampedSystem,
} from '../../../src/solvers/leastSquares/dampedSystem.ts';
import { dense } from '../../../src/solvers/leastSquares/dense.ts';
import { newState } from '../../../src/solvers/leastSquares/state.ts';
import type { Box } from '../../../src/core/bounds.ts';
import type { Problem } from '../../../src/core/problem.ts';

/** Solves a system by elimination with pivots. */
function eliminate(matrix: number[][], right: number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]]);
  for (let k = 0; k < rows.length; k++) {
    const pivot = rows.slice(k).reduce((best, row) => (Math.abs(row[k]) > Math.abs(best[k]) ? row : best));
    rows.splice(rows.indexOf(pivot), 1);
    rows.splice(k, 0, pivot);
    rows.forEach((row, i) => {
      if (i !== k) rows[i] = row.map((value, j) => value - (row[k] / pivot[k]) * pivot[j]);
    });
  }
  return rows.map((row, k) => row[rows.length] / row[k]);
}

/** The step of (JᵀJ + λD²)δ = −Jᵀb over the free unknowns, by its definition; a scale of 0 counts as 1. */
function plainStep(J: number[][], b: number[], damping: number, scale: number[], free: number[]): number[] {
  const kept = free.flatMap((isFree, j) => (isFree === 1 ? [j] : []));
  const normal = kept.map((p) =>
    kept.map(
      (q) =>
        J.reduce((sum, row) => sum + row[p] * row[q], 0) + (p === q ? damping * (scale[p] || 1) ** 2 : 0),
    ),
  );
  const right = kept.map((p) => -J.reduce((sum, row, i) => sum + row[p] * b[i], 0));
  const found = kept.length === 0 ? [] : eliminate(normal, right);
  return free.map((isFree, j) => (isFree === 1 ? found[kept.indexOf(j)] : 0));
}

function randomSystem(m: number, n: number, seed: number) {
  const random = uniform(seed);
  const signed = () => 2 * random() - 1;
  const J = Array.from({ length: m }, () => Array.from({ length: n }, signed));
  const b = Array.from({ length: m }, signed);
  const scale = Array.from({ length: n }, (_, j) => (j % 3 === 1 ? 0 : 0.5 + random()));
  const free = Array.from({ length: n }, (_, j) => Number((j + seed) % 4 !== 2));
  const k = Math.min(m, n);
  const system: DampedSystem = {
    jacobian: Float64Array.from(J.flat()),
    scale: Float64Array.from(scale),
    free: Float64Array.from(free),
    normal: new Float64Array(k * k),
    factor: new Float64Array(k * k),
    dual: new Float64Array(m < n ? m : 0),
  };
  return { J, b, scale, free, system };
}

const shapes = [
  [6, 3],
  [4, 4],
  [3, 6],
  [1, 5],
  [9, 1],
];

describe.each(shapes)('the damped system of %d residuals and %d unknowns', (m, n) => {
  it.each([1e-2, 1, 50])('has the solution of its definition, at λ = %d', (damping) => {
    for (let seed = 0; seed < 4; seed++) {
      const { J, b, scale, free, system } = randomSystem(m, n, seed);
      formNormal(system);
      expect(factorDamped(system, damping)).toBe(true);
      const out = new Float64Array(n).fill(7);
      solveDamped(system, Float64Array.from(b), out);
      plainStep(J, b, damping, scale, free).forEach((value, j) => expect(out[j]).toBeCloseTo(value, 10));
      // The factors serve again, with another damping as well.
      factorDamped(system, 3 * damping);
      solveDamped(
        system,
        Float64Array.from(b, (value) => 2 * value),
        out,
      );
      const doubled = b.map((value) => 2 * value);
      plainStep(J, doubled, 3 * damping, scale, free).forEach((value, j) =>
        expect(out[j]).toBeCloseTo(value, 10),
      );
    }
  });

  it('is solved with its decrease, which is that of ‖r + Jδ‖² + λ‖Dδ‖² and λ‖Dδ‖²', () => {
    const { J, b, scale, free, system } = randomSystem(m, n, 5);
    const state = newState({ n, precision: 'float64', residualCount: m }, '2-point', {
      method: 'dense',
      tolerance: 0.1,
      isPlain: false,
    });
    const problem: Problem = {
      p0: new Float64Array(n),
      fg: () => NaN,
      residuals(_, r, jacobian) {
        r.set(b);
        jacobian?.set(J.flat());
      },
    };
    expect(runUnguarded(dense.linearize(state, null, false), problem)).toBe(true);
    state.scale.set(scale);
    state.free.set(free);
    state.damping = 0.3;
    dense.prepare(state);
    const step = plainStep(J, b, 0.3, scale, free);
    const rest = J.map((row, i) => row.reduce((sum, a, j) => sum + a * step[j], b[i]));
    const squares = (v: number[]) => v.reduce((sum, value) => sum + value * value, 0);
    expect(runUnguarded(dense.solve(state), problem)).toBeCloseTo(squares(b) - squares(rest), 10);
    step.forEach((value, j) => expect(state.step[j]).toBeCloseTo(value, 10));
    rest.forEach((value, i) => expect(state.slope[i]).toBeCloseTo(value - b[i], 10));
    state.slope.fill(NaN);
    state.step.fill(1);
    runUnguarded(dense.multiply(state), problem);
    J.forEach((row, i) => expect(state.slope[i]).toBeCloseTo(row.reduce((sum, a) => sum + a, 0), 12)); // prettier-ignore
    const bent = b.map((value, i) => value * i + 1);
    state.curvature.set(bent);
    runUnguarded(dense.solveAgain(state), problem);
    plainStep(J, bent, 0.3, scale, free).forEach((value, j) =>
      expect(state.second[j]).toBeCloseTo(value, 10),
    );
    expect([...runUnguarded(dense.columnNorms(state), problem)]).toEqual(
      Array.from({ length: n }, (_, j) => expect.closeTo(Math.hypot(...J.map((row) => row[j])), 12)),
    );
    expect(system.jacobian).toEqual(state.jacobian);
  });
});

it('a matrix that is not positive definite has no step', () => {
  const { system } = randomSystem(3, 2, 1);
  system.normal.set([1, 0, 2, 1]);
  system.free.fill(1);
  expect(factorDamped(system, 0)).toBe(false);
  expect(factorDamped(system, 1.5)).toBe(true);
  const state = newState({ n: 2, precision: 'float64', residualCount: 3 }, '2-point', {
    method: 'dense',
    tolerance: 0.1,
    isPlain: false,
  });
  state.normal.set([1, 0, 2, 1]);
  expect(runUnguarded(dense.solve(state), { p0: state.x, fg: () => NaN })).toBeNaN();
});

it('a held unknown does not keep the matrix from being positive definite, without damping', () => {
  const { J, b, system } = randomSystem(4, 3, 1);
  system.free.set([1, 0, 1]);
  formNormal(system);
  expect(factorDamped(system, 0)).toBe(true);
  const out = new Float64Array(3);
  solveDamped(system, Float64Array.from(b), out);
  plainStep(J, b, 0, [1, 1, 1], [1, 0, 1]).forEach((value, j) => expect(out[j]).toBeCloseTo(value, 10));
});

it('a product Jv adds each row to the last bit as four sums do', () => {
  for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 63, 64, 65, 67]) {
    const random = uniform(n);
    const J = Float64Array.from({ length: 3 * n }, () => random() - 0.5);
    const v = Float64Array.from({ length: n }, () => random() - 0.5);
    const out = new Float64Array(3).fill(7);
    timesJacobian(J, v, out);
    for (let i = 0; i < 3; i++) {
      const sums = [0, 0, 0, 0];
      v.forEach((value, j) => (sums[j % 4] += J[i * n + j] * value));
      expect(out[i]).toBe(sums[0] + sums[1] + (sums[2] + sums[3]));
    }
  }
});

it('‖Dv‖² takes a scale of 0 for 1', () => {
  expect(scaledSquare(Float64Array.of(3, 0, 0.5), Float64Array.of(2, 5, -4))).toBe(36 + 25 + 4);
});

it('unknowns at a bound are held where −∇f leads out, and free again elsewhere', () => {
  const free = Float64Array.of(0, 0, 0, 0);
  const box = { lower: () => 0, upper: () => 2 } as unknown as Box;
  const at = { x: Float64Array.of(0, 0, 2, 1), f: 0, gradient: Float64Array.of(1, -1, -1, 1) };
  const system = { ...randomSystem(2, 4, 1).system, free };
  hold(system, null, at);
  expect([...free]).toEqual([0, 0, 0, 0]);
  hold(system, box, at);
  expect([...free]).toEqual([0, 1, 0, 1]);
});
