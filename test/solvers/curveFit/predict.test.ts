import { describe, expect, it } from 'vitest';
import { predictBy, type Fitted } from '../../../src/solvers/curveFit/predict.ts';
import { curveFit } from '../../../src/solvers/curveFit/curveFit.ts';
import { readParameters } from '../../../src/solvers/curveFit/parameters.ts';
import { studentQuantile } from '../../../src/solvers/curveFit/studentT.ts';
import type { Point } from '../../../src/solvers/curveFit/data.ts';

/** a·x + b·x², of which the covariance in units of s² is [0.5, −0.2; −0.2, 0.3], in Cholesky's factors. */
const factor = [
  Float64Array.of(Math.sqrt(0.5), -0.2 / Math.sqrt(0.5)),
  Float64Array.of(0, Math.sqrt(0.3 - 0.08)),
];
const value = (x: number, p: ArrayLike<number>) => p[0] * x + p[1] * x * x;
function fittedWith(change: Partial<Fitted> = {}, bounds: object = {}) {
  const visited: number[][] = [];
  const fitted: Fitted = {
    model: {
      values(points, theta, out) {
        visited.push([...theta]);
        points.forEach((x, i) => (out[i] = value(x as number, theta)));
      },
      precision: () => 'float64',
      derivatives: null,
    },
    points: [1, 2],
    parameters: readParameters([2, -1], {
      lower: undefined,
      upper: undefined,
      fixed: [],
      tied: {},
      ...bounds,
    }),
    theta: Float64Array.of(2, -1),
    uncertainty: { factor, loose: [], norms: Float64Array.of(1, 1) },
    deviation: 2,
    degrees: 7,
    sigma: 3,
    ...change,
  };
  return { fitted, visited };
}
const points = [0, 0.5, 3];
/** s²gᵀ(JᵀJ)⁻¹g of g = (x, x²). */
const varianceAt = (x: number) => 4 * (0.5 * x * x - 0.4 * x ** 3 + 0.3 * x ** 4);

describe('predictions', () => {
  it('have the values of the model and their standard errors', () => {
    const { values, standardErrors } = predictBy(fittedWith().fitted, points, {});
    expect([...values]).toEqual(points.map((x) => value(x, [2, -1])));
    points.forEach((x, i) => expect(standardErrors[i]).toBeCloseTo(Math.sqrt(varianceAt(x)), 8));
  });

  it.each([
    [undefined, 7, undefined],
    [0.5, 7, undefined],
    [0.99, Infinity, 2],
    [undefined, 3, [1, 2, 5]],
    [0.9, 3, Float32Array.of(1, 2, 5)],
  ] as const)('have bands of level %s, with %s degrees of freedom and sigma %j', (level, degrees, sigma) => {
    const { fitted } = fittedWith({ degrees });
    const options = { ...(level && { level }), ...(sigma && { sigma }) };
    const { values, confidence, prediction } = predictBy(fitted, points, options);
    const t = studentQuantile(level ?? 0.95, degrees);
    points.forEach((x, i) => {
      const noise = sigma === undefined ? 3 : typeof sigma === 'number' ? sigma : sigma[i];
      const [narrow, wide] = [0, 4 * noise ** 2].map((more) => t * Math.sqrt(varianceAt(x) + more));
      expect(confidence.lower[i]).toBeCloseTo(values[i] - narrow, 7);
      expect(confidence.upper[i]).toBeCloseTo(values[i] + narrow, 7);
      expect(prediction?.lower[i]).toBeCloseTo(values[i] - wide, 7);
      expect(prediction?.upper[i]).toBeCloseTo(values[i] + wide, 7);
    });
  });

  it('have no band of new observations where their deviation is not known', () => {
    const { fitted } = fittedWith({ sigma: null });
    expect(predictBy(fitted, points, {}).prediction).toBeNull();
    expect(predictBy(fitted, points, { sigma: 1 }).prediction).not.toBeNull();
  });

  it('are uncertain without limit if there are no degrees of freedom, unless no parameter has an effect', () => {
    const { fitted } = fittedWith({ deviation: Infinity, degrees: 0 });
    const { values, standardErrors, confidence, prediction } = predictBy(fitted, [1, 0], {});
    expect([...standardErrors]).toEqual([Infinity, 0]);
    expect([...confidence.lower, ...confidence.upper]).toEqual([-Infinity, values[1], Infinity, values[1]]);
    expect([...(prediction?.lower ?? []), ...(prediction?.upper ?? [])]).toEqual([
      -Infinity,
      -Infinity,
      Infinity,
      Infinity,
    ]);
  });

  it('take the derivatives of the user, where there are some', () => {
    const { fitted, visited } = fittedWith();
    const derivatives = (xs: readonly Point[], _: Float64Array, out: Float64Array) =>
      xs.forEach((x, i) => out.set([2 * (x as number), 0], 2 * i));
    const own = predictBy({ ...fitted, model: { ...fitted.model, derivatives } }, points, {});
    points.forEach((x, i) => expect(own.standardErrors[i]).toBeCloseTo(Math.sqrt(4 * 0.5 * 4 * x * x), 12));
    expect(visited).toHaveLength(1);
  });

  it('take central differences within the bounds', () => {
    const { fitted, visited } = fittedWith({}, { lower: [2, -9], upper: [9, -1] });
    const { standardErrors } = predictBy(fitted, [3], {});
    expect(standardErrors[0]).toBeCloseTo(Math.sqrt(varianceAt(3)), 6);
    expect(visited).toHaveLength(5);
    expect(visited.every(([a, b]) => a >= 2 && b <= -1)).toBe(true);
    // Of parameters that vary: the bounds of the first are not those of the second.
    const second = fittedWith({}, { lower: [-9, -1], upper: [2, 9] });
    predictBy(second.fitted, [3], {});
    expect(second.visited.every(([a, b]) => a <= 2 && b >= -1)).toBe(true);
  });

  it('take steps of the precision of the model', () => {
    const stepOf = (precision: 'float32' | 'float64') => {
      const { fitted, visited } = fittedWith();
      predictBy({ ...fitted, model: { ...fitted.model, precision: () => precision } }, [1], {});
      return Math.abs(visited[1][0] - 2) / 2;
    };
    expect(stepOf('float64') / 2 ** (-52 / 3)).toBeCloseTo(1, 6);
    expect(stepOf('float32') / 2 ** (-23 / 3)).toBeCloseTo(1, 2);
  });

  it('are uncertain by NaN where differences have no finite values', () => {
    const { fitted } = fittedWith();
    const values = (xs: readonly Point[], theta: Float64Array, out: Float64Array) =>
      xs.forEach((x, i) => (out[i] = theta[0] === 2 ? value(x as number, theta) : NaN));
    const { standardErrors } = predictBy({ ...fitted, model: { ...fitted.model, values } }, [1, 2], {});
    expect([...standardErrors]).toEqual([NaN, NaN]);
  });

  const allowed = 'must be a finite number > 0, or an array of 3 of them, one for each point';
  it.each<[unknown, object, string]>([
    [3, {}, 'TypeError: predict: points must be an array, got 3.'],
    [points, { level: 1 }, 'RangeError: predict: level: must be a number in (0, 1), got 1.'],
    [points, { levels: 1 }, 'RangeError: predict: levels: no such option; there are level, sigma.'],
    [points, { sigma: 0 }, `RangeError: predict: sigma: ${allowed}, got 0.`],
    [points, { sigma: [1, 2] }, `RangeError: predict: sigma: ${allowed}, got Array(2).`],
    [points, { sigma: [1, 2, 0] }, `RangeError: predict: sigma: ${allowed}, got Array(3).`],
    [points, { sigma: [1, 2, 3, 4] }, `RangeError: predict: sigma: ${allowed}, got Array(4).`],
    [
      points,
      { sigma: { length: 3, 0: 1, 1: 1, 2: 1 } },
      `RangeError: predict: sigma: ${allowed}, got an object with 0, 1, 2, length.`,
    ],
    [
      points,
      { sigma: new DataView(new ArrayBuffer(3)) },
      `RangeError: predict: sigma: ${allowed}, got DataView(3).`,
    ],
  ])('%j with %j is refused', (given, options, message) => {
    let text = 'nothing';
    try {
      predictBy(fittedWith().fitted, given as number[], options);
    } catch (error) {
      text = String(error);
    }
    expect(text).toBe(message);
  });
});

describe('parameters that compensate each other', () => {
  /** A polynomial by Horner's rule. */
  const polynomial = (x: number, p: ArrayLike<number>): number =>
    Array.from(p).reduceRight((sum, coefficient) => sum * x + coefficient, 0);

  // By central differences, the first is off by 1.3e-4, the second by 3.8e-4.
  it.each<[string, number, number[]]>([
    ['a quartic in calendar years', 4, Array.from({ length: 24 }, (_, i) => 1901 + 4 * i)],
    ['a parabola far from 0', 2, Array.from({ length: 20 }, (_, i) => 1e5 + i / 2)],
  ])('%s: bands by differences are those of its derivatives', (_, degree, x) => {
    const y = x.map((_value, i) => Math.sin(i) + Math.cos(7 * i * i));
    const p0 = Array.from({ length: degree + 1 }, () => 1);
    const jacobian = (at: number) => p0.map((_one, k) => at ** k);
    const points = [x[0] - 3, x[5] + 0.25, x[x.length - 1] + 3];
    const exact = curveFit(polynomial, x, y, p0, { jacobian }).predict(points);
    const own = curveFit(polynomial, x, y, p0).predict(points);
    points.forEach((_point, i) => {
      expect(own.standardErrors[i] / exact.standardErrors[i]).toBeCloseTo(1, 5);
      expect(own.values[i]).toBeCloseTo(exact.values[i], 5);
    });
  });

  it('differences that suffice are not extrapolated', () => {
    let calls = 0;
    const model = (x: number, [a, b]: ArrayLike<number> & Iterable<number>) => (
      calls++,
      a * Math.exp(-b * x)
    );
    const x = [0, 1, 2, 3, 4];
    const fit = curveFit(model, x, [5.1, 2.9, 2, 1.1, 0.7], [4, 0.4]);
    calls = 0;
    fit.predict([1, 2]);
    expect(calls).toBe(2 * (1 + 2 * 2));
  });
});
