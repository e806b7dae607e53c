import { describe, expect, it } from 'vitest';
import {
  auto,
  leastSquares,
  levenbergMarquardt,
  minimize,
  minimizeAsync,
  runSync,
  type Problem,
} from 'quasi-newton';
import { mgh } from '../../bench/problems/mgh/index.js';
import { poisson } from '../../bench/problems/poisson.js';

type Matrix = number[][];

const transpose = (a: Matrix): Matrix => a[0].map((_, j) => a.map((row) => row[j]));
const times = (a: Matrix, v: number[]): number[] => a.map((row) => inner(row, v));
const inner = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** Gaussian elimination with pivots. */
function solve(a: Matrix, b: number[]): number[] {
  const rows = a.map((row, i) => [...row, b[i]]);
  const n = b.length;
  for (let k = 0; k < n; k++) {
    const pivot = rows
      .slice(k)
      .reduce((best, row, i) => (Math.abs(row[k]) > Math.abs(rows[best][k]) ? k + i : best), k);
    [rows[k], rows[pivot]] = [rows[pivot], rows[k]];
    for (let i = k + 1; i < n; i++) {
      const factor = rows[i][k] / rows[k][k];
      for (let j = k; j <= n; j++) rows[i][j] -= factor * rows[k][j];
    }
  }
  const x: number[] = [];
  for (let i = n - 1; i >= 0; i--) {
    x[i] = (rows[i][n] - inner(rows[i].slice(i + 1, n), x.slice(i + 1))) / rows[i][i];
  }
  return x;
}

interface Settings {
  scaling: 'identity' | 'columns';
  acceleration: boolean | 'auto';
  /** Left out: a thousandth, or by columns the least power of 10 whose step is not longer than x. */
  damping?: number;
  lower?: number[];
  upper?: number[];
}

/** Levenberg–Marquardt as its papers have it, without regard to rounding, memory or time: the points it visits. */
function plain(problem: Problem, iterations: number, settings: Settings): number[][] {
  const { p0, residualCount: m = 0 } = problem;
  const n = p0.length;
  const { scaling, acceleration, lower, upper } = settings;
  const at = (x: number[]) => {
    const r = new Float64Array(m);
    const J = new Float64Array(m * n);
    problem.residuals!(Float64Array.from(x), r, J);
    return { r: [...r], J: Array.from({ length: m }, (_, i) => Array.from(J.subarray(i * n, (i + 1) * n))) };
  };
  const low = (j: number) => lower?.[j] ?? -Infinity;
  const high = (j: number) => upper?.[j] ?? Infinity;
  const admit = (x: number[]) => x.map((value, j) => Math.min(high(j), Math.max(low(j), value)));
  const norms = (J: Matrix) => transpose(J).map((column) => Math.sqrt(inner(column, column)));
  let x = admit([...p0]);
  let { r, J } = at(x);
  let D = scaling === 'columns' ? norms(J) : x.map(() => 1);
  const length = (v: number[]) => Math.sqrt(v.reduce((sum, vj, j) => sum + (D[j] * vj) ** 2, 0));
  /** Solves the damped system for −Jᵀb; unknowns at a bound that −∇f points out of stay. */
  const stepFor = (b: number[], damping: number): number[] => {
    const Jt = transpose(J);
    const g = times(Jt, r);
    const free = x.map((xj, j) => !((xj <= low(j) && g[j] > 0) || (xj >= high(j) && g[j] < 0)));
    const system = Jt.map((row, i) =>
      Jt.map((other, j) => {
        if (!free[i] || !free[j]) return Number(i === j);
        return inner(row, other) + (i === j ? damping * D[i] ** 2 : 0);
      }),
    );
    return solve(
      system,
      times(Jt, b).map((value, j) => (free[j] ? -value : 0)),
    );
  };
  const unit = scaling === 'columns' ? 1 : Math.max(...norms(J)) ** 2;
  let relative = settings.damping ?? 1e-3;
  if (settings.damping === undefined && scaling === 'columns' && x.some(Boolean)) {
    relative = 1e-12;
    while (relative < 1 && length(stepFor(r, relative)) > length(x)) relative *= 10;
  }
  let lambda = relative * unit;
  let isStraight = false;
  const points = [x];
  for (let k = 0; k < iterations; k++) {
    let growth = 2;
    for (;;) {
      let first = stepFor(r, lambda);
      let slope = times(J, first);
      const f = inner(r, r);
      const change = 2 * inner(slope, r) + inner(slope, slope);
      let predicted = -change;
      const inside = admit(x.map((xj, j) => xj + first[j]));
      if (inside.some((value, j) => value !== x[j] + first[j])) {
        first = inside.map((value, j) => value - x[j]);
        slope = times(J, first);
        predicted = -(2 * inner(slope, r) + inner(slope, slope));
      }
      let step = first;
      let isAllowed = predicted > 0;
      const isBent = acceleration === 'auto' ? !isStraight : acceleration;
      if (isAllowed && isBent && predicted >= 1e-6 * f) {
        const h = 0.1;
        const ahead = at(admit(x.map((xj, j) => xj + h * first[j]))).r;
        const curvature = r.map((ri, i) => (2 / h) * ((ahead[i] - ri) / h - slope[i]));
        const second = stepFor(curvature, lambda);
        isAllowed = (2 * length(second)) / length(first) <= (acceleration === 'auto' ? 3 : 1.5);
        step = first.map((v, j) => v + second[j] / 2);
      }
      const next = admit(x.map((xj, j) => xj + step[j]));
      const trial = at(next);
      const trialF = inner(trial.r, trial.r);
      if (isAllowed && trialF < f) {
        const gain = (f - trialF) / predicted;
        lambda = Math.max(lambda * (gain > 0.75 ? 1 / 5 : gain < 0.25 ? 2 : 1 / 1.5), 1e-20 * unit);
        isStraight = Math.abs(gain - 1) < 0.25;
        [x, r, J] = [next, trial.r, trial.J];
        if (scaling === 'columns') D = norms(J).map((norm, j) => Math.max(norm, D[j]));
        points.push(x);
        break;
      }
      isStraight = false;
      lambda *= growth;
      growth *= 2;
    }
  }
  return points;
}

/** Kowalik & Osborne's fit (11 residuals, 4 unknowns), and three of its residuals with a fifth unknown (dual form). */
const kowalik = mgh.find(({ name }) => name === 'mgh15_kowalik_osborne')!;
const fit = leastSquares({ p0: kowalik.p0, residualCount: 11, residuals: kowalik.residuals });
const wide = leastSquares({
  p0: Float64Array.of(0.3, 0.4, -0.5, 0.2, 0.1),
  residualCount: 3,
  residuals([a, b, c, d, e], r, J) {
    r.set([a * b + Math.exp(c) - 1, c * d * e + Math.sin(a) + 0.5, b * b + d * d - e - 0.7]);
    J?.set([b, a, Math.exp(c), 0, 0, Math.cos(a), 0, d * e, c * e, c * d, 0, 2 * b, 0, 2 * d, -1]);
  },
});

/** A curved valley: steps along it are rejected, and gains are low. */
const valley = leastSquares({
  p0: Float64Array.of(-1.9, 2.2),
  residualCount: 3,
  residuals([a, b], r, J) {
    r.set([10 * (b - a * a), 1 - a, 0.3 * Math.sin(3 * b)]);
    J?.set([-20 * a, 10, -1, 0, 0, 0.9 * Math.cos(3 * b)]);
  },
});

describe('Levenberg–Marquardt takes the steps of a plain implementation', () => {
  const variants = (['identity', 'columns'] as const).flatMap((scaling) =>
    ([true, false, 'auto'] as const).map((acceleration) => ({ scaling, acceleration, damping: 1e-2 })),
  );
  const walls = { lower: [0.195, -0.5, 0.05, 0.1], upper: [0.5, 0.42, 0.12, 0.4] };
  type Case = Omit<Settings, 'damping'> & {
    name: string;
    problem: Problem;
    iterations: number;
    damping?: number | undefined;
  };
  type More = { damping?: number | undefined; lower?: number[]; upper?: number[] };
  const among = (name: string, problem: Problem, iterations: number, more: More = {}): Case[] =>
    variants.map((variant) => Object.assign({ name, problem, iterations }, variant, more));
  const given = (options: object) =>
    Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const cases = [
    ...among('a fit', fit, 12),
    ...among('the dual form', wide, 4),
    ...among('a curved valley', valley, 9),
    ...among('a curved valley, much damped', valley, 8, { damping: 3 }),
    ...among('a fit within bounds', fit, 8, walls),
    ...among('the dual form within bounds', wide, 3, {
      lower: [0.2, 0.35, -9, -9, 0],
      upper: [9, 9, -0.45, 0.3, 9],
    }),
    ...among('a valley below a bound', valley, 8, { upper: [9, 1.5] }),
    ...among('the damping chosen', fit, 8, { damping: undefined }),
    ...among('the damping chosen, in a valley', valley, 5, { damping: undefined }),
    { name: 'a network', problem: poisson(1), iterations: 1, ...variants[0] },
  ];

  it.each(cases)(
    '$name, $scaling, acceleration $acceleration',
    ({ problem, iterations, scaling, acceleration, damping, lower, upper }) => {
      const settings = { scaling, acceleration, ...given({ damping, lower, upper }) };
      const points: number[][] = [];
      const lengths: number[] = [];
      const solver = levenbergMarquardt(settings);
      minimize(problem, solver, {
        maxIterations: iterations,
        gtol: 0,
        callback: ({ x, alpha }) => {
          points.push([...x]);
          lengths.push(alpha);
        },
      });
      const expected = plain(problem, iterations, settings);
      expect(points).toHaveLength(expected.length);
      expect(lengths).toEqual(points.map((_x, k) => Number(k > 0)));
      points.forEach((x, k) => {
        const size = Math.max(...expected[k].map(Math.abs));
        x.forEach((value, j) => expect(Math.abs(value - expected[k][j])).toBeLessThan(1e-10 * size));
      });
    },
  );
});

describe('settings', () => {
  /** The points that a run visits without a Jacobian. */
  function visited(differences: 'auto' | '2-point' | '3-point' | undefined, maxIterations: number) {
    const points: number[] = [];
    const problem = leastSquares({
      p0: Float64Array.of(2),
      residualCount: 2,
      residuals([a], r) {
        points.push(a);
        r.set([Math.exp(a) - 3, a - 1]);
      },
    });
    const { termination, x } = minimize(
      problem,
      levenbergMarquardt({ ...(differences && { differences }), acceleration: false }),
      {
        gtol: 0,
        maxIterations,
      },
    );
    // A point of a difference follows the point that it belongs to: above it by ε^½, or to both sides by ε^⅓.
    const countOf = (relative: number) =>
      points.filter((p, k) => k > 0 && Math.abs((p - points[k - 1]) / points[k - 1] / relative - 1) < 1e-6)
        .length;
    const [above, below] = [countOf(2 ** -26), countOf(2 ** (-52 / 3))];
    return { termination, x: x[0], above, below };
  }

  it('differences: forward, central, or forward until no step lowers f', () => {
    expect(visited('2-point', 4)).toMatchObject({ above: 5, below: 0 });
    expect(visited('auto', 4)).toMatchObject({ above: 5, below: 0 });
    // The gradient at the start needs few digits.
    expect(visited('3-point', 4)).toMatchObject({ above: 1, below: 4 });
    const [central, both] = [visited('3-point', 100), visited('auto', 100)];
    expect(both.above).toBeGreaterThan(4);
    expect(visited(undefined, 100)).toEqual(both);
    expect(both.below).toBeGreaterThan(0);
    // (eᵃ − 3)eᵃ + a − 1 = 0
    for (const { x, termination } of [central, both]) {
      expect((Math.exp(x) - 3) * Math.exp(x) + x - 1).toBeCloseTo(0, 8);
      expect(termination).toBe('precisionFloor');
    }
  });

  it('one bound alone holds', () => {
    const above = minimize(fit, levenbergMarquardt({ upper: 0.19 }), { gtol: 1e-9 });
    expect(Math.max(...above.x)).toBe(0.19);
    const below = minimize(fit, levenbergMarquardt({ lower: 0.15 }), { gtol: 1e-9 });
    expect(Math.min(...below.x)).toBe(0.15);
    for (const options of [{ lower: null }, { upper: null }, { lower: -Infinity, upper: Infinity }]) {
      expect(minimize(fit, levenbergMarquardt(options)).x).toEqual(minimize(fit, levenbergMarquardt()).x);
    }
  });

  it('are told in the description of the solver', () => {
    const solver = levenbergMarquardt();
    const state = solver.init({ n: 2, precision: 'float64', residualCount: 2 } as never);
    expect(solver.describe(2, state)).toBe('Levenberg–Marquardt (geodesic acceleration)');
    expect(levenbergMarquardt({ acceleration: false }).describe(2, state)).toBe('Levenberg–Marquardt');
  });

  it('refuse a start where the Jacobian is not finite', () => {
    const problem = leastSquares({
      p0: Float64Array.of(0),
      residualCount: 1,
      residuals([a], r, J) {
        r[0] = Math.sqrt(a) - 1;
        if (J) J[0] = 0.5 / Math.sqrt(a);
      },
    });
    const solver = levenbergMarquardt();
    const state = solver.init({ n: 1, precision: 'float64', residualCount: 1 } as never);
    expect(() => runSync(solver.step(state), problem)).toThrow(
      new RangeError(
        'levenbergMarquardt: the Jacobian is not finite at the start; start elsewhere. The Jacobian at row 0, column 0, is Infinity at x = [0].',
      ),
    );
  });

  it('in float32, bounds are the float32 numbers within them', () => {
    const problem = leastSquares({
      p0: Float64Array.of(0, 0),
      residualCount: 2,
      precision: 'float32',
      residuals([a, b], r, J) {
        r.set([a - 3, b + 3]);
        J?.set([1, 0, 0, 1]);
      },
    });
    // float32 has 0.10000000149 for 0.1 and −0.69999998808 for −0.7.
    const { x, converged } = minimize(problem, levenbergMarquardt({ upper: 0.1, lower: -0.7 }));
    expect([...x]).toEqual([Math.fround(0.1) - 2 ** -27, Math.fround(-0.7)]);
    expect(converged).toBe(true);
  });
});

/** Rosenbrock's function, with its Jacobian or without. */
const rosenbrock = (withJacobian: boolean): Problem =>
  leastSquares({
    p0: Float64Array.of(-1.2, 1.7),
    residualCount: 2,
    residuals([a, b], r, J) {
      r.set([10 * (b - a * a), 1 - a]);
      if (withJacobian) J?.set([-20 * a, 10, -1, 0]);
    },
  });
const decay = leastSquares({
  p0: Float64Array.of(1, -0.3),
  residualCount: 4,
  residuals: ([a, b], r) => [2, 1.2, 0.7, 0.45].forEach((y, t) => (r[t] = a * Math.exp(b * t) - y)),
});

describe('within bounds', () => {
  it.each([
    ['Kowalik, one bound', fit, [0, 0.3, 0, 0.2], [0.19, 0.39, 0.5, 0.5], 0.00033153509399948744],
    ['Kowalik, two bounds', fit, [0.195, -9, -9, -9], [9, 9, 0.1, 9], 0.00031786145678306256],
    ['decay', decay, [0, -0.5], [1.9, 0], 0.011321796203562488],
    ['Rosenbrock, right of the minimum', rosenbrock(true), [-2, -2], [0.5, 2], 0.25],
    ['Rosenbrock, above it, by differences', rosenbrock(false), [-2, 1.5], [2, 3], 4.941229317989184],
  ] as const)(
    'comes to the minimum of SciPy 1.17, and never leaves them: %s',
    (_, problem, lower, upper, f) => {
      const within: Problem = {
        ...problem,
        residuals(x, r, J) {
          x.forEach((value, j) => expect(value >= lower[j] && value <= upper[j]).toBe(true));
          problem.residuals!(x, r, J);
        },
      };
      for (const scaling of ['identity', 'columns'] as const) {
        const result = minimize(within, levenbergMarquardt({ lower, upper, scaling }), { gtol: 1e-9 });
        expect(Math.abs(result.f / f - 1)).toBeLessThan(1e-6);
        expect(result.evaluations.f).toBeLessThan(250);
      }
    },
  );

  it('refuses bounds of another length, and a lower one above its upper one', () => {
    expect(() => minimize(fit, levenbergMarquardt({ lower: [1, 2] }))).toThrow(
      /lower has length 2.*4 unknowns/,
    );
    expect(() => levenbergMarquardt({ lower: 2, upper: 1 })).toThrow(/lower must not exceed upper/);
  });
});

describe('an ending says what is so', () => {
  const withJacobian = (change: (J: Float64Array) => void): Problem =>
    leastSquares({
      p0: kowalik.p0,
      residualCount: 11,
      residuals(x, r, J) {
        kowalik.residuals(x, r, J);
        if (J) change(J);
      },
    });

  it('precision, where no step lowers f by more than rounding', () => {
    const { termination, f, evaluations } = minimize(fit, levenbergMarquardt(), { gtol: 0 });
    expect(termination).toBe('precisionFloor');
    expect(f).toBeCloseTo(3.0750560385e-4, 13);
    expect(evaluations.f).toBeLessThan(140);
  });

  it.each([
    ['of the wrong sign', (J: Float64Array) => J.forEach((value, i) => (J[i] = -value))],
    [
      'wrong in one column',
      (J: Float64Array) => J.forEach((value, i) => i % 4 === 1 && (J[i] = -3 * value + 0.1)),
    ],
  ])('failure, where the Jacobian is %s', (_, change) => {
    const { termination, converged, f } = minimize(withJacobian(change), levenbergMarquardt(), { gtol: 0 });
    expect(converged).toBe(false);
    expect(termination).toBe('gradientMismatch');
    expect(f).toBeLessThanOrEqual(fit.fg(fit.p0, null));
  });

  it('never more evaluations than allowed, those of differences included, and the best point', () => {
    for (const maxEvaluations of [1, 2, 4, 7, 12, 20]) {
      let calls = 0;
      const problem = rosenbrock(false);
      const counted: Problem = {
        ...problem,
        residuals(x, r, J) {
          calls++;
          problem.residuals!(x, r, J);
        },
      };
      const result = minimize(counted, levenbergMarquardt(), { maxEvaluations });
      expect(calls).toBeLessThanOrEqual(maxEvaluations);
      expect(result.termination).toBe('maxEvaluations');
      expect(counted.fg(result.x, null)).toBe(result.f);
      expect(result.f).toBeLessThanOrEqual(24.2);
    }
  });
});

describe('difficult ground', () => {
  it('solves Meyer’s problem from NIST’s first start within 300 evaluations', () => {
    const meyer = mgh.find(({ name }) => name === 'mgh10_meyer')!;
    const problem = leastSquares({
      p0: Float64Array.of(2, 400_000, 25_000),
      residualCount: meyer.m,
      residuals: meyer.residuals,
    });
    const { f, evaluations, termination } = minimize(problem, levenbergMarquardt());
    expect(f).toBeCloseTo(87.945855171, 8);
    // Far from the solution f is a plateau, where three gradients tell nothing of the rise to it.
    expect(termination).toBe('precisionFloor');
    // Those with a Jacobian repeat a point; MINPACK counts them apart, too.
    expect(evaluations.f - evaluations.gradient).toBeLessThanOrEqual(300);
  });

  it('steps back where residuals, or only the Jacobian, are not finite', () => {
    const walled = (blind: boolean) =>
      leastSquares({
        p0: Float64Array.of(3, 1),
        residualCount: 2,
        residuals([a, b], r, J) {
          const wall = a < 0.9 ? NaN : 1;
          r.set([Math.log(a) * (blind ? 1 : wall), 10 * (b - a)]);
          J?.set([(1 / a) * wall, 0, -10, 10]);
        },
      });
    for (const blind of [false, true]) {
      const { x, f } = minimize(walled(blind), levenbergMarquardt(), { gtol: 1e-9 });
      expect(f).toBeLessThan(1e-12);
      expect(x[0]).toBeCloseTo(1, 5);
    }
  });

  it('reaches what float32 can tell, its Jacobian by differences', () => {
    const single = leastSquares({
      p0: Float64Array.of(1, -1),
      residualCount: 4,
      precision: 'float32',
      residuals: (x, r) => {
        const [a, b] = x.map(Math.fround);
        expect([...x]).toEqual([a, b]);
        [2, 1.2, 0.7, 0.45].forEach(
          (y, t) => (r[t] = Math.fround(Math.fround(a * Math.fround(Math.exp(b * t))) - y)),
        );
      },
    });
    const { x, termination, evaluations } = minimize(single, levenbergMarquardt(), { gtol: 0 });
    expect(evaluations.f).toBeLessThan(50);
    expect(x[0]).toBeCloseTo(1.9984363, 3);
    expect(x[1]).toBeCloseTo(-0.5114256, 3);
    expect(termination).toBe('precisionFloor');
  });

  it('takes the same steps by differences whether answers come now or later', async () => {
    const now = minimize(rosenbrock(false), levenbergMarquardt(), { gtol: 0 });
    const problem = rosenbrock(false);
    const later = await minimizeAsync(
      {
        p0: problem.p0,
        residualCount: 2,
        fg: async (x, g) => problem.fg(x, g),
        residuals: async (x, r, J) => problem.residuals!(x, r, J),
      },
      levenbergMarquardt(),
      { gtol: 0 },
    );
    expect(later.x).toEqual(now.x);
    expect(later.f).toBeLessThan(1e-20);
  });

  it.each([1e12, 1e20])('does not take the rounding of residuals of %g for a gradient of 0', (unit) => {
    const data = [1, 2.1, 2.9, 4.2];
    const problem = leastSquares({
      p0: Float64Array.of(0, 1),
      residualCount: 4,
      residuals: ([a, b], r) => data.forEach((y, i) => void (r[i] = a + b * i - unit * y)),
    });
    const { x } = minimize(problem, levenbergMarquardt());
    expect(x[0] / unit).toBeCloseTo(0.99, 6);
    expect(x[1] / unit).toBeCloseTo(1.04, 6);
  });

  it('takes what is flat nearby, and not farther away, for flat', () => {
    const step = leastSquares({
      p0: Float64Array.of(1),
      residualCount: 2,
      residuals: ([a], r) => r.set([a > 1e3 || a < -1e3 ? 0 : 1, 0.5]),
    });
    const { termination, x, gradientNorm } = minimize(step, levenbergMarquardt());
    expect([termination, x[0], gradientNorm]).toEqual(['gradientTolerance', 1, 0]);
  });

  it('refuses a problem without residuals', () => {
    const problem: Problem = { p0: Float64Array.of(1), fg: (_, g) => (g?.fill(0), 0) };
    expect(() => minimize(problem, levenbergMarquardt())).toThrow(/leastSquares\(.*makes one that has/);
  });
});

describe('auto', () => {
  const chosen = (n: number, residualCount: number, stochastic = false) =>
    'jacobian' in auto().init({ n, precision: 'float64', residualCount, stochastic });

  it('takes it for sums of squares, unless a step would take long or f changes', () => {
    expect(chosen(4, 11)).toBe(true);
    expect(chosen(129, 900)).toBe(true);
    expect(chosen(4929, 1000)).toBe(false);
    expect(chosen(4, 0)).toBe(false);
    expect(chosen(4, 11, true)).toBe(false);
    const own = levenbergMarquardt();
    const [a, b] = [auto(), own].map((solver) => minimize(fit, solver));
    expect(a.x).toEqual(b.x);
    expect(a.method).toBe('Levenberg–Marquardt (geodesic acceleration), chosen for a sum of squares');
  });
});
