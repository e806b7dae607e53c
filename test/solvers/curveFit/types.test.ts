/** Types of fits: the compiler knows the names of the parameters. `npm run types` checks the lines marked as errors. */
import { curveFit, leastSquaresFit, type CurveFitOptions } from 'quasi-newton';
import { describe, expect, expectTypeOf, it } from 'vitest';

const t = [0, 1, 2, 3, 4];
const y = [5, 3.1, 2.2, 1.6, 1.3];
const decay = (at: number, { a, rate }: { a: number; rate: number }) => a * Math.exp(-rate * at) + 1;
const start = { a: 4, rate: 1 };

describe('the compiler knows the names of the parameters of a fit', () => {
  it('that starts with an object', () => {
    const fit = curveFit(decay, t, y, start);
    expectTypeOf(fit.parameters).toEqualTypeOf<{ readonly a: number; readonly rate: number }>();
    expectTypeOf(fit.names).toEqualTypeOf<readonly ('a' | 'rate')[]>();
    expect(fit.intervals().a.lower).toBeLessThan(fit.parameters.a);
    expect(Object.keys(fit.profile(0.9, ['rate']))).toEqual(['rate']);
    // @ts-expect-error -- there is no such parameter
    expect(fit.parameters.typo).toBeUndefined();
    // @ts-expect-error -- there is no such parameter
    expect(() => fit.profile(0.9, ['typo'])).toThrow('no parameter "typo" that varies');
  });

  it('that starts with an array: p0, p1, …', () => {
    const line = curveFit((at: number, [a, b]) => a + b * at, t, y, [1, -1], { fixed: [1] });
    expectTypeOf(line.parameters.p0).toEqualTypeOf<number>();
    expect(line.parameters.p1).toBe(-1);
    // @ts-expect-error -- parameters of an array are called p0, p1, …
    expect(line.parameters.a).toBeUndefined();
  });

  it('the compiler knows the names of the parameters of a fit in fixed, tied, lower and upper', () => {
    // @ts-expect-error -- there is no such parameter
    expect(() => curveFit(decay, t, y, start, { fixed: ['typo'] })).toThrow('fixed: no parameter "typo"');
    // @ts-expect-error -- there is no such parameter
    expect(() => curveFit(decay, t, y, start, { lower: { typo: 0 } })).toThrow('lower: no parameter "typo"');
    expect(curveFit(decay, t, y, start, { lower: 0, upper: 9 }).atBound).toEqual([]);
    // @ts-expect-error -- there is no such parameter
    expect(() => curveFit(decay, t, y, start, { tied: { typo: () => 1 } })).toThrow('tied: no parameter');
    const fit = curveFit(decay, t, y, start, { tied: { rate: ({ a }) => a / 8 }, lower: { a: 0 } });
    expect(fit.parameters.rate).toBeCloseTo(fit.parameters.a / 8, 12);
    // @ts-expect-error -- there is no such parameter
    const residuals = () => leastSquaresFit(({ a }) => [a - 1, a - 2], { a: 0 }, { fixed: ['typo'] });
    expect(residuals).toThrow('fixed: no parameter "typo"');
  });

  it('the compiler knows the names of the parameters of a fit, and options typed without a start fit every start', () => {
    const options: CurveFitOptions = { fixed: ['rate'], upper: { a: 9 }, maxTime: undefined };
    expect(curveFit(decay, t, y, start, options).parameters.rate).toBe(1);
  });

  it('a tie or a bound that is undefined is as if absent', () => {
    const fit = curveFit(decay, t, y, start, { tied: { rate: undefined }, lower: { a: undefined } });
    expect(fit.roles).toEqual(['varied', 'varied']);
  });
});
