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
  const points: number[][] = [];
  const problem = {
    p0,
    fg: () => NaN,
    residualCount: m,
    precision,
    residuals(x: Float64Array, r: Float64Array, J: Float64Array | null) {
      points.push([...x]);
      t.forEach((ti, i) => (r[i] = round(model(ti, x)) - round(y[i])));
      if (hasJacobian) J?.set(t.flatMap((ti) => slopes(ti, x)));
    },
  };
  const fit = (change: object = {}): FitProblem => ({
    problem,
    hasJacobian,
    lower,
    upper,
    size: Math.hypot(...y),
    limits: completeSolveOptions(
      'test',
      { maxIterations: pick([1000, 1000, 3]), ...change },
      plainSolveRules,
    ),
  });
  return { fit: fit({}), fitWith: fit, points, p0, pick, round };
}
