import { describe, expect, it } from 'vitest';
import {
  exactness,
  isWithin,
  linearizeAt,
  linearModel,
  plusStep,
  precisionOf,
  roughness,
  roundingOf,
  roundInto,
  type FitProblem,
} from '../../../src/solvers/curveFit/linearized.ts';

const EPS = { float64: 2 ** -52, float32: 2 ** -23 };
const rows = [
  [2, 1, -1],
  [0, 3, 1],
  [1, -1, 2],
  [4, 0, 1],
];
const b = [1, 2, 3, -4];
const residualsAt = (x: ArrayLike<number>) =>
  rows.map((row, i) => row.reduce((sum, a, j) => sum + a * x[j], -b[i]) + 0.1 * x[0] * x[1]);
const slopesAt = (x: ArrayLike<number>) => rows.map(([a, c, d]) => [a + 0.1 * x[1], c + 0.1 * x[0], d]);

/** A fit, which counts its evaluations. */
function fitOf(change: Partial<FitProblem> = {}, precision?: 'float32' | 'float64') {
  const points: number[][] = [];
  const problem = {
    p0: new Float64Array(3),
    fg: () => NaN,
    residualCount: 4,
    ...(precision && { precision }),
    residuals(x: Float64Array, r: Float64Array, J: Float64Array | null) {
      points.push([...x]);
      r.set(residualsAt(x));
      J?.set(slopesAt(x).flat());
    },
  };
  const fit = {
    problem,
    hasJacobian: true,
    lower: new Float64Array(3).fill(-Infinity),
    upper: new Float64Array(3).fill(Infinity),
    size: 5,
    limits: {} as FitProblem['limits'],
    ...change,
  };
  return { fit, points };
}

/** The Gauss–Newton step of some unknowns by their normal equations, eliminated without pivots. */
function plainStep(x: number[], free: number[]): number[] {
  const [J, r] = [slopesAt(x), residualsAt(x)];
  const matrix = free.map((p) => [
    ...free.map((q) => J.reduce((sum, row) => sum + row[p] * row[q], 0)),
    -J.reduce((sum, row, i) => sum + row[p] * r[i], 0),
  ]);
  for (let k = 0; k < free.length; k++) {
    for (let i = 0; i < free.length; i++) {
      if (i === k) continue;
      const factor = matrix[i][k] / matrix[k][k];
      matrix[i] = matrix[i].map((value, j) => value - factor * matrix[k][j]);
    }
  }
  const step = [0, 0, 0];
  free.forEach((j, k) => (step[j] = matrix[k][free.length] / matrix[k][k]));
  return step;
}

const sum = (r: number[]) => r.reduce((total, value) => total + value * value, 0);

describe('the linear model of a fit', () => {
  const x = [1, -2, 0.5];
  const gradient = [0, 1, 2].map((j) =>
    slopesAt(x).reduce((total, row, i) => total + 2 * row[j] * residualsAt(x)[i], 0),
  );

  it.each<[string, number[], number[], number[]]>([
    ['without bounds', [], [], [0, 1, 2]],
    ['at bounds that the gradient leads away from', [0], [], gradient[0] > 0 ? [1, 2] : [0, 1, 2]],
    ['at a lower bound', [1], [], gradient[1] > 0 ? [0, 2] : [0, 1, 2]],
    ['at a third', [2], [], gradient[2] > 0 ? [0, 1] : [0, 1, 2]],
    ['at an upper bound', [], [0], gradient[0] < 0 ? [1, 2] : [0, 1, 2]],
    ['at another upper bound', [], [1], gradient[1] < 0 ? [0, 2] : [0, 1, 2]],
    ['at the last upper bound', [], [2], gradient[2] < 0 ? [0, 1] : [0, 1, 2]],
    ['pinned', [0, 1], [0, 1], [2]],
  ])('is solved over the unknowns that no bound holds: %s', (_, low, high, free) => {
    const { fit, points } = fitOf();
    for (const j of low) fit.lower[j] = x[j];
    for (const j of high) fit.upper[j] = x[j];
    const given = Float64Array.from(x);
    const model = linearizeAt(fit, given, 'rough');
    expect(model.free).toEqual(free);
    expect(model.held).toEqual([0, 1, 2].filter((j) => !free.includes(j)));
    const step = plainStep(x, free);
    step.forEach((value, j) => expect(model.step[j]).toBeCloseTo(value, 11));
    const after = residualsAt(x).map((value, i) =>
      slopesAt(x)[i].reduce((total, slope, j) => total + slope * step[j], value),
    );
    expect(model.f).toBeCloseTo(sum(residualsAt(x)), 11);
    expect(model.decrease).toBeCloseTo(sum(residualsAt(x)) - sum(after), 10);
    // Its own Jacobian is exact, and takes one evaluation.
    expect(model.accuracy).toBe('fine');
    expect(points).toEqual([x]);
    expect([...plusStep(model)]).toEqual(x.map((value, j) => value + model.step[j]));
    given.fill(9);
    expect([...model.x]).toEqual(x);
  });

  it('beside a bound, in float32, counts as on it to two units of its rounding', () => {
    const heldAt = (precision: 'float32' | 'float64', away: number, upper: boolean): boolean => {
      const { fit } = fitOf({}, precision);
      const j = gradient.findIndex((slope) => (upper ? slope < 0 : slope > 0));
      const bound = x[j] + (upper ? 1 : -1) * away * Math.abs(x[j]) * EPS.float32;
      if (upper) fit.upper[j] = bound;
      else fit.lower[j] = bound;
      return linearizeAt(fit, Float64Array.from(x), 'fine').held.includes(j);
    };
    for (const upper of [false, true]) {
      expect([0, 1.9, 2.1].map((away) => heldAt('float32', away, upper))).toEqual([true, true, false]);
      expect([0, 0.1].map((away) => heldAt('float64', away, upper))).toEqual([true, false]);
    }
  });

  it.each([
    ['rough', 3],
    ['fine', 6],
  ] as const)('by differences is %s, at %d evaluations more', (accuracy, count) => {
    const { fit, points } = fitOf({ hasJacobian: false });
    const model = linearizeAt(fit, Float64Array.from(x), accuracy);
    expect(model.accuracy).toBe(accuracy);
    expect(points).toHaveLength(1 + count);
    plainStep(x, [0, 1, 2]).forEach((value, j) =>
      expect(model.step[j]).toBeCloseTo(value, accuracy === 'rough' ? 5 : 8),
    );
  });

  it('the linear model of a fit by differences stays within the bounds', () => {
    const { fit, points } = fitOf({ hasJacobian: false });
    fit.upper.set(x);
    linearizeAt(fit, Float64Array.from(x), 'rough');
    expect(points.every((point) => point.every((value, j) => value <= x[j]))).toBe(true);
    fit.upper.fill(Infinity);
    fit.lower.set(x);
    points.length = 0;
    linearizeAt(fit, Float64Array.from(x), 'fine');
    expect(points.every((point) => point.every((value, j) => value >= x[j]))).toBe(true);
  });

  it('promises nothing where differences have no finite values', () => {
    const { fit } = fitOf({ hasJacobian: false });
    for (const column of [0, 1, 2]) {
      const walled = {
        ...fit.problem,
        residuals: (at: Float64Array, r: Float64Array) =>
          r.set(residualsAt(at).map((value) => (at[column] === x[column] ? value : NaN))),
      };
      const model = linearizeAt({ ...fit, problem: walled }, Float64Array.from(x), 'fine');
      expect([model.decrease, model.qr.rank]).toEqual([0, 0]);
      expect(model.step.every((move) => move === 0)).toBe(true);
    }
  });

  it('leaves unknowns free whose derivative at a bound is 0', () => {
    const { fit } = fitOf();
    fit.lower.set(x);
    fit.upper.set(x);
    const at = {
      x: Float64Array.from(x),
      residuals: new Float64Array(4),
      jacobian: new Float64Array(12).fill(1),
    };
    expect(linearModel(fit, at, 'fine').free).toEqual([0, 1, 2]);
  });

  it('leaves out columns that are combinations of others to 1e-9, in float32 to 1e-4', () => {
    const rankOf = (apart: number, precision: 'float32' | 'float64') => {
      const { fit } = fitOf({}, precision);
      const jacobian = Float64Array.from([1, 1, 0, 1, 1, 0, 0, apart, 0, 0, 0, 1]);
      const at = { x: new Float64Array(3), residuals: new Float64Array(4), jacobian };
      return linearModel(fit, at, 'fine').qr.rank;
    };
    expect([1e-10, 1e-8].map((apart) => rankOf(apart, 'float64'))).toEqual([2, 3]);
    expect([1e-5, 1e-3].map((apart) => rankOf(apart, 'float32'))).toEqual([2, 3]);
  });

  it('knows what a rough Jacobian promises by its errors: (1.5e-8/|Rₙₙ|)²', () => {
    const { fit } = fitOf();
    const at = (jacobian: number[]) =>
      roughness(
        linearModel(
          fit,
          { x: new Float64Array(3), residuals: new Float64Array(4), jacobian: Float64Array.from(jacobian) },
          'rough',
        ),
      );
    // Columns of length 1; the last diagonal element is the sine of the angle between two of them.
    const [c, s] = [Math.cos(1e-3), Math.sin(1e-3)];
    expect(Math.sqrt(at([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0])) / 1.5e-8).toBeCloseTo(1, 9);
    expect(Math.sqrt(at([1, c, 0, 0, s, 0, 0, 0, 1, 0, 0, 0])) / (1.5e-8 / s)).toBeCloseTo(1, 6);
    expect(Math.sqrt(at(Array(12).fill(0))) / 1.5e-8).toBeCloseTo(1, 12);
    expect(Math.sqrt(at([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])) / 1.5e-8).toBeCloseTo(1, 9);
  });
});

describe('what counts as rounding', () => {
  it.each(['float64', 'float32'] as const)('is relative to y in %s', (precision) => {
    const { fit } = fitOf({ size: 5 }, precision);
    expect(precisionOf(fit)).toBe(precision);
    // Residuals of 100 ε‖y/σ‖, and 64 ε(f + ‖y/σ‖√f).
    expect(exactness(fit)).toBeCloseTo((100 * EPS[precision] * 5) ** 2, 25);
    expect(exactness(fit) / (100 * EPS[precision] * 5) ** 2).toBeCloseTo(1, 12);
    expect(roundingOf(fit, 4) / (64 * EPS[precision] * (4 + 5 * 2))).toBeCloseTo(1, 12);
    expect(roundingOf(fit, 0)).toBe(0);
  });

  it('is float64 unless told', () => expect(precisionOf(fitOf().fit)).toBe('float64'));
});

describe('bounds', () => {
  const { fit } = fitOf();
  fit.lower.set([0, -Infinity, 0.1]);
  fit.upper.set([1, 2, Infinity]);

  it.each([
    [[0, 2, 0.1], true],
    [[1, -9, 9], true],
    [[-1e-9, 0, 1], false],
    [[1.1, 0, 1], false],
    [[0, 2.1, 1], false],
    [[0, 0, 0.09], false],
    [[NaN, 0, 1], false],
  ])('%j lies within: %s', (x, expected) => expect(isWithin(fit, Float64Array.from(x))).toBe(expected));

  it('hold for points that are rounded', () => {
    const x = Float64Array.of(1 / 3, 2 + 1e-9, 0.1 - 1e-8);
    roundInto(fit, x);
    expect([...x]).toEqual([Math.fround(1 / 3), 2, 0.1]);
  });
});
