import { describe, expect, it } from 'vitest';
import { runUnguarded } from '../../../src/core/drive.ts';
import { dense } from '../../../src/solvers/leastSquares/dense.ts';
import { judgePromise } from '../../../src/solvers/leastSquares/hiddenDecrease.ts';
import { newState } from '../../../src/solvers/leastSquares/state.ts';
import type { Box } from '../../../src/core/bounds.ts';
import type { Precision, Problem } from '../../../src/core/problem.ts';

const EPS = { float64: 2 ** -52, float32: 2 ** -23 };
const units =
  "The unknowns are of such different units that steps measured by ‖δ‖ do not move some of them: scaling: 'columns', without method: 'dual', measures each unknown by its own column of the Jacobian.";

/** Residuals Ax − b at x = 0; `actual` is what f is at the point that is tried, instead of the truth. */
function situation(
  rows: number[][],
  b: number[],
  change: object = {},
  actual: number | null = null,
  precision: Precision = 'float64',
) {
  const [m, n] = [rows.length, rows[0].length];
  const state = newState({ n, precision, residualCount: m }, '2-point', {
    method: 'dense',
    tolerance: 0.1,
    isPlain: false,
  });
  const tried: number[][] = [];
  const at = (x: ArrayLike<number>) => rows.map((row, i) => row.reduce((sum, a, j) => sum + a * x[j], -b[i]));
  const problem: Problem = {
    p0: new Float64Array(n),
    fg: () => NaN,
    residuals(x, r, J) {
      tried.push([...x]);
      r.set(at(x));
      if (actual !== null && tried.length > 1) r.fill(0).set([Math.sqrt(actual)]);
      J?.set(rows.flat());
    },
  };
  runUnguarded(dense.linearize(state, null, false), problem);
  Object.assign(state, { damping: 1, first: 1, least: 1e-20, ...change });
  const judge = (whole: number, promised = 0, leastDamping = 1e-20, box: Box | null = null) =>
    runUnguarded(judgePromise(state, dense, box, { whole, promised, leastDamping }), problem);
  return { state, judge, tried };
}

const f = 13;
const rounding = EPS.float64 * f;
/** By itself, the first unknown lowers f by (3e-3)²/1e-6 = 9, the second by 11²/10 = 12.1. */
const rows = [
  [1e-3, 3],
  [0, 1],
];
const b = [3, 2];

describe('a step that promises next to nothing', () => {
  it('is tried as long as it promises more than rounding, where no unknown promises far more by itself', () => {
    const flat = situation([[1e-9], [0]], [0, Math.sqrt(f)]);
    expect(flat.judge(1.01 * rounding)).toBe('try');
    expect(flat.judge(1.01 * rounding, 1)).toBe('try');
    expect(flat.judge(0.99 * rounding)).toEqual({ kind: 'failed', termination: 'precisionFloor' });
    expect(flat.judge(0, 0.99 * rounding)).toEqual({ kind: 'failed', termination: 'precisionFloor' });
    expect(flat.judge(0.99 * rounding, 1.01 * rounding)).toEqual({
      kind: 'failed',
      termination: 'lineSearchFailed',
    });
    expect(flat.tried).toHaveLength(1);
  });

  it('is hidden if an unknown by itself promises more than 256 roundings and four times the step, and keeps it', () => {
    for (const precision of ['float64', 'float32'] as const) {
      const grain = EPS[precision] * f;
      for (const share of [0.9, 1.1]) {
        for (const whole of [0, 0.5 * grain, 100 * grain]) {
          const aim = share * (256 * grain + 4 * whole);
          // One column e₁, with the residual √aim along it.
          const one = situation([[2], [0]], [Math.sqrt(aim), Math.sqrt(f - aim)], {}, null, precision);
          const verdict = one.judge(whole);
          const expected = share > 1 ? 'again' : whole > grain ? 'try' : 'precisionFloor';
          expect(typeof verdict === 'object' ? verdict : { termination: verdict }).toMatchObject({
            termination: expected,
          });
          expect(one.tried).toHaveLength(share > 1 ? 2 : 1);
        }
      }
    }
  });

  it.each([
    [12.1, 'again'],
    [300 * rounding, 'again'],
    [200 * rounding, 'precisionFloor'],
    [-1, 'precisionFloor'],
    [NaN, 'precisionFloor'],
  ])('whose better one lowers f by %d: %s', (decrease, expected) => {
    const { judge, tried } = situation(rows, b, {}, f - decrease);
    const verdict = judge(0);
    expect(typeof verdict === 'object' ? verdict : { termination: verdict }).toMatchObject({
      termination: expected,
    });
    // δ₂ = −½∇f₂/‖Je₂‖² = 11/10: the unknown that promises most moves alone.
    expect(tried[1]).toEqual([0, expect.closeTo(1.1, 12)]);
  });

  it('looks at free unknowns alone, within their bounds', () => {
    const { judge, tried, state } = situation(rows, b);
    state.free[1] = 0;
    expect(judge(0)).toBe('again');
    expect(tried[1]).toEqual([expect.closeTo(3e3, 8), 0]);
    const box = {
      lower: () => -Infinity,
      upper: (j: number) => [Infinity, 0.5][j],
    } as unknown as Box;
    state.free[1] = 1;
    expect(judge(0, 0, 1e-20, box)).toBe('again');
    expect(tried[2]).toEqual([0, 0.5]);
    // Columns of zeros promise nothing.
    const none = situation([[0, 0]], [Math.sqrt(f)]);
    expect(none.judge(0)).toMatchObject({ termination: 'precisionFloor' });
    const beside = situation([[0, 3], [0, 1]], b); // prettier-ignore
    expect(beside.judge(0)).toBe('again');
    expect(beside.tried[1]).toEqual([0, expect.closeTo(1.1, 12)]);
  });

  it('is repeated with a thousandth of the damping, down to the least', () => {
    const { judge, state } = situation(rows, b, { damping: 1, first: 1 });
    expect(judge(0, 0, 1e-5)).toBe('again');
    expect(state.damping).toBeCloseTo(1e-3, 12);
    expect(judge(0, 0, 1e-5)).toBe('again');
    expect(state.damping).toBe(1e-5);
    expect(judge(0, 0, 1e-5)).toEqual({
      kind: 'failed',
      termination: 'lineSearchFailed',
      cause: units,
      falls: true,
    });
  });

  it('is repeated within a thousandfold radius, as long as that decides', () => {
    const change = { byRadius: true, radius: 2, damping: 5, first: 1, least: 1e-3 };
    const { judge, state } = situation(rows, b, change);
    expect(judge(0)).toBe('again');
    expect([state.radius, state.damping]).toEqual([2000, 5]);
    state.damping = 1e-3;
    expect(judge(0)).toMatchObject({ termination: 'lineSearchFailed', falls: true });
  });

  it('is not looked behind where a radius in units of the columns limits it', () => {
    const { judge, tried } = situation(rows, b, { byRadius: true, byColumns: true });
    expect(judge(0)).toEqual({ kind: 'failed', termination: 'precisionFloor' });
    expect(tried).toHaveLength(1);
    expect(situation(rows, b, { byRadius: true }).judge(0)).toBe('again');
    expect(situation(rows, b, { byColumns: true }).judge(0)).toBe('again');
  });

  it.each([
    ['a step was tried', {}, 1e-30],
    ['one was rejected', { growth: 4 }, 0],
    ['rejected steps before have raised the damping', { damping: 1.01 }, 0],
  ])('fails where %s', (_, change, promised) => {
    const { judge, state } = situation(rows, b, change);
    expect(judge(0, promised)).toMatchObject({ termination: 'lineSearchFailed', falls: true, cause: units });
    expect(state.damping).toBe(1); // as at first
  });

  it('does not blame units where D is that of the columns', () => {
    const { judge } = situation(rows, b, { byColumns: true, growth: 4 });
    expect(judge(0)).toEqual({ kind: 'failed', termination: 'lineSearchFailed' });
  });
});
