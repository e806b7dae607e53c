import { uniform } from '../../../bench/problems/random.js';
import { completeSolveOptions, plainSolveRules } from '../../../src/core/solveOptions.ts';
import type { FitProblem } from '../../../src/solvers/curveFit/linearized.ts';

type Model = (t: number, p: ArrayLike<number>) => number;
type Slopes = (t: number, p: ArrayLike<number>) => number[];

/** Models, their derivatives, and parameters. */
const models: [model: Model, slopes: Slopes, truth: number[]][] = [
  [(t, p) => p[0] + p[1] * t, (t) => [1, t], [1, -2]],
  [
    (t, p) => p[0] * Math.exp(-p[1] * t) + p[2],
    (t, p) => [Math.exp(-p[1] * t), -p[0] * t * Math.exp(-p[1] * t), 1],
    [3, 0.8, 1],
  ],
  [
    (t, p) => p[0] / (1 + ((t - p[1]) / p[2]) ** 2),
    (t, p) => {
      const [u, d] = [(t - p[1]) / p[2], 1 + ((t - p[1]) / p[2]) ** 2];
      return [1 / d, (2 * p[0] * u) / (p[2] * d * d), (2 * p[0] * u * u) / (p[2] * d * d)];
    },
    [2, 1.4, 0.6],
  ],
  // Two parameters of which the data tell the product.
  [(t, p) => p[0] * p[1] * t, (t, p) => [p[1] * t, p[0] * t], [2, 1]],
];

/** So many fits of a kind, for `it.each`. */
export const seeds = <Kind extends string>(kind: Kind, count: number): [Kind, number][] =>
  Array.from({ length: count }, (_, seed) => [kind, seed]);

/** A random fit: with noise or none, near its minimum or far, with bounds or none, in float32 or float64. */
export function randomFit(seed: number) {
  const random = uniform(seed + 1);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];
  const [model, slopes, truth] = models[seed % models.length];
  const m = truth.length + Math.floor(9 * random());
  const t = Array.from({ length: m }, (_, i) => (3 * (i + 0.5)) / m);
  const noise = pick([0, 1e-9, 1e-3, 0.1, 1]);
  const y = t.map((ti) => model(ti, truth) + noise * (2 * random() - 1));
  const precision = random() < 0.25 ? ('float32' as const) : ('float64' as const);
  const round = precision === 'float32' ? Math.fround : (value: number) => value;
  const away = pick([0, 1e-4, 0.1, 0.6]);
  const p0 = Float64Array.from(truth, (value) => round(value * (1 + away * (2 * random() - 1))));
  const hasJacobian = random() < 0.3;
  const isBounded = random() < 0.3;
  const bound = (side: number) =>
    p0.map((value) => (isBounded && random() < 0.4 ? value + side * pick([0, 0.01, 1]) : side * Infinity));
  const [lower, upper] = [bound(-1), bound(1)];
  const residuals: PlainFit['residuals'] = (x) => t.map((ti, i) => round(model(ti, x)) - round(y[i]));
  const jacobian: PlainFit['jacobian'] = (x) => t.flatMap((ti) => slopes(ti, x));
  const own = { maxIterations: pick([1000, 1000, 3]) };
  const size = Math.hypot(...y);
  return recorded({ p0, m, precision, hasJacobian, lower, upper, size, residuals, jacobian }, own);
}

interface PlainFit {
  readonly p0: Float64Array;
  readonly m: number;
  readonly precision: 'float32' | 'float64';
  readonly hasJacobian: boolean;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  readonly size: number;
  readonly residuals: (x: ArrayLike<number>) => number[];
  readonly jacobian: (x: ArrayLike<number>) => number[];
}

/** A fit that writes down the points where it is evaluated. */
function recorded({ residuals, jacobian, m, precision, ...given }: PlainFit, own: object) {
  const points: number[][] = [];
  const problem = {
    p0: given.p0,
    fg: () => NaN,
    residualCount: m,
    precision,
    residuals(x: Float64Array, r: Float64Array, J: Float64Array | null) {
      points.push([...x]);
      r.set(residuals(x));
      if (given.hasJacobian) J?.set(jacobian(x));
    },
  };
  const { hasJacobian, lower, upper, size, p0 } = given;
  const fitWith = (change: object = {}): FitProblem => ({
    problem,
    hasJacobian,
    lower,
    upper,
    size,
    limits: completeSolveOptions('test', { ...own, ...change }, plainSolveRules),
  });
  return { fit: fitWith(), fitWith, points, p0 };
}

/**
 * A fit with a large residual, where Gauss–Newton steps converge slowly, or where they leave a valley or the bounds at
 * first; one of values that are rounded coarsely; or one of nearly equal columns.
 */
export function hardFit(seed: number) {
  const random = uniform(seed + 1);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];
  const precision = random() < 0.2 ? ('float32' as const) : ('float64' as const);
  const hasJacobian = random() < 0.4;
  const round = precision === 'float32' ? Math.fround : (value: number) => value;
  const rounded = (values: number[]) => values.map(round);
  const common = { precision, hasJacobian };
  const free = (n: number) => ({
    lower: new Float64Array(n).fill(-Infinity),
    upper: new Float64Array(n).fill(Infinity),
  });
  if (seed % 4 === 2) {
    // Decays, in multiples of a quantum.
    const quantum = pick([1e-4, 1e-6, 1e-8]);
    const t = Array.from({ length: 8 }, (_, i) => i / 3);
    const y = t.map((ti) => 2 * Math.exp(-ti) + 1 + 0.1 * (random() - 0.5));
    return recorded(
      {
        ...common,
        ...free(3),
        p0: Float64Array.of(1, 0.5, 0).map((value) => round(value + random())),
        m: t.length,
        size: Math.hypot(...y),
        residuals: (x) =>
          t.map((ti, i) => quantum * Math.round((x[0] * Math.exp(-x[1] * ti) + x[2] - y[i]) / quantum)),
        jacobian: (x) => t.flatMap((ti) => [Math.exp(-x[1] * ti), -x[0] * ti * Math.exp(-x[1] * ti), 1]),
      },
      { maxIterations: 200 },
    );
  }
  if (seed % 4 === 3) {
    // 1, t and t² on a short interval; a coefficient may be 0.
    const t = Array.from({ length: 9 }, (_, i) => 1 + (pick([0.05, 0.3]) * i) / 8);
    const truth = [pick([0, 1]), -2, pick([0, 3])];
    const noise = pick([0, 1e-12, 1e-9, 1e-3]);
    const rows = t.map((ti) => [1, ti, ti * ti]);
    const valueAt = (row: number[], x: ArrayLike<number>) => row.reduce((sum, a, j) => sum + a * x[j], 0);
    const y = rows.map((row) => valueAt(row, truth) + noise * (random() - 0.5));
    return recorded(
      {
        ...common,
        ...free(3),
        p0: Float64Array.from(truth, (value) => round(value + random() - 0.5)),
        m: t.length,
        size: Math.hypot(...y),
        residuals: (x) => rounded(rows.map((row, i) => valueAt(row, x) - y[i])),
        jacobian: () => rows.flat(),
      },
      { maxIterations: 1000 },
    );
  }
  if (seed % 4 === 0) {
    // xᵢ and 1 + Σλᵢxᵢ²/2: the error of xᵢ is multiplied by −λᵢ at each step.
    const rates = Array.from({ length: 1 + (seed % 3) }, () => pick([-0.999, -0.97, -0.9, 0.3, 0.8]));
    const n = rates.length;
    return recorded(
      {
        ...common,
        p0: Float64Array.from(rates, () => round(0.3 * random())),
        m: n + 1,
        ...free(n),
        size: 1,
        residuals: (x) =>
          rounded([...Array.from(x), rates.reduce((sum, rate, i) => sum + (rate * x[i] ** 2) / 2, 1)]),
        jacobian: (x) => [
          ...rates.flatMap((_, i) => rates.map((__, j) => Number(i === j))),
          ...rates.map((rate, i) => rate * x[i]),
        ],
      },
      { maxIterations: pick([1000, 30]) },
    );
  }
  // Rosenbrock's valley beside a constant.
  const [bend, rest] = [pick([1, 3, 10]), pick([30, 300])];
  const upper = pick([Infinity, 0.9, 0.2]);
  return recorded(
    {
      ...common,
      p0: Float64Array.of(round(-1.2 + 0.4 * random()), round(1 + 0.4 * random())),
      m: 3,
      lower: Float64Array.of(-Infinity, -Infinity),
      upper: Float64Array.of(upper, Infinity),
      size: rest,
      residuals: ({ 0: x, 1: y }) => rounded([bend * (y - x * x), 1 - x, rest]),
      jacobian: ({ 0: x }) => [-2 * bend * x, bend, -1, 0, 0, 0],
    },
    { maxIterations: 1000 },
  );
}

/**
 * A fit of a peak that lies far from 0 compared with its width, about as far as forward differences bear; or of a polynomial
 * in kelvins, whose columns are equal to 1e-8.
 */
export function farFit(seed: number) {
  const random = uniform(seed + 1);
  const free = (n: number) => ({
    lower: new Float64Array(n).fill(-Infinity),
    upper: new Float64Array(n).fill(Infinity),
  });
  if (seed % 3 === 2) {
    const kelvins = Array.from({ length: 41 }, (_, i) => 280 + i);
    const rows = kelvins.map((v) => [0, 1, 2, 3, 4, 5].map((power) => v ** power));
    const y = kelvins.map((v) => Math.sin((v - 300) / 10) + 0.1 * random());
    return recorded(
      {
        precision: 'float64',
        hasJacobian: true,
        ...free(6),
        p0: new Float64Array(6),
        m: y.length,
        size: Math.hypot(...y),
        residuals: (x) => rows.map((row, i) => row.reduce((sum, a, j) => sum + a * x[j], -y[i])),
        jacobian: () => rows.flat(),
      },
      { maxIterations: 1000 },
    );
  }
  const [model, slopes, truth] = models[2];
  const center = 10 ** (4 + 2 * random());
  const t = Array.from({ length: 12 }, (_, i) => i / 4);
  const y = t.map((ti) => model(ti, truth) + 0.01 * random());
  const moved = (x: ArrayLike<number>) => [x[0], x[1] - center, x[2]];
  return recorded(
    {
      precision: 'float64',
      hasJacobian: random() < 0.2,
      ...free(3),
      p0: Float64Array.of(1.5 + random(), center + 1 + random(), 0.4 + 2 * random()),
      m: t.length,
      size: Math.hypot(...y),
      residuals: (x) => t.map((ti, i) => model(ti, moved(x)) - y[i]),
      jacobian: (x) => t.flatMap((ti) => slopes(ti, moved(x))),
    },
    { maxIterations: 300 },
  );
}
