import { describe, expect, it } from 'vitest';
import {
  checkJacobian,
  checkJacobianAsync,
  layoutOf,
  leastSquares,
  vectorParams,
  type CheckJacobianOptions,
  type Problem,
} from 'quasi-newton';

/** Linear residuals r = Ax − (1, 2, …), whose Jacobian is written as `given`, and products by `products`. */
function linear(
  A: readonly (readonly number[])[],
  { given = A, products, ...more }: LinearOptions = {},
): Problem {
  const [m, n] = [A.length, A[0].length];
  const times = (B: typeof A, v: Float64Array, out: Float64Array) =>
    B.forEach((row, i) => (out[i] = row.reduce((sum, b, j) => sum + b * v[j], 0)));
  const transposed = (B: typeof A) => B[0].map((_, j) => B.map((row) => row[j]));
  const problem = leastSquares({
    p0: Float64Array.from({ length: n }, (_, j) => j + 1),
    residualCount: m,
    residuals(x, r, J) {
      times(A, x, r);
      r.forEach((value, i) => (r[i] = value - (i + 1)));
      if (given !== null) J?.set(given.flat());
    },
  });
  return {
    ...problem,
    ...(products && {
      jacobianVector: (_: Float64Array, v: Float64Array, out: Float64Array) => times(products.J, v, out),
      vectorJacobian: (_: Float64Array, u: Float64Array, out: Float64Array) =>
        times(transposed(products.JT), u, out),
    }),
    ...more,
  };
}
interface LinearOptions extends Partial<Problem> {
  given?: readonly (readonly number[])[] | null;
  products?: { J: readonly (readonly number[])[]; JT: readonly (readonly number[])[] };
}

const A = [
  [1, 2],
  [3, -4],
  [0, 5],
];
/** A with another element at a place. */
const changed = (row: number, column: number, value: number) =>
  A.map((each, i) => each.map((a, j) => (i === row && j === column ? value : a)));

describe('an element of a Jacobian', () => {
  it('its error is relative to the largest of given element, difference and a hundredth of the column', () => {
    for (const [given, error] of [
      [3.3, 0.3 / 3.3],
      [2.7, 0.3 / 3],
      [-3, 6 / 3],
    ]) {
      const { worst, wrong } = checkJacobian(linear(A, { given: changed(1, 0, given) }));
      expect(worst).toMatchObject({ method: 'residuals', row: 1, column: 0, tensor: null, jacobian: given });
      expect(worst.difference).toBeCloseTo(3, 8);
      expect(worst.error).toBeCloseTo(error, 8);
      expect(wrong).toEqual([worst]);
    }
    // The largest element of the first column is 3.
    const small = checkJacobian(linear(A, { given: changed(2, 0, 0.001) }));
    expect(small.worst.error).toBeCloseTo(0.001 / 0.03, 6);
    const infinite = checkJacobian(linear(A, { given: changed(0, 1, Infinity) })).worst;
    expect(infinite).toMatchObject({ row: 0, column: 1, error: Infinity });
  });

  it('is wrong beyond the tolerance, which is 1e-5, or in float32 1e-2', () => {
    const ok = (relative: number, options: CheckJacobianOptions = {}, more: Partial<Problem> = {}) =>
      checkJacobian(linear(A, { given: changed(0, 0, 1 + relative), ...more }), options).ok;
    expect([ok(0.9e-5), ok(1.2e-5)]).toEqual([true, false]);
    expect([ok(0.9e-3, { tolerance: 1e-3 }), ok(1.2e-3, { tolerance: 1e-3 })]).toEqual([true, false]);
    const float32 = { precision: 'float32' } as const;
    expect([ok(0.009, {}, float32), ok(0.02, {}, float32)]).toEqual([true, false]);
  });

  it('is listed with the others, the worst first, and at most 1000 of them', () => {
    const twice = A.map((row, i) => row.map((a, j) => a * (i === 1 && j === 1 ? 2 : i === 0 ? 1.25 : 1)));
    const { wrong, worst, message, undetermined } = checkJacobian(linear(A, { given: twice }));
    expect(wrong.map(({ row }) => row)).toEqual([1, 0, 0]);
    expect(wrong.map(({ error }) => error)).toEqual(
      [0.5, 0.2, 0.2].map((e) => expect.closeTo(e, 8) as number),
    );
    expect(wrong[0]).toEqual(worst);
    expect(undetermined).toBe(0);
    expect(message).toBe(
      'The Jacobian disagrees with the residuals in 3 of 6 elements; worst is row 1, column 1: -8 against -4.000000 by differences.',
    );
    const many = Array.from({ length: 40 }, (_, i) =>
      Array.from({ length: 30 }, (_, j) => 1 + ((i * j) % 7)),
    );
    const check = checkJacobian(linear(many, { given: many.map((row) => row.map((a) => 2 * a)) }));
    expect([check.wrong.length, check.checked]).toEqual([1000, 1200]);
    expect(check.message).toContain('in 1200 of 1200 elements');
  });

  it('has the name of its tensor', () => {
    const layout = layoutOf([
      { name: 'w', shape: [1] },
      { name: 'bias', shape: [1] },
    ]);
    const params = vectorParams(Float64Array.of(1, 2), layout);
    const { worst, message } = checkJacobian(linear(A, { given: changed(2, 1, 6), params }));
    expect(worst.tensor).toBe('bias');
    expect(message).toContain('worst is row 2, column 1 (of "bias"): 6 against 5.000000');
    const at = Float64Array.of(8, 9);
    checkJacobian(linear(A, { params }), { at });
    expect(params.copyInto(new Float64Array(2))).toEqual(Float64Array.of(1, 2));
  });

  it('is compared at the point asked for, rounded in float32', () => {
    const points: number[] = [];
    const cube = (precision: 'float32' | 'float64'): Problem =>
      leastSquares({
        p0: Float64Array.of(1),
        residualCount: 1,
        precision,
        residuals([a], r, J) {
          points.push(a);
          r[0] = a ** 3;
          if (J) J[0] = 3 * a ** 2;
        },
      });
    const at = Float64Array.of(2.1);
    expect(checkJacobian(cube('float64'), { at }).worst.jacobian).toBeCloseTo(3 * 2.1 ** 2, 12);
    expect(points[0]).toBe(2.1);
    points.length = 0;
    expect(checkJacobian(cube('float32'), { at }).worst.jacobian).toBeCloseTo(3 * Math.fround(2.1) ** 2, 12);
    expect(points).toEqual(points.map(Math.fround));
    expect(at[0]).toBe(2.1);
  });
});

describe('rounding of the residuals', () => {
  /** Residuals 1e9 + 2a + 20b − …, at a = b = 1: the Jacobian of the first is `first`, that of the second is right. */
  const offset = (size: number, first: [number, number]) =>
    leastSquares({
      p0: Float64Array.of(1, 1),
      residualCount: 2,
      residuals([a, b], r, J) {
        r.set([size + 2 * a + 20 * b, a + b]);
        J?.set([...first, 1, 1]);
      },
    });

  it('is allowed for ten times: 10 ε |rᵢ| over the step of the difference, ε^⅓ |xⱼ|', () => {
    const { worst, wrong } = checkJacobian(offset(1e6, [2.01, 20]));
    expect([worst.row, worst.column, wrong.length]).toEqual([0, 0, 1]);
    const noise = (10 * 2 ** -52 * (1e6 + 22)) / Math.cbrt(2 ** -52);
    expect(worst.error).toBeCloseTo((Math.abs(2.01 - worst.difference) - noise) / 2.01, 10);
    expect(noise).toBeGreaterThan(1e-4);
  });

  it('leaves an element undetermined if it hides more than a tenth of it', () => {
    // Rounding hides 0.37 of both: much of 2, little of 20.
    const { ok, checked, undetermined, worst, message } = checkJacobian(offset(1e9, [2.3, 20.3]));
    expect([ok, checked, undetermined, worst.error]).toEqual([true, 4, 1, 0]);
    expect(message).toBe(
      'The Jacobian agrees with the residuals in 3 of 4 elements. Not determined, because rounding of the residuals hides them: 1.',
    );
  });

  it('is none where all elements of a column are zero', () => {
    const zero = A.map(([a]) => [0, a]);
    const { ok, worst } = checkJacobian(linear(zero));
    expect([ok, worst.error]).toEqual([true, 0]);
    const spoiled = zero.map(([, a], i) => [i === 0 ? 1 : 0, a]);
    expect(checkJacobian(linear(zero, { given: spoiled })).worst).toMatchObject({
      row: 0,
      column: 0,
      error: expect.closeTo(1, 8) as number,
    });
  });
});

it('a Jacobian of more than 2²⁴ elements is checked in samples, by its products', () => {
  const n = 2 ** 12 + 1;
  const d = Float64Array.from({ length: n }, (_, i) => 1 + (i % 7));
  const seen: (Float64Array | null)[] = [];
  const times = (_: Float64Array, v: Float64Array, out: Float64Array) =>
    v.forEach((value, i) => (out[i] = d[i] * value));
  const problem: Problem = {
    p0: new Float64Array(n).fill(1),
    fg: (x) => x.reduce((sum, value, i) => sum + (d[i] * value) ** 2, 0),
    residualCount: n,
    residuals(x, r, J) {
      seen.push(J);
      times(x, x, r);
    },
    jacobianVector: times,
    vectorJacobian: times,
  };
  const { ok, checked, message } = checkJacobian(problem);
  expect([ok, checked]).toEqual([true, 40 * n]);
  expect(message).toBe(
    `jacobianVector agrees with the residuals in all ${40 * n} elements out of ${n * n}. vectorJacobian agrees with the residuals in all 1600 elements out of ${n * n}.`,
  );
  // At the point, and on both sides of it for each column.
  expect(seen).toEqual(Array.from({ length: 81 }, () => null));
  const wrong = {
    ...problem,
    vectorJacobian: (_: Float64Array, u: Float64Array, out: Float64Array) => out.set(u),
  };
  const check = checkJacobian(wrong);
  expect(check.ok).toBe(false);
  expect(check.message).toMatch(/disagrees .*\. .* not products /);
});

it('residuals are those of float64 unless the problem tells otherwise', () => {
  const { precision, ...problem } = linear(A, { given: changed(0, 0, 1 + 1e-4) });
  expect(precision).toBe('float64');
  expect(checkJacobian(problem)).toEqual(checkJacobian(linear(A, { given: changed(0, 0, 1 + 1e-4) })));
  expect(checkJacobian(problem).ok).toBe(false);
});

describe('products with a Jacobian', () => {
  it('are compared with the same differences, each method in a sentence', () => {
    const products = { J: changed(0, 1, 3), JT: A };
    const check = checkJacobian(linear(A, { products }));
    expect(check).toMatchObject({ ok: false, checked: 6 });
    expect(check.worst).toMatchObject({ method: 'jacobianVector', row: 0, column: 1, jacobian: 3 });
    expect(check.message).toBe(
      'The Jacobian agrees with the residuals in all 6 elements. jacobianVector disagrees with the residuals in 1 of 6 elements; worst is row 0, column 1: 3 against 2.000000 by differences. vectorJacobian agrees with the residuals in all 6 elements.',
    );
    const other = checkJacobian(linear(A, { products: { J: A, JT: changed(2, 1, 4) } }));
    expect(other.worst).toMatchObject({ method: 'vectorJacobian', row: 2, column: 1, jacobian: 4 });
    expect(checkJacobian(linear(A, { products }), { products: false }).ok).toBe(true);
  });

  it('are enough, where no Jacobian is written', () => {
    const problem = linear(A, { given: null, products: { J: A, JT: A } });
    const { ok, message } = checkJacobian(problem);
    expect([ok, message]).toEqual([
      true,
      'jacobianVector agrees with the residuals in all 6 elements. vectorJacobian agrees with the residuals in all 6 elements.',
    ]);
    const refusal = new TypeError('checkJacobian: residuals writes no Jacobian; there is nothing to check.');
    expect(() => checkJacobian(problem, { products: false })).toThrow(refusal);
    for (const half of [{ jacobianVector() {} }, { vectorJacobian() {} }]) {
      expect(() => checkJacobian({ ...linear(A, { given: null }), ...half })).toThrow(refusal);
    }
  });
});

describe('checkJacobian refuses', () => {
  it.each<[string, unknown, CheckJacobianOptions, string]>([
    [
      'what is no problem',
      undefined,
      {},
      'the problem must have residuals, got undefined; leastSquares({ p0, residualCount, residuals }) makes one.',
    ],
    [
      'a problem that does not tell their number',
      { ...linear(A), residualCount: undefined },
      {},
      'residualCount must be a whole number ≥ 1, got undefined.',
    ],
    ['a fraction for their number', { ...linear(A), residualCount: 2.5 }, {}, 'residualCount must be'],
    ['an option that is wrong', linear(A), { tolerance: -1 }, 'tolerance: must be'],
    [
      'a point that is no Float64Array',
      linear(A),
      { at: [1, 2] as never },
      'at: must be a Float64Array(2), got',
    ],
    [
      'a point of another length',
      linear(A),
      { at: Float64Array.of(1) },
      'at: must be a Float64Array(2), got',
    ],
    ['a switch that is none', linear(A), { products: 1 as never }, 'products: must be'],
    [
      'a residual that is not a number',
      { ...linear(A), residuals: (_: Float64Array, r: Float64Array) => r.set([1, NaN, 1]) },
      {},
      'residual 1 is NaN; check where all are finite.',
    ],
    [
      'a first residual that is not a number',
      { ...linear(A), residuals: (_: Float64Array, r: Float64Array) => r.set([NaN, 1, 1]) },
      {},
      'residual 0 is NaN; check where all are finite.',
    ],
    [
      'a point without differences of its first unknown',
      leastSquares({
        p0: Float64Array.of(1, 2),
        residualCount: 1,
        residuals: ([a], r, J) => (r.set([a === 1 ? a : NaN]), J?.set([1, 0])),
      }),
      {},
      'no finite difference in unknown 0; check at another point.',
    ],
    [
      'a point without differences',
      leastSquares({
        p0: Float64Array.of(1, 2),
        residualCount: 1,
        residuals: ([a, b], r, J) => (r.set([b === 2 ? a : NaN]), J?.set([1, 0])),
      }),
      {},
      'no finite difference in unknown 1; check at another point.',
    ],
  ])('%s, in its own name', async (_, problem, options, message) => {
    expect(() => checkJacobian(problem as Problem, options)).toThrow(`checkJacobian: ${message}`);
    await expect(checkJacobianAsync(problem as Problem, options)).rejects.toThrow(
      `checkJacobianAsync: ${message}`,
    );
  });
});

it('a narrow peak is compared with differences of shorter steps', () => {
  const peak = leastSquares({
    p0: Float64Array.of(1),
    residualCount: 1,
    residuals([x], r, jacobian) {
      const z = (x - 1) / 1e-5 + 0.4;
      r[0] = Math.exp(-z * z);
      jacobian?.fill((-2 * z * r[0]) / 1e-5);
    },
  });
  expect(checkJacobian(peak)).toMatchObject({ ok: true, undetermined: 0 });
});
