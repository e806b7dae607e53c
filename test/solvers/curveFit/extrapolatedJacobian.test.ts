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

/**
 * The rule for one parameter once more: the whole of Neville's table, row by row, from which the entry is taken that differs
 * least from the two that it is made of; and the number of steps until it is taken.
 */
function plainColumn(residuals: (p: number) => number[], p: number, longest: number, given: number[]) {
  const apart = (a: number[], b: number[]) => Math.hypot(...a.map((value, i) => value - b[i]));
  const size = (a: number[]) => Math.hypot(...a);
  const table: number[][][] = [];
  let best = { error: Infinity, values: given, row: 0 };
  for (let k = 0; k < 26; k++) {
    const h = longest / 2 ** k;
    const [above, below] = [residuals(p + h), residuals(p - h)];
    const width = p + h - (p - h);
    const slopes = above.map((value, i) => (value - below[i]) / width);
    table.push(slopes.every(Number.isFinite) ? [slopes] : []);
    const last = table[k - 1] ?? [];
    for (let i = 1; table[k].length > 0 && i <= Math.min(6, last.length); i++) {
      const [fine, coarse] = [table[k][i - 1], last[i - 1]];
      const next = fine.map((value, j) => value + (1 / (4 ** i - 1)) * (value - coarse[j]));
      const error = Math.max(apart(next, fine), apart(next, coarse)) / size(next);
      const isNear = apart(next, given) <= size(given) / 2;
      if (error < best.error && isNear) best = { error, values: next, row: k };
      table[k].push(next);
    }
    if (best.error <= 1e-14 || (best.error <= 1e-11 && k - best.row === 5)) break;
  }
  return { ...best, steps: table.length };
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

  it('is that of its rule on models with and without noise, at steps of many lengths', () => {
    const accurate: number[] = [];
    for (let k = 0; k < 200; k++) {
      const noise = 10 ** -(9 + (k % 8));
      const model = (s: number, { 0: p }: ArrayLike<number>) =>
        Math.sin(p * s + k) + (k % 3) * p + noise * Math.sin(1e9 * p);
      const { fit, points } = fitOf(model, 1);
      const given = t.map((s) => s * Math.cos(1.5 * s + k) + (k % 3));
      const residuals = (p: number) => t.map((s) => model(s, [p]) - 1);
      const longest = 2 ** ((k % 11) - 6);
      const plain = plainColumn(residuals, 1.5, longest, given);
      const jacobian = Float64Array.from(given);
      const error = extrapolatedJacobian(fit, Float64Array.of(1.5), Float64Array.of(longest), jacobian);
      expect([k, points.length]).toEqual([k, 2 * plain.steps]);
      expect([k, error / plain.error]).toEqual([k, expect.closeTo(1, 10)]);
      expect([...jacobian]).toEqual(plain.values);
      accurate.push(plain.steps);
    }
    // Some are taken at once, some by patience, and some are not accurate after all steps.
    expect(Math.min(...accurate)).toBeLessThan(10);
    expect(new Set(accurate).size).toBeGreaterThan(8);
    expect(Math.max(...accurate)).toBe(26);
  });

  it('goes on beyond steps that meet a pole of one residual', () => {
    // A step of 1/2 ends at the pole of the third residual; the longer one before does not.
    const poles = fitOf((s, p) => 1 / (s - p[0]), 1);
    const { columns } = errorsOf(poles, [0.5], { steps: [1], slopes: (s) => [(s - 0.5) ** -2] });
    expect(poles.points).toContainEqual([1]);
    expect(columns[0]).toBeLessThan(1e-10);
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

  it('is kept where a step is lost in the parameter', () => {
    const lost = fitOf((s, p) => p[0] * s, 1);
    const options = { steps: [1], slopes: (s: number) => [s] };
    expect(errorsOf(lost, [1e20], options)).toEqual({ error: Infinity, columns: [expect.closeTo(0.01, 12)] });
  });

  it('of a parameter that has no effect is 0', () => {
    const flat = fitOf((s, p) => p[0] * s, 2);
    expect(errorsOf(flat, [1, 5], { steps: [1, 1], slopes: (s) => [s, 0] })).toEqual({
      error: expect.closeTo(0, 14),
      columns: [expect.closeTo(0, 14), 0],
    });
  });
});
