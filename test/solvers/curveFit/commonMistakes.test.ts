import { describe, expect, it } from 'vitest';
import { curveFit, type CurveFitOptions } from 'quasi-newton';
import {
  checkParametersUntouched,
  describeHole,
  guardedPoints,
} from '../../../src/solvers/curveFit/commonMistakes.ts';
import type { Point } from '../../../src/solvers/curveFit/data.ts';

const t = [0, 1, 2, 3, 4, 5];
const y = [5.1, 3.3, 2.4, 1.8, 1.4, 1.3];
const start = [4, 1, 0];
const decay = (at: number, [a, b, c]: Float64Array): number => a * Math.exp(-b * at) + c;

describe('options of SciPy and lmfit are answered with what stands for them', () => {
  it.each([
    [{ maxfev: 100 }, 'maxfev: no such option; maxEvaluations is its name here.'],
    [{ max_nfev: 100 }, 'max_nfev: no such option; maxEvaluations is its name here.'],
    [{ ftol: 1e-8 }, 'ftol: no such option; a fit runs until'],
    [{ xtol: 1e-8 }, 'xtol: no such option; a fit runs until'],
    [{ gtol: 1e-8 }, 'gtol: no such option; a fit runs until'],
    [{ absolute_sigma: true }, 'absolute_sigma: no such option; absoluteSigma is its name here.'],
    [{ method: 'lm' }, 'method: no such option; there is one method'],
    [{ p0: [1] }, 'p0: no such option; the start is the fourth argument'],
    [{ jac: '2-point' }, 'jac: no such option; jacobian is its name here.'],
    [{ bounds: [0, 1] }, 'bounds: no such option; lower and upper are the bounds'],
    [{ f_scale: 0.1 }, 'f_scale: no such option; scale is its name here.'],
    [{ nan_policy: 'omit' }, "nan_policy: no such option; missing: 'skip'"],
    [{ expr: 'a' }, 'expr: no such option; tied has'],
    [{ loss: 'soft_l1' }, "loss: must be 'linear' or 'huber' or 'softL1'"],
    [{ wrong: 1 }, 'wrong: no such option; there are sigma, weights'],
  ])('options of SciPy and lmfit are answered with what stands for them: %j', (options, message) => {
    expect(() => curveFit(decay, t, y, start, options as CurveFitOptions)).toThrow(message);
  });
});

describe('a model that writes into what it is given is refused', () => {
  it('into its parameters, as an array or by name', () => {
    const change = (at: number, p: Float64Array): number => {
      const value = decay(at, p);
      p[1] = 3;
      return value;
    };
    expect(() => curveFit(change, t, y, start)).toThrow(
      'curveFit: model wrote into its parameters (p1 was 1 and is 3); it must only read them.',
    );
    const byName = (at: number, p: { a: number; b: number }): number => (p.a *= 2) * Math.exp(-p.b * at);
    expect(() => curveFit(byName, t, y, { a: 1, b: 1 })).toThrow(
      /model wrote into its parameters \(a was 1 and is 64\)/,
    );
  });

  it('into a point', () => {
    const points = t.map((at) => [at, 1]);
    const change = (x: number[], p: Float64Array): number => decay((x[0] += 1), p);
    expect(() => curveFit(change, points, y, start)).toThrow(
      'curveFit: model wrote into its points (point 0 was [0, 1] and is [1, 1]); it must only read them. Work on a copy.',
    );
  });

  it('into all points, which it takes at once', () => {
    const sort = (x: readonly number[], p: Float64Array): number[] =>
      (x as number[]).sort((a, b) => b - a).map((at) => decay(at, p));
    expect(() => curveFit(sort, t.slice(), y, start, { vectorized: true })).toThrow(
      /model wrote into its points \(point 0 was 0 and is 5\)/,
    );
  });

  it('later, or by its derivatives', () => {
    let calls = 0;
    const late = (x: number[], p: Float64Array): number => {
      if (calls++ > 60) x[0] = 7;
      return decay(x[0], p);
    };
    const points = t.map((at) => [at, 1]);
    expect(() => curveFit(late, points, y, start)).toThrow(/model wrote into its points/);
    const jacobian = (at: number, p: Float64Array): number[] => {
      const e = Math.exp(-p[1] * at);
      const slopes = [e, -p[0] * at * e, 1];
      p[2] = 9;
      return slopes;
    };
    expect(() => curveFit(decay, t, y, start, { jacobian })).toThrow(
      /jacobian wrote into its parameters \(p2 was 0 and is 9\)/,
    );
  });
});

describe('the checks of what a function leaves unchanged', () => {
  it('look at points in the first four calls, and then at powers of two', () => {
    for (let call = 1; call <= 40; call++) {
      const points = [1, 2, 3];
      const check = guardedPoints(points);
      for (let k = 1; k < call; k++) check('model');
      points[1] = 5;
      const looks = call <= 4 || [8, 16, 32].includes(call);
      const message =
        'curveFit: model wrote into its points (point 1 was 2 and is 5); it must only read them. Work on a copy.';
      let caught = '';
      try {
        check('model');
      } catch (error) {
        caught = (error as TypeError).message;
      }
      expect([call, caught]).toEqual([call, looks ? message : '']);
    }
  });

  it.each<[Point[], (points: Point[]) => void, number]>([
    [
      [
        [1, 2],
        [3, 4],
      ],
      (points) => ((points[1] as number[])[1] = 5),
      1,
    ],
    [
      [
        [1, 2],
        [3, 4],
      ],
      (points) => (points[0] as number[]).push(5),
      0,
    ],
    [
      [
        [1, 2],
        [3, 4],
      ],
      (points) => (points[0] as number[]).pop(),
      0,
    ],
    [[[1], [2]], (points) => (points[1] = 2), 1],
    [[1, 2], (points) => (points[0] = [1]), 0],
    [[Float64Array.of(1, 2)], (points) => ((points[0] as number[])[0] = 0), 0],
  ])('compare points: %j', (points, change, at) => {
    const check = guardedPoints(points);
    check('jacobian');
    change(points);
    expect(() => check('jacobian')).toThrow(
      new RegExp(`^curveFit: jacobian wrote into its points \\(point ${at} was`),
    );
  });

  it.each<[ArrayLike<number>, unknown, string]>([
    [[1, NaN], Float64Array.of(1, NaN), ''],
    [[1, 2], Float64Array.of(1, NaN), 'b was 2 and is NaN'],
    [[1, NaN], Float64Array.of(1, 2), 'b was NaN and is 2'],
    [[1, 2], { a: 1, b: 2 }, ''],
    [[1, 2], { a: 1, b: '2' }, 'b was 2 and is 2'],
    [[1, 2], { a: 1 }, 'b was 2 and is undefined'],
    [[1, 2], Float64Array.of(0, 3), 'a was 1 and is 0'],
  ])('compare parameters: %j with %j', (sent, given, expected) => {
    const check = () =>
      checkParametersUntouched('curveFit: model', Float64Array.from(sent), given, ['a', 'b']);
    let caught = '';
    try {
      check();
    } catch (error) {
      caught = (error as TypeError).message;
    }
    expect(caught).toBe(
      expected && `curveFit: model wrote into its parameters (${expected}); it must only read them.`,
    );
  });

  it.each([
    [NaN, 'NaN'],
    [-Infinity, 'infinite'],
  ])('describe a value of %d', (value, word) => {
    const hole = { value, subject: 'Residual 3', theta: Float64Array.of(1 / 3) };
    const parameters = { names: ['a', 'b'], expand: ([a]: Float64Array) => Float64Array.of(a, 2) };
    expect(describeHole(hole, parameters as never)).toBe(
      `Residual 3 is ${word} for a = 0.333333, b = 2: bounds that keep the parameters away from there, or another start, may help.`,
    );
  });
});

describe('a model that changes on its way', () => {
  it('a model that changes on its way to NaN ends in a sentence with the point and the parameters', () => {
    const { converged, message, x } = curveFit((at, p) => (p[1] < 0.6 ? NaN : decay(at, p)), t, y, start);
    expect(converged).toBe(false);
    expect(message).toMatch(
      /The model at x = 0 is NaN for p0 = 3\.97\d+, p1 = 0\.59\d+, p2 = 1\.11\d+: bounds/,
    );
    expect(x[1]).toBeGreaterThanOrEqual(0.6);
  });

  it('is not blamed for a NaN that the fit stepped back from', () => {
    const { converged, message } = curveFit((at, p) => (p[1] > 1.2 ? NaN : decay(at, p)), t, y, [4, 1.1, 0]);
    expect(converged).toBe(true);
    expect(message).not.toContain('NaN');
  });

  it('a model that changes on its way to another number of values, or no numbers, is refused', () => {
    let calls = 0;
    const fewer = (x: readonly number[], p: Float64Array): number[] =>
      x.map((at) => decay(at, p)).slice(calls++ > 5 ? 1 : 0);
    expect(() => curveFit(fewer, t, y, start, { vectorized: true })).toThrow(
      /one value for each of 6 points, got 5 values/,
    );
    calls = 0;
    const text = (at: number, p: Float64Array): number => (calls++ > 50 ? ('a' as never) : decay(at, p));
    expect(() => curveFit(text, t, y, start)).toThrow(/model must return a number, got "a" at x = \d/);
  });
});

describe('a model in float32', () => {
  const single = (x: readonly number[], p: Float64Array): Float32Array =>
    Float32Array.from(x, (at) => decay(at, p));
  const double = (x: readonly number[], p: Float64Array): number[] => x.map((at) => decay(at, p));

  it.each([[[1, 0.1, 0]], [[3, 0.7, 2]], [[6, 1.6, 5]]])('is fitted as in float64, from %j', (p0) => {
    const [a, b] = [single, double].map((model) => curveFit(model, t, y, p0, { vectorized: true }));
    expect(a.converged).toBe(true);
    a.x.forEach((value, j) => expect(Math.abs(value / b.x[j] - 1)).toBeLessThan(1e-5));
    a.standardErrors.forEach((value, j) => {
      expect(Math.abs(value / b.standardErrors[j] - 1)).toBeLessThan(1e-3);
    });
    const [band, other] = [a, b].map((fit) => fit.predict([6]).standardErrors[0]);
    expect(Math.abs(band / other - 1)).toBeLessThan(1e-3);
    expect(a.profile(0.9, ['p1']).p1.upper).toBeCloseTo(b.profile(0.9, ['p1']).p1.upper, 5);
    expect(a.evaluations).toBeLessThan(2.2 * b.evaluations);
  });

  it('a model in float32 without noise is fitted to its digits, and undetermined parameters are found', () => {
    const exact = t.map((at) => decay(at, Float64Array.of(4, 0.5, 1)));
    const { x, converged } = curveFit(single, t, exact, start, { vectorized: true });
    expect(converged).toBe(true);
    [4, 0.5, 1].forEach((value, j) => expect(x[j]).toBeCloseTo(value, 5));
    const product = (x: readonly number[], [a, b, c]: Float64Array): Float32Array =>
      Float32Array.from(x, (at) => a * b * at + c);
    const loose = curveFit(product, t, [1, 3.1, 4.9, 7, 9.2, 11], [1, 1, 0], { vectorized: true });
    expect(loose.undetermined).toEqual(['p0', 'p1']);
  });

  it('within bounds stays there', () => {
    const fit = curveFit(single, t, y, start, { vectorized: true, lower: [0, 0.7, 0] });
    expect(fit.atBound).toEqual(['p1']);
    expect(fit.x[1]).toBeGreaterThanOrEqual(0.7);
  });
});

describe('a model that is NaN at the start because it misreads its arguments', () => {
  type Model = (x: number, p: never) => number;
  it.each([
    [
      'parameters one after the other',
      (x: number, a: number, b: number) => a * x + b,
      [1, 1],
      /takes 3 arguments, and gets two/,
    ],
    [
      'a misspelt name',
      (x: number, { slop }: { slop: number }) => slop * x,
      { slope: 1 },
      /it reads "slop", and p0 has slope\./,
    ],
    [
      'one parameter too many',
      (x: number, [a, b, c]: number[]) => a + b * x + c,
      [1, 1],
      /reads more parameters than the 2 of p0/,
    ],
    [
      'nothing of that kind',
      (x: number, [a]: number[]) => Math.sqrt(a - 2) * x,
      [1],
      /start where it is finite at every point/,
    ],
    [
      'a name with a default value, beside another cause',
      (x: number, { a, b = 2 }: { a: number; b?: number }) => Math.log(a * x) + b,
      { a: -1 },
      /start where it is finite at every point/,
    ],
    [
      'a model that checks the number of its parameters',
      (x: number, p: ArrayLike<number>) => {
        if (p.length !== 1) throw new Error('one parameter');
        return Math.sqrt(p[0] - 2) * x;
      },
      [1],
      /start where it is finite at every point/,
    ],
  ] as const)('says so: %s', (_, model, p0, message) => {
    expect(() => curveFit(model as unknown as Model, [1, 2, 3], [1, 2, 3], p0 as never)).toThrow(message);
  });

  it('says so with all points at once', () => {
    const model = (x: readonly number[], [a, b]: Float64Array) => x.map((at) => a * at + b);
    expect(() => curveFit(model, [1, 2, 3], [1, 2, 3], [1], { vectorized: true })).toThrow(
      /more parameters than the 1/,
    );
  });
});
