import { describe, expect, it } from 'vitest';
import { curveFit, leastSquares, levenbergMarquardt, minimize } from 'quasi-newton';

/** Shapes of a peak, a step and a wave, by u = (x − position)/width, with their slopes. */
const shapes = {
  gauss: [(u: number) => Math.exp((-u * u) / 2), (u: number) => -u * Math.exp((-u * u) / 2)],
  lorentz: [(u: number) => 1 / (1 + u * u), (u: number) => (-2 * u) / (1 + u * u) ** 2],
  logistic: [(u: number) => 1 / (1 + Math.exp(-u)), (u: number) => 1 / (2 + Math.exp(u) + Math.exp(-u))],
  sine: [Math.sin, Math.cos],
} as const;

/** 60 points around a position, and values with deterministic scatter. */
const offsets = Array.from({ length: 60 }, (_, i) => (i - 30) / 64);
const valuesOf = (shape: (u: number) => number) =>
  offsets.map((t, i) => 10 * shape((t - 0.03) / 0.15) + 1 + 0.3 * Math.sin(5.1 * i * i));

describe.each(Object.entries(shapes))('a %s far from 0', (_, [shape, slope]) => {
  const y = valuesOf(shape);
  const model = (x: number, [height, position, width, base]: Float64Array) =>
    height * shape((x - position) / width) + base;
  const start = (origin: number) => [8, origin + 0.06, 0.12, 0.5];
  const around = curveFit(model, offsets, y, start(0));

  // A Julian date and a Unix time are the usual cases.
  it.each([1e4, 2_459_000, 1.7e9])('is fitted at %d as at 0', (origin) => {
    const x = offsets.map((t) => origin + t);
    const far = curveFit(model, x, y, start(origin));
    const near = curveFit(
      model,
      x.map((value) => value - origin),
      y,
      start(0),
    );
    expect(far.converged).toBe(true);
    expect(far.chiSquare / near.chiSquare).toBeCloseTo(1, 9);
    const [found, expected] = [far, near].map(({ standardErrors }) => standardErrors);
    expected.forEach((error, j) => expect(found[j] / error).toBeCloseTo(1, 5));
    const points = [-0.3, 0.01, 0.2].map((t) => Math.round(t * 64) / 64);
    const band = far.predict(points.map((t) => origin + t)).standardErrors;
    near.predict(points).standardErrors.forEach((error, i) => expect(band[i] / error).toBeCloseTo(1, 5));
  });

  it('accepts the right derivatives there, and refuses wrong ones', () => {
    const origin = 2_459_000;
    const x = offsets.map((t) => origin + t);
    const jacobianTimes =
      (factor: number) =>
      (x: number, [height, position, width]: Float64Array): number[] => {
        const u = (x - position) / width;
        const rise = (height * slope(u)) / width;
        return [shape(u), -rise * factor, -u * rise, 1];
      };
    const fit = curveFit(model, x, y, start(origin), { jacobian: jacobianTimes(1) });
    expect(fit.chiSquare / around.chiSquare).toBeCloseTo(1, 9);
    expect(() => curveFit(model, x, y, start(origin), { jacobian: jacobianTimes(1.01) })).toThrow(/p1/);
  });

  it.each(['auto', '3-point'] as const)(
    'is fitted there by Levenberg–Marquardt, differences: %s',
    (differences) => {
      const origin = 2_459_000;
      const problem = leastSquares({
        p0: Float64Array.from(start(origin)),
        residualCount: y.length,
        residuals(p, r) {
          offsets.forEach((t, i) => (r[i] = model(origin + t, p) - y[i]));
        },
      });
      const { f, evaluations } = minimize(problem, levenbergMarquardt({ differences }));
      expect(f / around.chiSquare).toBeCloseTo(1, 9);
      expect(evaluations.f).toBeLessThan(600);
    },
  );
});

describe.each(Object.entries(shapes))(
  'a %s far from 0, its height held by a bound',
  (name, [shape, slope]) => {
    it.each(['damping', 'radius'] as const)('is fitted without derivatives to the minimum: %s', (control) => {
      for (const origin of [1e3, 1e4]) {
        for (const width of [0.05, 0.15]) {
          const y = offsets.map((t, i) => 10 * shape((t - 0.03) / width) + 1 + 0.3 * Math.sin(5.1 * i * i));
          const residuals = ([height, position, w, base]: Float64Array): number[] =>
            offsets.map((t, i) => height * shape((origin + t - position) / w) + base - y[i]);
          const problem = leastSquares({
            p0: Float64Array.of(8, origin + 0.06, 0.9 * width, 0.5),
            residualCount: y.length,
            residuals: (p, r) => r.set(residuals(p)),
          });
          const upper = [9, null, null, null];
          const { x, f, termination } = minimize(problem, levenbergMarquardt({ control, upper }));
          // Along one unknown, a linear model gains (Jeⱼ·r)²/‖Jeⱼ‖²; the height is held.
          const columns = [
            (u: number) => slope(u) / x[2],
            (u: number) => (slope(u) * u) / x[2],
            () => 1 / x[0],
          ];
          const r = residuals(x);
          const gains = columns.map((column) => {
            const values = offsets.map((t) => x[0] * column((origin + t - x[1]) / x[2]));
            return values.reduce((sum, value, i) => sum + value * r[i], 0) ** 2 / Math.hypot(...values) ** 2;
          });
          const where = `${name} of ${width} at ${origin}`;
          expect([where, termination === 'lineSearchFailed', x[0]]).toEqual([where, false, 9]);
          expect([where, Math.max(...gains) / f < 1e-14]).toEqual([where, true]);
        }
      }
    });
  },
);
