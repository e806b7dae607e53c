import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { curveFit, leastSquaresFit, type LeastSquaresFitOptions } from 'quasi-newton';

const t = [0, 1, 2, 3, 4, 5];
const y = [5.1, 3.3, 2.4, 1.8, 1.4, 1.3];
const sigma = [0.1, 0.1, 0.2, 0.1, 0.05, 0.1];
interface Decay {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}
const start = { a: 4, b: 1, c: 0 };
const decay = (at: number, { a, b, c }: Decay): number => a * Math.exp(-b * at) + c;
const residuals = (p: Decay): number[] => t.map((at, i) => (decay(at, p) - y[i]) / sigma[i]);

describe('leastSquaresFit', () => {
  it.each([
    [{}, {}],
    [{ absoluteSigma: true }, {}],
    [{}, { lower: { b: 0.7 } }],
    [{}, { fixed: ['c'] }],
    [{}, { tied: { c: ({ a }: Decay) => a / 4 } }],
    [{}, { loss: 'cauchy', scale: 0.5 }],
  ] as const)('is the fit of a curve, written as residuals: %j %j', (scatter, options) => {
    const curve = curveFit(decay, t, y, start, { ...scatter, ...options, sigma });
    const fit = leastSquaresFit(residuals, start, { ...scatter, ...options });
    expect(fit.converged).toBe(true);
    // Rounded, so that NaN equals NaN.
    const rounded = (values: ArrayLike<number>, digits: number): number[] =>
      Array.from(values, (value) => Number(value.toFixed(digits)) + 0);
    const near = (a: ArrayLike<number>, b: ArrayLike<number>): void => {
      const distances = Array.from(b, (value, i) =>
        Number.isNaN(value) ? Number(!Number.isNaN(a[i])) : a[i] - value,
      );
      expect(rounded(distances, 5)).toEqual(distances.map(() => 0));
    };
    near(fit.x, curve.x);
    near(fit.standardErrors, curve.standardErrors);
    fit.covariance.forEach((row, i) => near(row, curve.covariance[i]));
    near(fit.residuals, residuals(fit.parameters));
    expect(fit.chiSquare).toBeCloseTo(curve.chiSquare, 8);
    expect(fit.reducedChiSquare).toBeCloseTo(curve.reducedChiSquare, 8);
    expect(fit.aic).toBeCloseTo(curve.aic, 8);
    expect(fit).toMatchObject({ names: curve.names, roles: curve.roles, atBound: curve.atBound });
    expect(fit.intervals(0.9).a.lower).toBeCloseTo(curve.intervals(0.9).a.lower, 5);
  });

  it('has the profiles of that curve', () => {
    const curve = curveFit(decay, t, y, start, { sigma });
    const [a, b] = [leastSquaresFit(residuals, start), curve].map((fit) => fit.profile(0.9).b);
    expect(a.lower).toBeCloseTo(b.lower, 5);
    expect(a.upper).toBeCloseTo(b.upper, 5);
  });

  it('prints a report without what only curves have', () => {
    const fit = leastSquaresFit(residuals, start);
    const report = String(fit);
    expect(report).toMatch(/Residuals: {11}6\n {4}Degrees of freedom: {2}3\n/);
    expect(report).toMatch(/a {3}4\.\d+ ± 0\.\d+/);
    expect(report).not.toMatch(/R²|undefined|NaN/);
    expect(Object.keys(fit)).not.toContain('predict');
    expect(Object.keys(fit)).not.toContain('rSquared');
  });

  it('finds a circle through points, and one that is exact', () => {
    const angles = Array.from({ length: 9 }, (_, i) => i);
    const points = angles.map((angle) => [1 + 2 * Math.cos(angle), -3 + 2 * Math.sin(angle)]);
    const distances = ([u, v, radius]: Float64Array): Float64Array =>
      Float64Array.from(points, ([px, py]) => Math.hypot(px - u, py - v) - radius);
    const { x, converged } = leastSquaresFit(distances, [0, 0, 1]);
    expect(converged).toBe(true);
    [1, -3, 2].forEach((value, j) => expect(x[j]).toBeCloseTo(value, 12));
  });

  it('names parameters that are not determined', () => {
    const { undetermined } = leastSquaresFit(
      ([a, b, c]: Float64Array) => [a * b - 2, a * b - 2.2, c, c - 1],
      [1, 1, 1],
    );
    expect(undetermined).toEqual(['p0', 'p1']);
  });

  it('counts its evaluations, shows its report, and lists data alone', () => {
    let calls = 0;
    const fit = leastSquaresFit((p: Decay) => (calls++, residuals(p)), start);
    expect(fit.evaluations).toBe(calls);
    expect(inspect(fit)).toBe(String(fit));
    const shown = Object.keys(fit);
    expect(shown).toContain('residuals');
    for (const name of ['intervals', 'profile', 'toString', 'skipped', 'points'])
      expect(shown).not.toContain(name);
  });

  it('takes as many residuals as parameters, and lists of any type', () => {
    const fit = leastSquaresFit(([a, b]: Float64Array) => [a - 1, b - 2], [0, 0], {
      fixed: new Uint8Array(0) as never,
    });
    expect([...fit.x]).toEqual([expect.closeTo(1, 9), expect.closeTo(2, 9)]);
    expect(() => leastSquaresFit(([a, b]: Float64Array) => [a - b], [0, 0])).toThrow(
      /2 parameters vary, and there are 1/,
    );
  });

  it('has units of its own where squares would underflow', () => {
    const tiny = leastSquaresFit((p: Decay) => residuals(p).map((r) => r * 1e-130), start);
    const usual = leastSquaresFit(residuals, start);
    tiny.x.forEach((value, j) => expect(value / usual.x[j]).toBeCloseTo(1, 8));
    tiny.standardErrors.forEach((value, j) => expect(value / usual.standardErrors[j]).toBeCloseTo(1, 6));
  });

  it('takes residuals in float32', () => {
    const single = (p: Decay): Float32Array => Float32Array.from(residuals(p));
    const [a, b] = [leastSquaresFit(single, start), leastSquaresFit(residuals, start)];
    expect(a.converged).toBe(true);
    a.x.forEach((value, j) => expect(value).toBeCloseTo(b.x[j], 4));
  });
});

describe('leastSquaresFit names mistakes', () => {
  const call = leastSquaresFit as (residuals: unknown, p0: unknown, options?: unknown) => unknown;
  let calls = 0;
  it.each<[string, unknown[], RegExp]>([
    ['no function', [3, start], /leastSquaresFit: residuals must be a function, got 3/],
    ['no start', [residuals, undefined], /leastSquaresFit: p0 must be an array or an object/],
    [
      'a start that is not finite',
      [residuals, { ...start, a: NaN }],
      /leastSquaresFit: the start of a is NaN/,
    ],
    ['no list', [() => 3, start], /residuals must return an array of numbers, got 3.*leastSquares\(\)/],
    ['a promise', [async () => [1], start], /got a Promise; it must be synchronous/],
    ['text', [() => [1, 2, 'a', 4], start], /residual 2 must be a number, got "a"/],
    ['NaN at the start', [() => [1, 2, NaN, 4], start], /residual 2 is NaN for p0/],
    ['too few', [() => [1, 2], start], /3 parameters vary, and there are 2 residuals/],
    [
      'another number later',
      [(p: Decay) => residuals(p).slice(calls++ > 4 ? 1 : 0), start],
      /returned 5 values; at first there were 6/,
    ],
    [
      'a change of parameters',
      [(p: { a: number } & Decay) => residuals({ ...p, a: (p.a *= 2) }), start],
      /leastSquaresFit: residuals wrote into its parameters \(a was 4 and is 8\)/,
    ],
    [
      'a jacobian',
      [residuals, start, { jacobian: () => 1 }],
      /jacobian: no such option; derivatives are computed by differences here/,
    ],
    [
      'an option of SciPy',
      [residuals, start, { max_nfev: 3 }],
      /max_nfev: no such option; maxEvaluations is its name here/,
    ],
    [
      'a start outside of bounds',
      [residuals, start, { lower: { b: 2 } }],
      /leastSquaresFit: the start of b, 1, is outside its bounds \[2, Infinity\]/,
    ],
    [
      'a parameter that there is not',
      [residuals, start, { fixed: ['z'] }],
      /leastSquaresFit: fixed: no parameter "z"/,
    ],
  ])('leastSquaresFit names mistakes: %s', (_, args, message) => {
    expect(() => call(args[0], args[1], ...(args.length > 2 ? [args[2]] : []))).toThrow(message);
  });

  it.each<[string, unknown[], string]>([
    ['fixed, no list', [residuals, start, { fixed: 'a' }], 'fixed: must be an array, got "a"'],
    ['tied, no object', [residuals, start, { tied: 3 }], 'tied: must be an object, got 3'],
    ['tied, null', [residuals, start, { tied: null }], 'tied: must be an object, got null'],
    [
      'a start among the options',
      [residuals, start, { p0: start }],
      'p0: no such option; the start is the second argument.',
    ],
    ['the first residual no number', [() => ['a', 1, 2], [1]], 'residual 0 must be a number, got "a".'],
    [
      'the first residual NaN',
      [() => [NaN, 1, 2], [1]],
      'residual 0 is NaN for p0; start where all are finite.',
    ],
    [
      'no list',
      [() => 'abc', [1]],
      'residuals must return an array of numbers, got "abc". leastSquares() takes functions that write into an array.',
    ],
    [
      'a change of parameters in an array',
      [(p: Float64Array) => [(p[0] += 1), 2], [1]],
      'residuals wrote into its parameters (p0 was 1 and is 2); it must only read them.',
    ],
  ])('%s, in these words', (_, args, message) => {
    const end = /^(fixed|tied|p0)/.test(message) ? `leastSquaresFit: 1 option is wrong:\n  ${message}` : '';
    const caught = ((): unknown => {
      try {
        return call(args[0], args[1], args[2] ?? {});
      } catch (error) {
        return error;
      }
    })() as Error;
    expect(caught).toBeInstanceOf(Error);
    expect(caught.message.startsWith('leastSquaresFit: ')).toBe(true);
    expect(caught.message.includes(message)).toBe(true);
    expect(end === '' ? caught.message.endsWith(message) : true).toBe(true);
  });

  it('the first of several values that are not finite', () => {
    const seen: number[] = [];
    const { converged, message } = leastSquaresFit((p: Decay) => {
      const isBad = p.b < 0.6;
      if (isBad) seen.push(p.b);
      return residuals(p).map((r, i) => (isBad && i === (seen.length > 1 ? 3 : 0) ? NaN : r));
    }, start);
    expect([converged, seen.length > 1]).toEqual([false, true]);
    expect(message).toContain(`Residual 0 is NaN for a = `);
    expect(message).toContain(`, b = ${Number(seen[0].toPrecision(6))}, `);
  });

  it('a NaN on the way, with the parameters', () => {
    const options: LeastSquaresFitOptions = {};
    const { converged, message } = leastSquaresFit(
      (p: Decay) => residuals(p).map((r, i) => (i === 2 && p.b < 0.6 ? NaN : r)),
      start,
      options,
    );
    expect(converged).toBe(false);
    expect(message).toMatch(/Residual 2 is NaN for a = \S+, b = 0\.5\d+, c = \S+: bounds/);
  });
});
