import { describe, expect, it } from 'vitest';
import { lbfgs, minimize, owlqn, type Problem } from 'quasi-newton';
import { mgh } from '../../bench/problems/mgh/index.js';

describe('lbfgs with bounds', () => {
  const meyer = mgh.find(({ name }) => name === 'mgh10_meyer')!;

  /** Solves a problem in a box of ±30 % around its start, and never leaves it. */
  function solveInBox(problem: Problem) {
    const reach = problem.p0.map((value) => 0.3 * Math.abs(value || 1));
    const lower = problem.p0.map((value, i) => value - reach[i]);
    const upper = problem.p0.map((value, i) => value + reach[i]);
    const watched: Problem = {
      p0: problem.p0,
      fg(x, g) {
        x.forEach((value, i) => {
          if (value < lower[i] || value > upper[i]) throw new Error(`x[${i}] is out of bounds`);
        });
        return problem.fg(x, g);
      },
    };
    const result = minimize(watched, lbfgs({ lower, upper }), { maxEvaluations: 3000 });
    expect(['gradientTolerance', 'precisionFloor']).toContain(result.termination);
    return { ...result, lower, upper };
  }

  it.each(mgh.filter((problem) => problem !== meyer))('solves $name in a box around its start', (problem) => {
    const { x, f, gradientNorm, lower, upper } = solveInBox(problem);
    // The conditions of Karush, Kuhn and Tucker.
    const gradient = new Float64Array(x.length);
    problem.fg(x, gradient);
    const tolerance = 1e-8 * Math.max(1, f);
    expect(gradientNorm).toBeLessThan(tolerance);
    const violated = gradient.filter(
      (g, i) => (x[i] > lower[i] + 1e-7 && g > tolerance) || (x[i] < upper[i] - 1e-7 && g < -tolerance),
    );
    expect(violated).toHaveLength(0);
  });

  it('solves mgh10_meyer to the last digits of f, whose gradient is then noise: 80 at one last bit of x, 1e-4 at another', () => {
    // The least f of runs with many memories.
    expect(Math.abs(solveInBox(meyer).f / 15575.1606741546 - 1)).toBeLessThan(1e-12);
  });

  it.each(['float64', 'float32'] as const)(
    'keeps to them too among a thousand unknowns, stored in %s',
    (storage) => {
      const n = 1000;
      const curvature = (i: number) => 1 + 99 * (i / n);
      const target = (i: number) => Math.sin(i);
      const problem: Problem = {
        p0: new Float64Array(n),
        fg(x, g) {
          let f = 0;
          for (let i = 0; i < n; i++) {
            const [d, next] = [x[i] - target(i), i + 1 < n ? x[i + 1] - x[i] : 0];
            f += (curvature(i) * d * d) / 2 + next * next;
          }
          g?.forEach((_, i) => {
            const [before, after] = [i > 0 ? x[i] - x[i - 1] : 0, i + 1 < n ? x[i + 1] - x[i] : 0];
            g[i] = curvature(i) * (x[i] - target(i)) + 2 * (before - after);
          });
          return f;
        },
      };
      const { x, converged } = minimize(problem, lbfgs({ lower: -0.5, upper: 0.4, storage }));
      expect(converged).toBe(true);
      const g = new Float64Array(n);
      problem.fg(x, g);
      // By how much x − P(x − ∇f) misses 0.
      const misses = x.map((value, i) => Math.abs(Math.min(0.4, Math.max(-0.5, value - g[i])) - value));
      expect(Math.max(...misses)).toBeLessThan(2e-8);
      expect(x.filter((value) => value === -0.5 || value === 0.4).length).toBeGreaterThan(300);
    },
  );

  it('starts from the nearest point of the box, and takes one number for all', () => {
    const rosenbrock = mgh[0];
    const { x, converged } = minimize(rosenbrock, lbfgs({ lower: 1.5 }));
    expect(converged).toBe(true);
    expect([...x]).toEqual([1.5, expect.closeTo(2.25, 8)]);
  });

  it('names bounds that cross or have the wrong length', () => {
    expect(() => lbfgs({ lower: [1, 2], upper: [3, 1] })).toThrow(/at element 1 they are 2 and 1/);
    expect(() => minimize(mgh[0], lbfgs({ lower: [0, 0, 0] }))).toThrow(
      /lower has length 3; there are 2 unknowns/,
    );
    expect(() => lbfgs({ lower: NaN })).toThrow(/lower: must be a number, null \(unbounded\), or an array/);
  });
});

/** The minimizer of (x − value)²/2 + by·|x|. */
const soft = (value: number, by: number) => Math.sign(value) * Math.max(0, Math.abs(value) - by);

describe('owlqn', () => {
  const target = [3, 0.5, -2, 0, -0.99, 1.01];
  const curvature = [1, 4, 2, 1, 1, 1];
  const bowl: Problem = {
    p0: Float64Array.of(1, 1, 1, 1, 1, 1),
    fg(x, g) {
      g?.set(x.map((value, i) => curvature[i] * (value - target[i])));
      return x.reduce((sum, value, i) => sum + (curvature[i] * (value - target[i]) ** 2) / 2, 0);
    },
  };

  it('shrinks a separable quadratic by the soft threshold, to exact zeros', () => {
    const { x, f, converged } = minimize(bowl, owlqn({ l1: 1 }), { gtol: 1e-10 });
    const expected = target.map((value, i) => soft(value, 1 / curvature[i]));
    expect(converged).toBe(true);
    expected.forEach((value, i) => expect(x[i]).toBeCloseTo(value, 9));
    expect([...x].map((value) => value === 0)).toEqual(expected.map((value) => value === 0));
    const penalty = x.reduce((sum, value) => sum + Math.abs(value), 0);
    expect(f).toBeCloseTo(bowl.fg(x, null) + penalty, 12);
  });

  it('leaves elements alone that are not penalized', () => {
    const { x } = minimize(bowl, owlqn({ l1: 1, penalized: (i) => i !== 4 }), { gtol: 1e-10 });
    expect(x[4]).toBeCloseTo(-0.99, 9);
  });

  it('meets the optimality conditions of the lasso', () => {
    // 40 rows, 60 columns, a sparse truth: more unknowns than data.
    const [rows, columns, l1] = [40, 60, 0.5];
    const A = Array.from({ length: rows * columns }, (_, k) => Math.sin(1.7 * k * k + k));
    const b = Array.from({ length: rows }, (_, i) => A[i * columns + 3] * 2 - A[i * columns + 20] * 3);
    const lasso: Problem = {
      p0: new Float64Array(columns),
      fg(x, g) {
        g?.fill(0);
        let f = 0;
        for (let i = 0; i < rows; i++) {
          let r = -b[i];
          for (let j = 0; j < columns; j++) r += A[i * columns + j] * x[j];
          f += r * r;
          if (g) for (let j = 0; j < columns; j++) g[j] += 2 * r * A[i * columns + j];
        }
        return f;
      },
    };
    const { x } = minimize(lasso, owlqn({ l1 }), { gtol: 1e-7, maxIterations: 2000 });
    const g = new Float64Array(columns);
    lasso.fg(x, g);
    const excess = x.map((value, j) =>
      value === 0 ? Math.abs(g[j]) - l1 : Math.abs(g[j] + l1 * Math.sign(value)),
    );
    expect(Math.max(...excess)).toBeLessThan(1e-5);
    expect(x.filter((value) => value !== 0).length).toBeLessThan(20);
    expect(Math.abs(x[3])).toBeGreaterThan(1.5);
    expect(Math.abs(x[20])).toBeGreaterThan(2.5);
  });
});
