import { describe, expect, it } from 'vitest';
import { uniform } from '../../../bench/problems/random.js';
import { completeSolveOptions, plainSolveRules } from '../../../src/core/solveOptions.ts';
import { solveRescaled } from '../../../src/solvers/curveFit/rescaleFit.ts';
import type { Residuals } from '../../../src/core/problem.ts';

const times = [0.2, 0.5, 1, 1.4, 2, 2.5, 3];
const powerOf = (value: number) => 2 ** Math.round(Math.log2(value));

/** A fit of a·exp(−bt) + c, whose data and parameters are in given units. */
function fitIn(
  unit: number,
  units: number[],
  change: { hasJacobian?: boolean; precision?: 'float32'; seed?: number } = {},
) {
  const random = uniform(change.seed ?? 3);
  const y = times.map((t) => 3 * Math.exp(-0.7 * t) + 1 + 0.01 * (random() - 0.5));
  const inner = (theta: ArrayLike<number>) => Array.from(units, (u, j) => theta[j] / u);
  const valuesAt = (theta: ArrayLike<number>) => {
    const [a, b, c] = inner(theta);
    return times.map((t) => unit * (a * Math.exp(-b * t) + c));
  };
  const slopesAt = (theta: ArrayLike<number>) => {
    const [a, b] = inner(theta);
    return times.map((t) =>
      [Math.exp(-b * t), -a * t * Math.exp(-b * t), 1].map((slope, j) => (slope * unit) / units[j]),
    );
  };
  const hasJacobian = change.hasJacobian ?? false;
  const points: number[][] = [];
  const residuals: Residuals = (theta, r, J) => {
    points.push([...theta]);
    valuesAt(theta).forEach((value, i) => (r[i] = value - unit * y[i]));
    if (hasJacobian) J?.set(slopesAt(theta).flat());
  };
  const values: Residuals = (theta, r) => r.set(valuesAt(theta));
  const p0 = Float64Array.from([2, 1, 0.5], (value, j) => value * units[j]);
  const limits = completeSolveOptions('test', { maxIterations: 100 }, plainSolveRules);
  const problem = {
    p0,
    fg: () => NaN,
    residualCount: times.length,
    residuals,
    ...(change.precision && { precision: change.precision }),
  };
  const fit = {
    problem,
    hasJacobian,
    lower: Float64Array.from([-1, -Infinity, -2], (value, j) => value * units[j]),
    upper: Float64Array.from([9, 8, Infinity], (value, j) => value * units[j]),
    size: unit * Math.hypot(...y),
    limits,
  };
  return { fit, values, slopesAt, valuesAt, points, y };
}

const norm = (values: readonly number[]) => {
  const largest = Math.max(...values.map(Math.abs));
  return largest > 0 ? largest * Math.hypot(...values.map((value) => value / largest)) : 0;
};

describe('a fit in units of its own', () => {
  it.each([1, 1e-99, 1e99])('leaves data of size %d as they are', (unit) => {
    const { fit, values } = fitIn(unit, [1, 1, 1]);
    const { scaled, solution } = solveRescaled(fit, values);
    expect(scaled.fit).toBe(fit);
    expect([scaled.unit, ...scaled.units]).toEqual([1, 1, 1, 1]);
    expect([...scaled.theta]).toEqual([...solution.x]);
    expect(scaled.f).toBe(solution.f);
  });

  it('leaves data of 0, and those in float32', () => {
    const zero = fitIn(1, [1, 1, 1]);
    const { scaled } = solveRescaled({ ...zero.fit, size: 0 }, zero.values);
    expect([scaled.unit, scaled.fit.size]).toEqual([1, 0]);
    const single = fitIn(1, [1, 1, 1], { precision: 'float32' });
    expect(solveRescaled({ ...single.fit, size: 1e110 }, single.values).scaled.unit).toBe(1);
  });

  it.each([1e100, 1 / 1e100])('begins at a size of %d', (size) => {
    const { fit, values } = fitIn(size, [1, 1, 1]);
    expect(solveRescaled({ ...fit, size }, values).scaled.unit).toBe(powerOf(size));
  });

  it('takes differences within the bounds for the norms of the columns', () => {
    const { fit, values } = fitIn(1e-120, [1, 1, 1]);
    fit.problem.p0.set([2, 1, -0.5]);
    fit.upper[0] = 2;
    fit.lower[2] = -0.5;
    fit.upper[2] = -0.5 + 1e-12; // less than a step of differences
    const points: number[][] = [];
    solveRescaled(fit, (theta, r, J) => {
      points.push([...theta]);
      values(theta, r, J);
    });
    expect(points.length).toBe(4);
    for (const point of points) {
      point.forEach((value, j) => expect(value).toBeGreaterThanOrEqual(fit.lower[j]));
      point.forEach((value, j) => expect(value).toBeLessThanOrEqual(fit.upper[j]));
    }
  });

  it.each([
    [1e-120, [1, 1, 1]],
    [1e130, [1, 1, 1]],
    [1e-140, [1e-130, 1e3, 1e-138]],
    [1e145, [1e120, 1e-8, 1e145]],
    [1e101, [1, 1, 1]],
    [1e-101, [1, 1, 1]],
  ])('takes data of size %d in powers of two: those of ‖y‖ and of the columns', (unit, units) => {
    for (const hasJacobian of [false, true]) {
      const { fit, values, slopesAt, points } = fitIn(unit, units, { hasJacobian });
      const { scaled, solution } = solveRescaled(fit, values);
      const columns = (theta: ArrayLike<number>) => {
        const rows = slopesAt(theta);
        return [0, 1, 2].map((j) => norm(rows.map((row) => row[j])));
      };
      expect(scaled.unit).toBe(powerOf(fit.size));
      const factors = columns(fit.problem.p0).map((length) => scaled.unit / powerOf(length));
      expect([...scaled.units]).toEqual(factors);
      const by = (all: Float64Array) => Array.from(all, (value, j) => value / factors[j]);
      expect([...scaled.fit.problem.p0]).toEqual(by(fit.problem.p0));
      expect([...scaled.fit.lower]).toEqual(by(fit.lower));
      expect([...scaled.fit.upper]).toEqual(by(fit.upper));
      expect(scaled.fit.size).toBe(fit.size / scaled.unit);
      expect([scaled.fit.hasJacobian, scaled.fit.limits]).toEqual([hasJacobian, fit.limits]);

      // Residuals and Jacobian of the new units.
      const z = Float64Array.of(0.3, 0.2, 0.1);
      const [r, J] = [new Float64Array(7), new Float64Array(21).fill(NaN)];
      points.length = 0;
      scaled.fit.problem.residuals(z, r, J);
      const theta = z.map((value, j) => value * factors[j]);
      expect(points).toEqual([[...theta]]);
      const plain = new Float64Array(7);
      fit.problem.residuals(theta, plain, null);
      expect([...r]).toEqual(Array.from(plain, (value) => value / scaled.unit));
      const slopes = slopesAt(theta).flatMap((row) =>
        row.map((slope, j) => (slope / scaled.unit) * factors[j]),
      );
      expect([...J]).toEqual(hasJacobian ? slopes : slopes.map(() => NaN));

      // The solution is that of unit 1, in the old units.
      const one = fitIn(1, [1, 1, 1], { hasJacobian });
      const usual = solveRescaled(one.fit, one.values).solution;
      solution.x.forEach((value, j) => expect(value / units[j] / usual.x[j]).toBeCloseTo(1, 8));
      expect(solution.f / unit / unit / usual.f).toBeCloseTo(1, 8);
      expect([...solution.x]).toEqual(Array.from(scaled.theta, (value, j) => value * factors[j]));
      expect(solution.f).toBe(scaled.f * scaled.unit * scaled.unit);
      columns(solution.x).forEach((length, k) => expect(solution.qr.norms[k] / length).toBeCloseTo(1, 6));
      expect(solution.converged).toBe(true);
    }
  });

  it('has the norms of free parameters where a bound holds one', () => {
    const { fit, values, slopesAt } = fitIn(1e-120, [1e-20, 1, 1]);
    fit.lower[0] = fit.problem.p0[0] * 1.9; // above the minimum
    fit.problem.p0[0] *= 2;
    const { solution } = solveRescaled(fit, values);
    expect(solution.held).toEqual([0]);
    const rows = slopesAt(solution.x);
    [1, 2].forEach((j, k) =>
      expect(solution.qr.norms[k] / norm(rows.map((row) => row[j]))).toBeCloseTo(1, 6),
    );
  });

  it('keeps the unit of a parameter without effect', () => {
    const { fit, values } = fitIn(1e-120, [1, 1, 1]);
    const residuals: Residuals = (theta, r) =>
      fit.problem.residuals(Float64Array.of(theta[0], 1, theta[2]), r, null);
    const still: Residuals = (theta, r) => values(Float64Array.of(theta[0], 1, theta[2]), r, null);
    const { scaled } = solveRescaled({ ...fit, problem: { ...fit.problem, residuals } }, still);
    expect(scaled.units[1]).toBe(1);
    expect(scaled.units[0]).not.toBe(1);
  });
});
