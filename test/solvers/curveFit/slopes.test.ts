import { describe, expect, it } from 'vitest';
import { curveFit } from 'quasi-newton';
import { digits, nist } from '../../../bench/problems/nist/index.js';

const t = Array.from({ length: 30 }, (_, i) => i / 5);
const y = t.map((ti, i) => 4 * Math.exp(-1.1 * ti) + 1 + 0.05 * Math.sin(17 * i * i));
const sigma = t.map((_, i) => 0.02 + 0.01 * (i % 4));

type Decay = { a: number; b: number; c: number };
const decay = (ti: number, { a, b, c }: Decay) => a * Math.exp(-b * ti) + c;
const slopes = (ti: number, { a, b }: Decay) => ({
  a: Math.exp(-b * ti),
  b: -a * ti * Math.exp(-b * ti),
  c: 1,
});
const p0 = { a: 3, b: 1, c: 1.2 };

describe('curveFit with the derivatives of its user', () => {
  const byDifferences = curveFit(decay, t, y, p0, { sigma });

  it('finds the same parameters, errors and bands as by differences, from fewer evaluations', () => {
    const fit = curveFit(decay, t, y, p0, { sigma, jacobian: slopes });
    expect(fit.converged).toBe(true);
    fit.x.forEach((value, j) => expect(value / byDifferences.x[j]).toBeCloseTo(1, 8));
    fit.standardErrors.forEach((e, j) => expect(e / byDifferences.standardErrors[j]).toBeCloseTo(1, 6));
    const [band, other] = [fit, byDifferences].map((each) => each.confidence([0.5, 8]));
    band.upper.forEach((value, i) => expect(value).toBeCloseTo(other.upper[i], 7));
    expect(fit.evaluations).toBeLessThan(byDifferences.evaluations);
    const [profile, expected] = [fit, byDifferences].map((each) => each.profile(0.9, ['b']).b);
    expect(profile.lower / expected.lower).toBeCloseTo(1, 5);
    expect(profile.upper / expected.upper).toBeCloseTo(1, 5);
  });

  it('takes them in order, all at once, and those of what varies alone', () => {
    const x = [3, 1, 1.2];
    const ordered = curveFit((ti: number, [a, b, c]: Float64Array) => decay(ti, { a, b, c }), t, y, x, {
      sigma,
      jacobian: (ti, [a, b, c]) => Object.values(slopes(ti, { a, b, c })),
    });
    const atOnce = curveFit((ts: readonly number[], p: Decay) => ts.map((ti) => decay(ti, p)), t, y, p0, {
      sigma,
      vectorized: true,
      jacobian: (ts, p) => ts.map((ti) => slopes(ti, p)),
    });
    for (const fit of [ordered, atOnce]) {
      fit.x.forEach((value, j) => expect(value / byDifferences.x[j]).toBeCloseTo(1, 8));
    }
    const jacobian = (ti: number, p: Decay) => ({ a: slopes(ti, p).a, c: 1 });
    const fixed = curveFit(decay, t, y, p0, { fixed: ['b'], jacobian });
    expect(fixed.x[0]).toBeCloseTo(curveFit(decay, t, y, p0, { fixed: ['b'] }).x[0], 9);
  });

  it('carries them on to tied parameters', () => {
    const tied = { c: ({ a, b }: Decay) => (a * b) / 4 };
    const fit = curveFit(decay, t, y, p0, { tied, jacobian: slopes });
    const other = curveFit(decay, t, y, p0, { tied });
    fit.x.forEach((value, j) => expect(value / other.x[j]).toBeCloseTo(1, 9));
    fit.standardErrors.forEach((e, j) => expect(e / other.standardErrors[j]).toBeCloseTo(1, 6));
  });

  it('keeps bounds, and robust losses', () => {
    for (const options of [{ lower: { c: 1.05 } }, { loss: 'cauchy', scale: 0.1 }] as const) {
      const fit = curveFit(decay, t, y, p0, { ...options, jacobian: slopes });
      const other = curveFit(decay, t, y, p0, options);
      expect(fit.roles).toEqual(other.roles);
      fit.x.forEach((value, j) => expect(value / other.x[j]).toBeCloseTo(1, 7));
    }
  });

  it('refuses wrong ones, with the point and the parameter', () => {
    const wrong = (ti: number, p: Decay) => ({ ...slopes(ti, p), b: ti === 2 ? 7 : slopes(ti, p).b });
    expect(() => curveFit(decay, t, y, p0, { sigma, jacobian: wrong })).toThrow(
      /jacobian gives 7 for the derivative by b at point 10 \(x = 2\); by differences of the model it is -0\.8120/,
    );
    const sign = (ti: number, p: Decay) => ({ ...slopes(ti, p), c: -1 });
    expect(() => curveFit(decay, t, y, p0, { jacobian: sign })).toThrow(
      /gives -1 for the derivative by c at/,
    );
  });

  it.each([
    [
      'nothing',
      () => undefined,
      /jacobian must return a derivative for each of a, b, c.*got undefined at x = 0/,
    ],
    ['too few', () => [1, 2], /got 2 values at x = 0/],
    ['no derivative by one of them', () => ({ a: 1, b: 2 }), /got undefined for c/],
    ['a text', () => ({ a: 1, b: 'x', c: 2 }), /got "x" for b/],
    ['NaN', () => ({ a: 1, b: NaN, c: 2 }), /gives NaN for the derivative by b at point 0 \(x = 0\) at p0/],
    ['a promise', async () => ({ a: 1, b: 2, c: 3 }), /got a Promise/],
  ])('refuses %s', (_, jacobian, message) => {
    expect(() => curveFit(decay, t, y, p0, { jacobian: jacobian as never })).toThrow(message);
  });

  it('refuses one for another number of points', () => {
    const model = (ts: readonly number[], p: Decay) => ts.map((ti) => decay(ti, p));
    const jacobian = (ts: readonly number[], p: Decay) => ts.slice(1).map((ti) => slopes(ti, p));
    expect(() => curveFit(model, t, y, p0, { vectorized: true, jacobian })).toThrow(
      /vectorized jacobian must return one list of derivatives for each of 30 points, got 29 values/,
    );
    expect(() => curveFit(decay, t, y, p0, { jacobian: 3 as never })).toThrow(/jacobian: must be a function/);
  });
});

it('curveFit needs no more evaluations than SciPy on NIST’s problems', () => {
  const logs = nist.flatMap(({ name, model, x, y, starts, parameters }) => {
    if (name === 'MGH17') return []; // long, and far below SciPy
    return starts.map((start) => {
      let calls = 0;
      const counted: typeof model = (xi, b) => {
        calls++;
        return model(xi, b);
      };
      const fit = curveFit(counted, x as (number & readonly number[])[], y, start);
      expect(digits(fit.x, parameters)).toBeGreaterThan(7);
      expect(fit.evaluations).toBe(calls / y.length);
      return Math.log(fit.evaluations);
    });
  });
  // SciPy's least, by geometric mean over the same problems, is 53.7 (trf, x_scale='jac').
  expect(Math.exp(logs.reduce((a, b) => a + b) / logs.length)).toBeLessThan(53.7);
});
