import { describe, expect, it } from 'vitest';
import { extrapolatedJacobian } from '../../../src/solvers/curveFit/extrapolatedJacobian.ts';
import type { FitProblem } from '../../../src/solvers/curveFit/linearized.ts';

const t = [0.1, 0.4, 1, 1.7, 2.5];
const EPS = 2 ** -52;

/** A fit of a model whose residuals count their evaluations. */
function fitOf(
  model: (t: number, p: ArrayLike<number>) => number,
  n: number,
  change: Partial<FitProblem> = {},
) {
  const points: number[][] = [];
  const problem = {
    p0: new Float64Array(n),
    fg: () => NaN,
    residualCount: t.length,
    residuals(x: Float64Array, r: Float64Array) {
      points.push([...x]);
      t.forEach((each, i) => (r[i] = model(each, x) - 1));
    },
  };
  const fit: FitProblem = {
    problem,
    hasJacobian: false,
    lower: new Float64Array(n).fill(-Infinity),
    upper: new Float64Array(n).fill(Infinity),
    size: 1,
    limits: {} as FitProblem['limits'],
    ...change,
  };
  return { fit, points };
}

/** Relative error of each column, given derivatives that are wrong by a factor. */
function errorsOf(
  { fit }: ReturnType<typeof fitOf>,
  x: number[],
  { steps, slopes, factor = 1.01 }: { steps: number[]; slopes: (t: number) => number[]; factor?: number },
) {
  const n = x.length;
  const truth = t.map(slopes);
  const jacobian = Float64Array.from(truth.flat(), (value) => factor * value);
  const error = extrapolatedJacobian(fit, Float64Array.from(x), Float64Array.from(steps), jacobian);
  const columns = x.map((_, j) => {
    const norm = Math.hypot(...truth.map((row) => row[j]));
    return Math.hypot(...truth.map((row, i) => jacobian[i * n + j] - row[j])) / (norm || 1);
  });
  return { error, columns };
}

describe('an extrapolated Jacobian', () => {
  it('of a linear model has all digits after two steps, however far its terms cancel', () => {
    const far = fitOf((s, p) => p[0] + p[1] * (2000 + s), 2);
    const slopes = (s: number) => [1, 2000 + s];
    const { error, columns } = errorsOf(far, [-2e9, 1e6], { steps: [1e9, 5e5], slopes });
    expect(Math.max(...columns)).toBeLessThan(4 * EPS);
    expect(error).toBeLessThan(1e-14);
    expect(far.points).toHaveLength(2 * 4);
    // Usual central differences, with a step of ε^⅓|x|, have 10 digits less.
    const h = Math.cbrt(EPS) * 1e6;
    const at = (p: number) => -2e9 + p * 2001 - 1;
    expect(Math.abs((at(1e6 + h) - at(1e6 - h)) / (2 * h) / 2001 - 1)).toBeGreaterThan(1e-13);
  });

  it('of a curved model has 12 digits', () => {
    const decay = fitOf((s, p) => p[0] * Math.exp(-p[1] * s) + Math.sin(p[2] * s), 3);
    const [a, b, c] = [3, 0.8, 2];
    const slopes = (s: number) => [Math.exp(-b * s), -a * s * Math.exp(-b * s), s * Math.cos(c * s)];
    const { error, columns } = errorsOf(decay, [a, b, c], { steps: [3, 4, 5], slopes });
    expect(Math.max(...columns)).toBeLessThan(1e-12);
    expect(error).toBeLessThan(1e-11);
    expect(error).toBeGreaterThan(Math.max(...columns) / 10);
    expect(decay.points.length).toBeLessThan(2 * 3 * 16);
  });

  it('is not misled by steps over which all residuals level off', () => {
    const peak = fitOf((s, p) => Math.exp(-(((s - p[0]) / 0.3) ** 2)), 1);
    const slopes = (s: number) => [((2 * (s - 1)) / 0.09) * Math.exp(-(((s - 1) / 0.3) ** 2))];
    const { columns } = errorsOf(peak, [1], { steps: [1e4], slopes });
    expect(columns[0]).toBeLessThan(1e-10);
  });

  it('keeps columns that differences contradict, or do not reach', () => {
    const line = (change: Partial<FitProblem> = {}) => fitOf((s, p) => p[0] * s, 1, change);
    const options = { steps: [1], slopes: (s: number) => [s] };
    expect(errorsOf(line(), [1], { ...options, factor: 3 })).toEqual({
      error: Infinity,
      columns: [expect.closeTo(2, 12)],
    });
    const held = { lower: Float64Array.of(1) };
    expect(errorsOf(line(held), [1], options)).toEqual({
      error: Infinity,
      columns: [expect.closeTo(0.01, 12)],
    });
    const walled = fitOf((s, p) => (p[0] < 1 ? NaN : p[0] * s), 1);
    expect(errorsOf(walled, [1], options).error).toBe(Infinity);
  });

  it('stays within bounds, and where the model is finite', () => {
    const root = fitOf((s, p) => Math.sqrt(p[0]) * s, 1, { upper: Float64Array.of(1.25) });
    const { columns } = errorsOf(root, [1], { steps: [64], slopes: (s) => [s / 2] });
    expect(columns[0]).toBeLessThan(1e-12);
    expect(root.points.every(([p]) => p <= 1.25)).toBe(true);
  });

  it('of a parameter that has no effect is 0', () => {
    const flat = fitOf((s, p) => p[0] * s, 2);
    expect(errorsOf(flat, [1, 5], { steps: [1, 1], slopes: (s) => [s, 0] })).toEqual({
      error: expect.closeTo(0, 14),
      columns: [expect.closeTo(0, 14), 0],
    });
  });
});
