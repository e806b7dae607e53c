import { describe, expect, it } from 'vitest';
import { runUnguarded } from '../../../src/core/drive.ts';
import {
  chooseScale,
  columnNorms,
  isFar,
  linearize,
  raiseScale,
  WIDE_SPREAD,
  type LinearModel,
} from '../../../src/solvers/leastSquares/linearModel.ts';
import type { Scheme } from '../../../src/core/jacobian.ts';
import type { Problem } from '../../../src/core/problem.ts';

/** A model of m residuals and n unknowns, before its first evaluation. */
function modelOf(x: number[], m: number, more: Partial<LinearModel> = {}): LinearModel {
  const n = x.length;
  return {
    x: Float64Array.from(x),
    f: NaN,
    gradient: new Float64Array(n).fill(NaN),
    residuals: new Float64Array(m),
    jacobian: new Float64Array(m * n),
    scale: new Float64Array(n).fill(1),
    sizes: new Float64Array(n),
    source: 'unknown',
    scheme: '2-point',
    byColumns: false,
    obstacle: '',
    ready: false,
    rounded: false,
    ...more,
  };
}

/** r = (ab, a − 2, b² + 1), with J unless it is to be found by differences; counts its calls. */
function problemOf(change: (r: Float64Array, J: Float64Array | null, x: Float64Array) => void = () => {}) {
  const calls: { x: number[]; withJacobian: boolean }[] = [];
  const problem: Problem = {
    p0: new Float64Array(2),
    fg: () => NaN,
    residuals(x, r, J) {
      const [a, b] = x;
      calls.push({ x: [a, b], withJacobian: J !== null });
      r.set([a * b, a - 2, b * b + 1]);
      change(r, J, x);
    },
  };
  return { problem, calls };
}
const own = (_r: Float64Array, J: Float64Array | null, [a, b]: Float64Array) =>
  J?.set([b, a, 1, 0, 0, 2 * b]);
const run = (model: LinearModel, problem: Problem, known = false) =>
  runUnguarded(linearize(model, null, known), problem);
/** At (3, −1): r = (−3, 1, 2), J = (−1 3; 1 0; 0 −2), 2Jᵀr = (8, −26). */
const point = [3, -1];

describe('the linear model at a point', () => {
  it('has the residuals, the written Jacobian and the gradient 2Jᵀr', () => {
    const { problem, calls } = problemOf(own);
    const model = modelOf(point, 3, { sizes: Float64Array.of(2, 4) });
    expect(run(model, problem)).toBe(true);
    expect(model).toMatchObject({ f: 14, source: 'own', ready: true, obstacle: '' });
    expect([...model.residuals]).toEqual([-3, 1, 2]);
    expect([...model.jacobian]).toEqual([-1, 3, 1, 0, 0, -2]);
    expect([...model.gradient]).toEqual([8, -26]);
    // The largest |x| so far.
    expect([...model.sizes]).toEqual([3, 4]);
    expect(calls).toEqual([{ x: point, withJacobian: true }]);
    // The Jacobian is written with the residuals, so that these are not known without it.
    expect(run(model, problem, true)).toBe(true);
    expect(calls).toHaveLength(2);
  });

  it.each<[Scheme, boolean, boolean, number]>([
    ['2-point', false, false, 2],
    ['3-point', false, false, 4],
    ['2-point', true, false, 2],
    ['3-point', true, true, 4],
  ])('takes %s differences where none is written; float32 %s, known %s', (scheme, rounded, known, count) => {
    const { problem, calls } = problemOf();
    const model = modelOf(point, 3, {
      scheme,
      rounded,
      source: known ? 'differences' : 'unknown',
      ...(known && { residuals: Float64Array.of(-3, 1, 2), f: 14 }),
    });
    expect(run(model, problem)).toBe(true);
    expect(model.source).toBe('differences');
    expect(model.f).toBe(14);
    expect(calls).toHaveLength(1 + count);
    expect(calls[0].withJacobian).toBe(!known);
    const digits = rounded ? 2 : 5;
    [-1, 3, 1, 0, 0, -2].forEach((value, at) => expect(model.jacobian[at]).toBeCloseTo(value, digits));
    const step = Math.abs(calls[1].x[0] - 3) / 3;
    expect(step > 1e-7).toBe(rounded || scheme === '3-point');
    // Known residuals are not computed again.
    const before = calls.length;
    expect(run(model, problem, true)).toBe(true);
    expect(calls.length - before).toBe(count);
    expect(model.ready).toBe(true);
  });

  it('has differences that stay within the bounds', () => {
    const { problem, calls } = problemOf();
    const box = { length: 2, lower: () => -1, upper: () => 3, checkLength: () => {} };
    expect(runUnguarded(linearize(modelOf(point, 3), box, false), problem)).toBe(true);
    expect(calls.every(({ x }) => x.every((value) => value >= -1 && value <= 3))).toBe(true);
  });

  it('finds where a function stops to write its Jacobian, and refuses one that is written in part', () => {
    let writes = true;
    const { problem } = problemOf((r, J, x) => writes && own(r, J, x));
    const model = modelOf(point, 3);
    run(model, problem);
    writes = false;
    expect(run(model, problem)).toBe(true);
    expect(model.source).toBe('differences');
    const { problem: half } = problemOf((_r, J) => J?.set([1, 2]));
    expect(() => run(modelOf(point, 3), half)).toThrow(
      /^levenbergMarquardt: residuals left the Jacobian unwritten at row 1, column 0/,
    );
  });

  it('says where a Jacobian is not finite', () => {
    const infinite = problemOf((r, J, x) => {
      own(r, J, x);
      if (J) J[3] = Infinity;
    });
    const model = modelOf(point, 3, { ready: true });
    expect(run(model, infinite.problem)).toBe(false);
    expect(model.ready).toBe(false);
    expect(model.obstacle).toBe('The Jacobian at row 1, column 1, is Infinity at x = [3, -1].');

    // Once it has been written, NaN in it is no oversight.
    let isNaN = false;
    const later = problemOf((r, J, x) => {
      own(r, J, x);
      if (J && isNaN) J[4] = NaN;
    });
    const third = modelOf(point, 3);
    run(third, later.problem);
    isNaN = true;
    expect(run(third, later.problem)).toBe(false);
    expect(third.obstacle).toBe('The Jacobian at row 2, column 0, is NaN at x = [3, -1].');

    const first = problemOf((r, J, x) => {
      own(r, J, x);
      if (J) J[2] = -Infinity;
    });
    const fourth = modelOf(point, 3);
    expect(run(fourth, first.problem)).toBe(false);
    expect(fourth.obstacle).toBe('The Jacobian at row 1, column 0, is -Infinity at x = [3, -1].');

    const left = problemOf((r, _J, [a]) => a !== 3 && r.fill(NaN));
    const fifth = modelOf(point, 3);
    expect(run(fifth, left.problem)).toBe(false);
    expect(fifth.obstacle).toBe('Residuals are not finite on either side of x[0] at x = [3, -1].');

    const walled = problemOf((r, _J, [, b]) => b !== -1 && r.fill(NaN));
    const other = modelOf(point, 3, { ready: true });
    expect(run(other, walled.problem)).toBe(false);
    expect(other.ready).toBe(false);
    expect(other.obstacle).toBe('Residuals are not finite on either side of x[1] at x = [3, -1].');
  });
});

describe('D', () => {
  const chosen = (norms: number[], scaling: 'auto' | 'identity' | 'columns', spread?: number) => {
    const model = modelOf(norms, 1);
    const largest = chooseScale(model, Float64Array.from(norms), scaling, spread);
    return [largest, model.byColumns, [...model.scale]];
  };
  it.each([
    ['auto', [1, 4999], undefined, false],
    ['auto', [1, 5000], undefined, true],
    ['auto', [0, 1, 4999], undefined, false],
    ['auto', [0, 0], undefined, false],
    ['auto', [1, 999_999], WIDE_SPREAD, false],
    ['auto', [1, 1e6], WIDE_SPREAD, true],
    ['identity', [1, 1e9], undefined, false],
    ['columns', [2, 3], undefined, true],
  ] as const)(
    'with scaling %s and columns of %j follows them or not',
    (scaling, norms, spread, byColumns) => {
      const scale = byColumns ? [...norms] : norms.map(() => 1);
      expect(chosen([...norms], scaling, spread)).toEqual([Math.max(...norms), byColumns, scale]);
    },
  );

  it('only rises', () => {
    const model = modelOf([0, 0, 0], 1, { scale: Float64Array.of(1, 5, 2) });
    raiseScale(model, Float64Array.of(3, 4, 2));
    expect([...model.scale]).toEqual([3, 5, 2]);
  });

  it('is made of the norms of the columns', () => {
    expect([...columnNorms(Float64Array.of(3, 0, 4, -2, 0, 0), 2)]).toEqual([5, 2]);
    expect([...columnNorms(Float64Array.of(3, 0, 4), 3)]).toEqual([3, 0, 4]);
  });
});

it.each([
  // |xⱼ|·‖Jeⱼ‖ is more than 1e5 times the size of the values, for one unknown at least.
  [[3, -2e5], [1, 4], 7.9, true],
  [[3, -2e5], [1, 4], 8.1, false],
  [[2e5, 3], [4, 1], 7.9, true],
  [[2e5, 3], [0.25, 1], 0.6, false],
  [[2e5, 3], [4, 1], 0, false],
  [[0, 0], [4, 1], 1, false],
])('unknowns %j with columns of %j are far from 0 for values of size %d: %s', (x, norms, size, far) => {
  expect(isFar(x, Float64Array.from(norms), size)).toBe(far);
});
