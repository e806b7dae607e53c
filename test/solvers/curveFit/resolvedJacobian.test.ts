import { describe, expect, it } from 'vitest';
import { uniform } from '../../../bench/problems/random.js';
import { resolvedJacobian } from '../../../src/solvers/curveFit/resolvedJacobian.ts';
import type { Problem } from '../../../src/core/problem.ts';

const EPS = { float64: 2 ** -52, float32: 2 ** -23 };

/** Residuals Σ aᵢⱼ sin(xⱼ + i) + offset, with the points that are asked for. */
function situation(seed: number) {
  const random = uniform(seed + 1);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];
  const [m, n] = [1 + Math.floor(4 * random()), 1 + Math.floor(4 * random())];
  const A = Array.from({ length: m }, () => Array.from({ length: n }, () => pick([0, 1, -2, 1e-6])));
  const precision = pick(['float64', 'float64', 'float32'] as const);
  const round = precision === 'float32' ? Math.fround : (value: number) => value;
  const x = Float64Array.from({ length: n }, () => round(pick([0, 1e-20, -1e-9, 1e-4, 0.3, -7])));
  const start = x.map((value) => pick([0, 1, -20, value]));
  const size = pick([0, 1e-3, 1, 1e3, 1e9]);
  const points: number[][] = [];
  const problem: Problem = {
    p0: start,
    fg: () => NaN,
    residualCount: m,
    residuals(at, r) {
      points.push([...at]);
      A.forEach((row, i) => (r[i] = round(row.reduce((sum, a, j) => sum + a * Math.sin(at[j] + i), i))));
    },
  };
  const residuals = new Float64Array(m);
  problem.residuals?.(x, residuals, null);
  points.length = 0;
  return { m, n, x, start, size, precision, round, problem, residuals, points, pick };
}

/** Differences of one column once more: of one or two sides, with longer steps where nothing changes. */
function plainColumn(
  { m, x, problem, residuals, precision, round }: ReturnType<typeof situation>,
  scheme: '2-point' | '3-point',
  j: number,
  size: number,
): number[] {
  const at = (move: number): number[] => {
    const r = new Float64Array(m);
    problem.residuals?.(
      x.map((value, k) => (k === j ? value + move : value)),
      r,
      null,
    );
    return [...r];
  };
  const base = EPS[precision] ** (scheme === '2-point' ? 1 / 2 : 1 / 3) * (size || 1);
  const movesOf = (h: number) => {
    const all = (scheme === '2-point' ? [h] : [h, -h]).map((move) => round(x[j] + move) - x[j]);
    return [...new Set(all)].filter((move) => move !== 0);
  };
  let moves = movesOf(base);
  let values = moves.map(at);
  const isFlat = (near: number[] | undefined) =>
    near === undefined || near.every((r, i) => r === residuals[i]);
  if (isFlat(values[0])) {
    let factor = 2 ** 12;
    let found = false;
    for (let attempt = 0; attempt < (precision === 'float32' ? 1 : 4); attempt++) {
      const longer = movesOf(factor * base);
      const there = longer.map(at);
      if (!isFlat(there[0])) {
        const most = 4 * EPS.float64 * 2 ** 24 * Math.max(...residuals.map(Math.abs));
        const hidden = there.every((row) => row.every((r, i) => Math.abs(r - residuals[i]) <= most));
        if (attempt === 0 || hidden) [moves, values, found] = [longer, there, true];
        break;
      }
      factor *= 2 ** 24;
    }
    if (!found) return [...residuals].map(() => 0);
  }
  return [...residuals].map((r, i) => {
    const first = values[0][i] - r;
    const [a, b] = moves;
    return moves.length === 1 ? first / a : ((first * b) / a - ((values[1][i] - r) * a) / b) / (b - a);
  });
}

describe('a Jacobian by differences whose columns are more than rounding', () => {
  it.each(['2-point', '3-point'] as const)('follows its rule, point by point: %s', (scheme) => {
    let repeated = 0;
    for (let seed = 0; seed < 1500; seed++) {
      const given = situation(seed);
      const { m, n, x, start, size, precision, problem, residuals, points } = given;
      const jacobian = new Float64Array(m * n);
      const at = { problem, x, residuals, start, size };
      expect(resolvedJacobian(at, { scheme, precision, bounds: null }, jacobian)).toBe(true);
      const asked = points.splice(0);
      const power = scheme === '2-point' ? 1 / 2 : 1 / 3;
      let columns = Array.from(x, (value, j) => plainColumn(given, scheme, j, Math.abs(value)));
      const sizes = Array.from(x, (value, j) => {
        const larger = 1e-3 * (Math.abs(start[j]) || 1);
        // The step for |x|, where 0 counts as 1; 1e-3 of it counts at least.
        const step = EPS[precision] ** power * (Math.max(Math.abs(value), 1e-3 * Math.abs(value)) || 1);
        const change = step * Math.sqrt(columns[j].reduce((sum, slope) => sum + slope * slope, 0));
        return Math.abs(value) < larger && change < 1e4 * EPS[precision] * size ? larger : Math.abs(value);
      });
      if (sizes.some((value, j) => value > Math.abs(x[j]))) {
        repeated++;
        // All columns once more; those that had digits keep their first differences.
        columns = columns.map((column, j) => {
          const again = plainColumn(given, scheme, j, Math.max(Math.abs(x[j]), 1e-3 * (sizes[j] / 1e-3)));
          return sizes[j] > Math.abs(x[j]) ? again : column;
        });
      }
      expect([seed, asked]).toEqual([seed, points]);
      expect([seed, ...jacobian]).toEqual([
        seed,
        ...Array.from(jacobian, (_, k) => columns[k % n][Math.floor(k / n)]),
      ]);
    }
    expect(repeated).toBeGreaterThan(200);
  });

  it('is none where residuals are not finite on both sides, and keeps the first where the second is not', () => {
    const jacobianOf = (isFinite: (x: number) => boolean, size: number) => {
      const problem: Problem = {
        p0: Float64Array.of(1),
        fg: () => NaN,
        residuals: ([x], r) => r.fill(isFinite(x) ? 3 * x + 1 : NaN),
      };
      const jacobian = new Float64Array(1);
      const at = {
        problem,
        x: Float64Array.of(1e-12),
        residuals: Float64Array.of(1 + 3e-12),
        start: problem.p0,
        size,
      };
      const steps = { scheme: '2-point', precision: 'float64', bounds: null } as const;
      return [resolvedJacobian(at, steps, jacobian), jacobian[0]];
    };
    expect(jacobianOf((x) => x === 1e-12, 0)[0]).toBe(false);
    // A step of 1.5e-20 changes nothing: a second one, of 1.5e-11, is finite or not.
    expect(jacobianOf(() => true, 1)).toEqual([true, expect.closeTo(3, 3)]);
    const [isThere, slope] = jacobianOf((x) => Math.abs(x - 1e-12) < 1e-12, 1);
    expect(isThere).toBe(true);
    expect(slope).not.toBeNaN();
    // A residual of 3x has all its digits in the first differences, which are kept.
    const problem: Problem = {
      p0: Float64Array.of(1),
      fg: () => NaN,
      residuals: ([x], r) => r.fill(Math.abs(x) < 2e-12 ? 3 * x : NaN),
    };
    const [x, residuals] = [Float64Array.of(1e-12), Float64Array.of(3e-12)];
    const jacobian = new Float64Array(1);
    const steps = { scheme: '2-point', precision: 'float64', bounds: null } as const;
    const at = { problem, x, residuals, start: problem.p0, size: 1 };
    expect(resolvedJacobian(at, steps, jacobian)).toBe(true);
    expect(jacobian[0]).toBeCloseTo(3, 6);
  });
});
