import { describe, expect, it } from 'vitest';
import { biggsFactor, hasExactValues, isCurved, pairSums, writePair } from '../../src/solvers/curvature.ts';
import { dampPair, slopeAlong } from '../../src/solvers/damping.ts';
import type { LineState } from '../../src/solvers/searchAlong.ts';

const vector = (...values: number[]) => Float64Array.from(values);

/** A step from x to trial. */
const step = {
  x: vector(1, 2, 3),
  gradient: vector(4, -1, 2),
  f: 10,
  trial: vector(2, 0, 3.5),
  trialGradient: vector(7, -2, 1),
  trialF: 8,
} as LineState;

describe('curvature of a pair', () => {
  it('counts where the cosine of s and y exceeds its rounding', () => {
    const pair = (sy: number) => ({ sy, ss: 4, yy: 9 });
    expect([6 * 2 ** -52, 6.01 * 2 ** -52, 0, -1, NaN].map((sy) => isCurved(pair(sy)))).toEqual([
      false,
      true,
      false,
      false,
      false,
    ]);
    expect([0.6, 0.61].map((sy) => isCurved(pair(sy), 0.1))).toEqual([false, true]);
    expect(isCurved({ sy: 1, ss: 1e300, yy: 1e300 })).toBe(false);
    expect(isCurved({ sy: 1e299, ss: 1e300, yy: 1e300 })).toBe(true);
    expect(isCurved({ sy: 1e-301, ss: 1e-300, yy: 1e-300 })).toBe(true);
    expect(isCurved({ sy: 0, ss: 0, yy: 0 })).toBe(false);
    // Products that have lost digits to underflow tell nothing.
    const least = 2 ** -1022;
    expect(isCurved({ sy: least, ss: least, yy: least })).toBe(true);
    expect(isCurved({ sy: least / 2, ss: least / 2, yy: least / 2 })).toBe(false);
    expect(isCurved({ sy: least / 2, ss: least / 2, yy: 1e-300 })).toBe(false);
  });

  it('is known from sᵀy, yᵀy, sᵀs and sᵀ∇f at the end', () => {
    // s = (1, −2, ½), y = (3, −1, −1)
    expect(pairSums(step)).toEqual({ sy: 4.5, yy: 11, ss: 5.25, sg: 11.5 });
    expect(slopeAlong(step, vector(1, 10, 100))).toBe(1 - 20 + 50);
  });

  it('is written with y times its factor', () => {
    const [s, y] = [new Float64Array(3), new Float32Array(3)];
    writePair(step, 0.5, s, y);
    expect([...s, ...y]).toEqual([1, -2, 0.5, 1.5, -0.5, -0.5]);
    const [longer, other] = [new Float64Array(4), new Float64Array(4)];
    writePair(step, 1, longer, other);
    expect([longer[3], other[3]]).toEqual([0, 0]);
  });

  it('uses values of f only where these are exact', () => {
    expect([
      hasExactValues({ n: 1, precision: 'float64' }),
      hasExactValues({ n: 1, precision: 'float64', stochastic: false }),
      hasExactValues({ n: 1, precision: 'float64', stochastic: true }),
      hasExactValues({ n: 1, precision: 'float32' }),
      hasExactValues({ n: 1, precision: 'float32', stochastic: true }),
    ]).toEqual([true, true, false, false, false]);
  });
});

describe('Biggs’s factor', () => {
  const factor = (f: number, trialF: number, sy: number, sg: number) =>
    biggsFactor({ f, trialF }, { sy, sg, yy: 1, ss: 1 });

  it('is 6(f − f⁺ + sᵀg⁺)/sᵀy − 2, between 0.1 and 2', () => {
    expect(factor(3, 2, 4, 0.5)).toBeCloseTo((6 * (3 - 2 + 0.5)) / 4 - 2, 14);
    expect(factor(3, 2, 4, 5)).toBe(2);
    expect(factor(3, 2, 4, 0)).toBe(0.1);
  });

  it('is 1 where f has changed by no more than 1e-7 of it, or sᵀy is not positive', () => {
    const change = 2 ** 24 * 1e-7;
    expect(factor(2 ** 24, 2 ** 24 - change * 0.99, 4, 5)).toBe(1);
    expect(factor(2 ** 24, 2 ** 24 - change * 1.01, 4, 5)).toBe(2);
    expect(factor(-(2 ** 24), -(2 ** 24) - change * 1.01, 4, 5)).toBe(2);
    expect(factor(2 ** 24, 2 ** 24 + change * 1.01, 4, 50)).toBe(2);
    expect([0, -4, NaN].map((sy) => factor(3, 2, sy, 5))).toEqual([1, 1, 1]);
  });
});

describe('a damped pair', () => {
  it('has a fifth of the curvature expected, with Powell’s θ', () => {
    // sᵀy = −2 and t = ½; Bs = −αg with α = ½.
    const [alpha, t, g] = [0.5, 0.5, vector(-4, 2, -1)];
    const s = vector(2, 0, 1);
    const y = vector(-1, 3, 0);
    const Bs = g.map((value) => -alpha * value);
    const sBs = s.reduce((sum, value, i) => sum + value * Bs[i], 0);
    const theta = (0.8 * sBs) / (sBs - t * -2);
    const expected = y.map((value, i) => theta * t * value + (1 - theta) * Bs[i]);
    const pair = dampPair({ sy: -2, ss: 5, yy: 10 }, t, sBs, alpha, g, y);
    y.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 14));
    expect(pair.sy).toBeCloseTo(0.2 * sBs, 14);
    expect(pair.sy).toBeCloseTo(
      s.reduce((sum, value, i) => sum + value * expected[i], 0),
      14,
    );
    expect(pair.yy).toBeCloseTo(
      expected.reduce((sum, value) => sum + value ** 2, 0),
      14,
    );
    expect(pair).toMatchObject({ ss: 5, sg: NaN, yg: NaN });
  });
});
