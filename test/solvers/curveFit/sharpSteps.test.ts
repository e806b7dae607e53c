import { describe, expect, it } from 'vitest';
import { linearizeAt, type FitProblem } from '../../../src/solvers/curveFit/linearized.ts';
import { sharpen } from '../../../src/solvers/curveFit/sharpen.ts';
import { completeSolveOptions, plainSolveRules } from '../../../src/core/solveOptions.ts';
import type { FitSolution } from '../../../src/solvers/curveFit/solveFit.ts';

const EPS = 2 ** -52;

interface Given {
  readonly residuals: (x: ArrayLike<number>) => number[];
  readonly jacobian?: (x: ArrayLike<number>) => number[];
  readonly p0: readonly number[];
  readonly size?: number;
  readonly precision?: 'float32' | 'float64';
  readonly upper?: number;
}

/** Sharpens a solution at p0, and lists the points that this takes. */
function sharpened(given: Given, change: Partial<FitSolution> = {}) {
  const { residuals, jacobian, p0, size = 1, precision = 'float64', upper = Infinity } = given;
  const points: number[][] = [];
  const fit: FitProblem = {
    problem: {
      p0: Float64Array.from(p0),
      fg: () => NaN,
      residualCount: residuals(p0).length,
      precision,
      residuals(x, r, J) {
        points.push([...x]);
        r.set(residuals(x));
        J?.set(jacobian?.(x) ?? []);
      },
    },
    hasJacobian: jacobian !== undefined,
    lower: new Float64Array(p0.length).fill(-Infinity),
    upper: new Float64Array(p0.length).fill(upper),
    size,
    limits: completeSolveOptions('test', {}, plainSolveRules),
  };
  const now = linearizeAt(fit, Float64Array.from(p0), 'fine');
  const found: FitSolution = { ...now, converged: false, termination: 'functionTolerance', ...change };
  points.length = 0;
  return { found, solution: sharpen(fit, found), points };
}

/** One parameter and two residuals, the first a root that makes f what it shall be at each place; the second is p − 1. */
function scriptedFit(
  places: readonly (readonly [p: number, f: number])[],
  size = 1,
  upper = Infinity,
): Given {
  const residuals = ({ 0: p }: ArrayLike<number>): number[] => {
    const f = places.find(([place]) => place === p)?.[1] ?? 1e30;
    return [Math.sqrt(f - (p - 1) ** 2), p - 1];
  };
  return { residuals, jacobian: () => [0, 1], p0: [0], size, upper };
}

describe('a solution that is sharpened', () => {
  it('is kept without an evaluation where there is nothing to go on from', () => {
    const line: Given = { residuals: ({ 0: p }) => [p - 1, p - 3], p0: [1.5] };
    for (const change of [
      { termination: 'maxEvaluations', converged: false },
      { termination: 'maxIterations', converged: false },
      { termination: 'maxTime', converged: false },
      { converged: true },
    ] as const) {
      const { found, solution, points } = sharpened(line, change);
      expect(solution).toBe(found);
      expect(points).toEqual([]);
    }
    const single = sharpened({ ...line, precision: 'float32' });
    expect([single.solution === single.found, single.points.length]).toEqual([true, 0]);
    // No parameter has an effect that differences resolve.
    const none = sharpened({ residuals: () => [1, 2], p0: [1.5] });
    expect([none.solution === none.found, none.points.length]).toEqual([true, 0]);
  });

  it('is kept at a minimum where sharper derivatives resolve no more', () => {
    const product: Given = {
      residuals: ({ 0: p, 1: q }) => [1, 2, 3].map((t) => p * q * t - 2 * t + 0.1 * (t % 2)),
      p0: [1, 1.9],
    };
    const { found, solution } = sharpened(product, { converged: true });
    expect(found.qr.rank).toBe(1);
    expect(solution).toBe(found);
  });

  it('resolves no direction by differences that are less accurate than it', () => {
    // Columns that differ by 1e-12, of residuals with and without errors of 3e-14.
    const t = [0, 1, 2, 3, 4];
    const sharp = (noise: number) => {
      const residuals = ({ 0: p, 1: q }: ArrayLike<number>) =>
        t.map(
          (s) => p * (1 + s) + q * (1 + s + 1e-12 * s * s) - s * s + noise * Math.sin(1e12 * (p + 2 * q) + s),
        );
      const given: Given = { residuals, p0: [0.01, 0.005] };
      const { qr } = sharpened(given).found;
      const { found, solution } = sharpened(given, { converged: true, qr: { ...qr, rank: 1 } });
      return solution === found ? 1 : solution.qr.rank;
    };
    expect([sharp(0), sharp(3e-14)]).toEqual([2, 1]);
  });

  it('is the same in units of f that are powers of 2', () => {
    const t = [0, 0.5, 1, 1.5, 2, 2.5];
    const decay = (unit: number, p0: number[], own: boolean): Given => ({
      residuals: ({ 0: a, 1: b }) =>
        t.map((s, i) => unit * (a * Math.exp(-b * s) - 3 * Math.exp(-s) - 0.1 * Math.sin(9 * i))),
      ...(own && {
        jacobian: ({ 0: a, 1: b }) =>
          t.flatMap((s) => [unit * Math.exp(-b * s), -unit * a * s * Math.exp(-b * s)]),
      }),
      p0,
      size: unit * 4,
    });
    for (const own of [true, false]) {
      for (const start of [
        [2, 0.5],
        [3.1, 1.05],
      ]) {
        const plain = sharpened(decay(1, start, own));
        expect(plain.solution.converged).toBe(true);
        for (const unit of [2 ** -30, 2 ** 30]) {
          const other = sharpened(decay(unit, start, own));
          expect(other.points).toEqual(plain.points);
          expect([...other.solution.x]).toEqual([...plain.solution.x]);
          expect(other.solution.f).toBe(unit ** 2 * plain.solution.f);
        }
      }
    }
  });

  it('moves to the first point on the way of a step where f is lower, among seven', () => {
    const parts = [0, 1, 2, 3, 4, 5, 6].map((k) => 4 ** -k);
    for (const [k, part] of parts.entries()) {
      const { solution, points } = sharpened(
        scriptedFit([
          [0, 5],
          [part, 4],
        ]),
      );
      expect(points.slice(1, k + 2)).toEqual(parts.slice(0, k + 1).map((p) => [p]));
      expect(solution.x[0]).toBe(part);
      expect(solution.f).toBeCloseTo(4, 12);
    }
    const stuck = sharpened(scriptedFit([[0, 5]]));
    expect(stuck.points).toEqual([[0], ...parts.map((p) => [p])]);
    expect(stuck.solution).toMatchObject({ converged: false, termination: 'functionTolerance' });
    expect([...stuck.solution.x]).toEqual([0]);
  });

  it('takes a whole step that raises f by rounding, but no shortened one', () => {
    const size = 2 ** 40;
    const noise = 10 * EPS * size * Math.sqrt(5);
    const end = (places: [number, number][]) => sharpened(scriptedFit([[0, 5], ...places], size)).solution;
    expect(end([[1, 5 + 0.9 * noise]])).toMatchObject({ converged: true, x: Float64Array.of(1) });
    expect(end([[1, 5 + 1.1 * noise]])).toMatchObject({ converged: false, x: Float64Array.of(0) });
    expect(end([[1 / 4, 5 + 0.5 * noise]])).toMatchObject({ converged: false, x: Float64Array.of(0) });
  });

  it('does not leave the bounds', () => {
    const { solution, points } = sharpened(
      scriptedFit(
        [
          [0, 5],
          [1, 1],
          [1 / 4, 4],
        ],
        1,
        0.5,
      ),
    );
    expect(points.some(([p]) => p > 0.5)).toBe(false);
    expect(solution.x[0]).toBe(1 / 4);
  });

  it('has converged where a step promises less than 1e-10 of f, or than rounding squared', () => {
    /** Promises 1 of f. */
    const isDone = (f: number, size = 1) => sharpened(scriptedFit([[0, f]], size)).solution.converged;
    expect([isDone(0.9e10), isDone(1.1e10)]).toEqual([false, true]);
    const resolved = 1 / (10 * EPS);
    expect([isDone(2, 0.9 * resolved), isDone(2, 1.1 * resolved)]).toEqual([false, true]);
  });

  it('gives up after 20 steps', () => {
    // Each step is halved by a slope of twice its size: f falls forever.
    const slow: Given = { residuals: ({ 0: p }) => [p], jacobian: () => [2], p0: [1] };
    const { solution } = sharpened(slow);
    expect(solution).toMatchObject({ converged: false, x: Float64Array.of(2 ** -20) });
  });
});
