import { describe, expect, it } from 'vitest';
import { lbfgs, leastSquares, levenbergMarquardt, minimize, type Problem, type Solver } from 'quasi-newton';
import { uniform } from '../../bench/problems/random.js';

/** Random residuals Aᵢᵀx + bend·xⱼxⱼ₊₁ − bᵢ, with their Jacobian. */
function randomResiduals(seed: number) {
  const random = uniform(seed);
  const signed = () => 2 * random() - 1;
  const [n, m] = [1 + Math.floor(5 * random()), 1 + Math.floor(12 * random())];
  const bend = random() < 0.5 ? 0 : 0.3;
  const rows = Array.from({ length: m }, () => Array.from({ length: n }, signed));
  const b = Array.from({ length: m }, () => 3 * signed());
  const next = (j: number) => (j + 1) % n;
  const residuals = (x: ArrayLike<number>): number[] =>
    rows.map((row, i) => row.reduce((sum, a, j) => sum + a * x[j] + bend * a * x[j] * x[next(j)], -b[i]));
  const jacobian = (x: ArrayLike<number>): number[][] =>
    rows.map((row) => {
      const slopes = row.slice();
      row.forEach((a, j) => {
        slopes[j] += bend * a * x[next(j)];
        slopes[next(j)] += bend * a * x[j];
      });
      return slopes;
    });
  return { n, m, random, signed, residuals, jacobian };
}

/** Random bounds: some on one side, some on both, some that pin an unknown, some at or beyond its start. */
function randomBox(n: number, random: () => number, start: Float64Array) {
  const [lower, upper] = [new Float64Array(n).fill(-Infinity), new Float64Array(n).fill(Infinity)];
  for (let j = 0; j < n; j++) {
    const kind = Math.floor(6 * random());
    const width = [1e-8, 0.1, 1][Math.floor(3 * random())];
    if (kind === 0) lower[j] = upper[j] = start[j];
    if (kind === 1) lower[j] = start[j];
    if (kind === 2) upper[j] = start[j];
    if (kind === 3) [lower[j], upper[j]] = [start[j] + width, start[j] + 2 * width];
    if (kind === 4) [lower[j], upper[j]] = [start[j] - width, start[j] + width];
  }
  return { lower, upper };
}

describe('within bounds, where derivatives are computed by differences', () => {
  const solvers: [string, (bounds: { lower: Float64Array; upper: Float64Array }) => Solver][] = [
    ['damping', (bounds) => levenbergMarquardt(bounds)],
    ['a radius', (bounds) => levenbergMarquardt({ ...bounds, control: 'radius' })],
    ['L-BFGS', (bounds) => lbfgs(bounds)],
  ];
  it.each(solvers)('no evaluation leaves them, from start to ending: %s', (_, solver) => {
    for (let seed = 0; seed < 60; seed++) {
      const { n, m, random, signed, residuals } = randomResiduals(seed);
      const p0 = Float64Array.from({ length: n }, signed);
      const { lower, upper } = randomBox(n, random, p0);
      const isInside = (x: ArrayLike<number>) => lower.every((bound, j) => x[j] >= bound && x[j] <= upper[j]);
      let outside = 0;
      const problem = leastSquares({
        p0,
        residualCount: m,
        residuals(x, r) {
          if (!isInside(x)) outside++;
          r.set(residuals(x));
        },
      });
      const { x } = minimize(problem, solver({ lower, upper }), { maxIterations: 60, gtol: 0 });
      expect([seed, outside, isInside(x)]).toEqual([seed, 0, true]);
    }
  });

  it('a loss that is defined only within them is minimized on them', () => {
    const roots = leastSquares({
      p0: Float64Array.of(1, 2),
      residualCount: 3,
      residuals: ([a, b], r) => r.set([Math.sqrt(a) + 1, Math.sqrt(b) - 1, a + b]),
    });
    for (const solver of [levenbergMarquardt({ lower: 0 }), lbfgs({ lower: 0 })]) {
      const { x } = minimize(roots, solver, { gtol: 1e-6 });
      expect(x[0]).toBeLessThan(1e-8);
      // (√b − 1)² + b² is least where (1 − 1/√b) + 2b = 0.
      expect(1 - 1 / Math.sqrt(x[1]) + 2 * x[1]).toBeCloseTo(0, 4);
    }
  });
});

it('a step that a bound cuts ends on it, also where rounding bends it', () => {
  for (let seed = 0; seed < 200; seed++) {
    const { n, m, signed, residuals, jacobian } = randomResiduals(2 * seed + 1);
    const p0 = Float64Array.from({ length: n }, signed);
    const lower = p0.map((value, j) => (j % 2 === 0 ? value - 3e-8 : -Infinity));
    const upper = p0.map((value, j) => (j % 2 === 0 ? Infinity : value + 0.1));
    const problem = leastSquares({
      p0,
      residualCount: m,
      residuals(x, r, J) {
        r.set(residuals(x).map((value) => value + 3));
        J?.set(jacobian(x).flat());
      },
    });
    for (const control of ['damping', 'radius'] as const) {
      const { x } = minimize(problem, levenbergMarquardt({ control, lower, upper }), { maxIterations: 4 });
      x.forEach((value, j) => {
        const room = Math.min(value - lower[j], upper[j] - value);
        expect(room === 0 || room > 1e-14).toBe(true);
      });
    }
  }
});

it('a step limited by a radius ends where rounding makes the lengths of steps jump', () => {
  // JJᵀ of nine residuals of one unknown has rank 1: with little damping, steps are rounding.
  for (let seed = 0; seed < 40; seed++) {
    const random = uniform(seed);
    const [a, b] = [0, 1].map(() => Array.from({ length: 9 }, () => 4 * random() - 2));
    const residual = (x: number, i: number): number =>
      i % 3 === 0 ? Math.abs(a[i] * x - b[i]) : a[i] * x - b[i];
    const slope = (x: number, i: number): number => (i % 3 === 0 ? a[i] * Math.sign(a[i] * x - b[i]) : a[i]);
    const problem: Problem = {
      ...leastSquares({
        p0: Float64Array.of(random()),
        residualCount: 9,
        residuals: ([x], r) => r.forEach((_, i) => (r[i] = residual(x, i))),
      }),
      jacobianVector: ([x], [v], product) => product.forEach((_, i) => (product[i] = slope(x, i) * v)),
      vectorJacobian: ([x], u, product) => product.fill(u.reduce((sum, w, i) => sum + w * slope(x, i), 0)),
      jacobianGram: ([x], product) =>
        product.forEach((_, at) => (product[at] = slope(x, Math.floor(at / 9)) * slope(x, at % 9))),
    };
    const solver = levenbergMarquardt({ method: 'dual', control: 'radius' });
    const { termination } = minimize(problem, solver, { maxEvaluations: 2000, gtol: 1e-14 });
    expect([seed, termination]).not.toEqual([seed, 'maxEvaluations']);
  }
});

it('differences that are inexact are not called wrong', () => {
  // Residuals of 1e-3 beside terms of 1e9: differences of them have two digits.
  const hidden = leastSquares({
    p0: Float64Array.of(1, 1),
    residualCount: 3,
    residuals: ([a, b], r) =>
      r.set([0, 1, 2].map((t) => 1e9 * (a - b) + 1e-3 * a * t + Math.sin(1e8 * a * t))),
  });
  for (const solver of [levenbergMarquardt(), lbfgs()]) {
    expect(minimize(hidden, solver, { gtol: 0 }).termination).not.toBe('gradientMismatch');
  }
});

/** Random residuals of unknowns in units that differ by a factor, with J, JJᵀ and products; one is nonlinear. */
function mixedUnits(seed: number, unit: number): Problem {
  const random = uniform(seed);
  const [n, m] = [2 + Math.floor(5 * random()), 1 + Math.floor(8 * random())];
  const A = Array.from({ length: m }, () => Array.from({ length: n }, () => 2 * random() - 1));
  const b = A.map(() => 2 * random() - 1);
  const scale = Array.from({ length: n }, (_, j) => (j === 0 || random() < 0.3 ? unit : 1));
  const rowsAt = (x: ArrayLike<number>) =>
    A.map((row, i) => row.map((a, j) => a * scale[j] * (1 + 0.1 * Math.cos(x[j] * scale[j] + i))));
  const product = (values: number[][], v: ArrayLike<number>) =>
    values.map((row) => row.reduce((sum, a, j) => sum + a * v[j], 0));
  const transposed = (values: number[][]) => values[0].map((_, j) => values.map((row) => row[j]));
  const problem = leastSquares({
    p0: Float64Array.from(scale, (s, j) => (0.3 + 0.1 * j) / s),
    residualCount: m,
    residuals(x, r, jacobian) {
      A.forEach((row, i) => {
        const z = (j: number) => x[j] * scale[j];
        r[i] = row.reduce((sum, a, j) => sum + a * (z(j) + 0.1 * Math.sin(z(j) + i)), -b[i]);
      });
      jacobian?.set(rowsAt(x).flat());
    },
    jacobianVector: (x, v, out) => out.set(product(rowsAt(x), v)),
    vectorJacobian: (x, u, out) => out.set(product(transposed(rowsAt(x)), u)),
  });
  const jacobianGram = (x: Float64Array, out: Float64Array): void => {
    const values = rowsAt(x);
    out.set(values.flatMap((row) => product(values, row)));
  };
  return { ...problem, jacobianGram };
}

describe('where steps are measured by ‖δ‖ and the unknowns have different units', () => {
  const options = { gtol: 0, maxIterations: 300 };
  const solvers: [string, () => Solver][] = [
    ['dual', () => levenbergMarquardt({ method: 'dual' })],
    ['dense', () => levenbergMarquardt({ method: 'dense', scaling: 'identity' })],
    ['a radius', () => levenbergMarquardt({ method: 'dense', scaling: 'identity', control: 'radius' })],
    ['products', () => levenbergMarquardt({ method: 'iterative', scaling: 'identity', tolerance: 1e-6 })],
  ];

  it.each(solvers)('an end at the precision of f is one, and others say why: %s', (_, solver) => {
    for (const unit of [1e4, 1e8, 1e11, 1e12, 1e13]) {
      for (let seed = 0; seed < 12; seed++) {
        const problem = mixedUnits(seed, unit);
        const start = problem.fg(problem.p0, null);
        const least = minimize(
          problem,
          levenbergMarquardt({ method: 'dense', scaling: 'columns' }),
          options,
        ).f;
        const { termination, f, message } = minimize(problem, solver(), options);
        // Below 1e-12 of the start, f may be rounding of its terms.
        const isLow = f - least < 1e-6 * least + 1e-12 * start;
        const says = message.includes("scaling: 'columns', without method: 'dual'");
        const isSo = {
          precisionFloor: isLow,
          lineSearchFailed: says || f <= 2 * least + 1e-9 * start,
        };
        expect([unit, seed, termination, (isSo as Record<string, boolean>)[termination] ?? true]).toEqual([
          unit,
          seed,
          termination,
          true,
        ]);
      }
    }
  });
});

it('a first damping that lets no step promise anything is lowered', () => {
  for (const damping of [1e16, 1e24, 1e30]) {
    for (const control of ['damping', 'radius'] as const) {
      const problem = mixedUnits(3, 1);
      const solver = levenbergMarquardt({ method: 'dense', scaling: 'identity', damping, control });
      const [found, usual] = [solver, levenbergMarquardt()].map((by) =>
        minimize(problem, by, { gtol: 1e-8 }),
      );
      expect([found.converged, usual.converged]).toEqual([true, true]);
      expect(found.f - usual.f).toBeLessThan(1e-9);
    }
  }
});
