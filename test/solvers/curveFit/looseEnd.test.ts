import { describe, expect, it } from 'vitest';
import { curveFit } from 'quasi-newton';
import { fallsAlongLoose, valueAt } from '../../../src/solvers/curveFit/looseEnd.ts';
import { pivotedQr } from '../../../src/solvers/curveFit/qr.ts';
import type { FitProblem } from '../../../src/solvers/curveFit/linearized.ts';

describe('a fit with a direction that its derivatives do not resolve', () => {
  const years = Array.from({ length: 21 }, (_, i) => 2000 + i);
  const y = years.map((_, i) => 3 + 0.5 * i + 0.02 * i * i + Math.sin(7.3 * i));
  const horner = (x: number, p: Float64Array) => p.reduceRight((sum, value) => sum * x + value, 0);

  // The columns of these polynomials depend on each other to 1e-13, and rounding of terms hides f.
  it.each([5, 6, 7])('is no success while the sum of squares may fall along it: degree %d', (degree) => {
    const p0 = Array.from({ length: degree + 1 }, () => 0);
    const least = curveFit((x, p: Float64Array) => horner((x - 2010) / 10, p), years, y, p0).chiSquare;
    for (const jacobian of [undefined, (x: number, p: Float64Array) => p.map((_, k) => x ** k)]) {
      const fit = curveFit(horner, years, y, p0, { jacobian });
      expect([fit.converged, fit.chiSquare > 1.05 * least]).toEqual([false, true]);
      expect(fit.message).toMatch(/may fall, in a direction .* Subtract a typical value from x/);
    }
  });

  it('is a success where the sum of squares does not depend on it', () => {
    const product = (x: number, { a, b, c }: { a: number; b: number; c: number }) => a * b * x + c;
    const fit = curveFit(product, [1, 2, 3, 4], [2.1, 3.9, 6.2, 8], { a: 1, b: 1, c: 0 });
    expect(fit.converged).toBe(true);
    expect(fit.undetermined).toEqual(['a', 'b']);
  });
});

/**
 * A fit of three unknowns, of which bounds hold the second; x₀ and x₂ have columns (2, 0) and (0, 0). f is 25 at the point, and
 * changes with x₂ as given.
 */
function looseFit(change: (moved: number) => number, limits: Partial<FitProblem> = {}, largestTerm = 5) {
  const tried: number[][] = [];
  const problem = {
    p0: new Float64Array(3),
    fg: () => NaN,
    residualCount: 2,
    residuals(x: Float64Array, r: Float64Array) {
      tried.push([x[0] - 1, x[1] - 4, x[2] - 10]);
      r.set([4, Math.sqrt(9 + change(x[2] - 10))]);
    },
  };
  const fit: FitProblem = {
    problem,
    hasJacobian: false,
    lower: new Float64Array(3).fill(-Infinity),
    upper: new Float64Array(3).fill(Infinity),
    size: 5,
    limits: {} as FitProblem['limits'],
    ...limits,
  };
  const qr = pivotedQr(Float64Array.of(2, 0, 0, 0), 2, 2, 1e-9);
  const falls = () =>
    fallsAlongLoose(fit, { x: Float64Array.of(1, 4, 10), f: 25, qr, free: [0, 2], largestTerm });
  return { fit, falls, tried };
}

/** 16 times the rounding of f = 25 with residuals of size 5: 64 ε (f + size·√f). */
const clear = 16 * 64 * 2 ** -52 * (25 + 5 * 5);

describe('a direction that changes no residual to first order', () => {
  it('is followed to both sides in steps of √f, 8√f, 64√f, … up to 1/ε, then in longer ones, which move nothing else', () => {
    const { falls, tried } = looseFit(() => 0);
    expect(falls()).toBe(false);
    // 8¹⁷ < 2⁵² < 8¹⁸
    const lengths = Array.from({ length: 18 }, (_, k) => 5 * 8 ** k);
    // Then until 10³⁰⁰, for a parameter without effect so far.
    for (let length = lengths[17] * 8; length < 1e300; length *= 1024) lengths.push(length);
    expect(tried.map(([a, b]) => [a, b])).toEqual(tried.map(() => [0, 0]));
    expect(tried.map(([, , c]) => c)).toEqual(
      lengths.flatMap((length) => [10 + length - 10, 10 - length - 10]),
    );
  });

  it.each([
    ['falls there by more than rounding', (s: number) => (s > 300 ? -1.01 * clear : 0), true],
    ['falls on the other side', (s: number) => (s < -300 ? -1.01 * clear : 0), true],
    ['falls by rounding', (s: number) => (s > 300 ? -0.99 * clear : 0), false],
    ['rises first, by far', (s: number) => (s > 300 ? -1 : s > 30 ? 1e9 : 0), false],
    ['rises first', (s: number) => (s > 300 ? -1 : s > 30 ? 1.01 * clear : 0), false],
    ['rises first by rounding alone', (s: number) => (s > 300 ? -1 : s > 30 ? 0.99 * clear : 0), true],
    ['falls on one side and rises on the other', (s: number) => (s > 30 ? -1 : s < -30 ? 1 : 0), true],
    ['has no values there', (s: number) => (s > 300 ? -1 : s < -30 ? NaN : 0), false],
  ])('is followed until f %s', (_, change, falls) => {
    expect(looseFit(change).falls()).toBe(falls);
  });

  it('is not followed beyond bounds', () => {
    const change = (s: number) => (s > 30 ? -1 : 0);
    const upper = Float64Array.of(Infinity, Infinity, 20);
    const { falls, tried } = looseFit(change, { upper });
    expect(falls()).toBe(false);
    expect(Math.max(...tried.map(([, , c]) => c))).toBeLessThan(20);
    expect(looseFit(change).falls()).toBe(true);
  });

  it('counts changes of f from the rounding of the largest term on', () => {
    // 16·64 ε (f + 10⁶√f)
    const clearOfTerm = 16 * 64 * 2 ** -52 * (25 + 1e6 * 5);
    const falls = (fraction: number) =>
      looseFit((s) => (s > 300 ? -fraction * clearOfTerm : 0), {}, 1e6).falls();
    expect([falls(1.01), falls(0.99)]).toEqual([true, false]);
  });

  it('may fall where the rounding of the largest term hides 1 % of f', () => {
    const termHiding = (share: number) => (share * 0.01 * 25) / (16 * 64 * 2 ** -52) / 5;
    const falls = (share: number) => looseFit(() => 0, {}, termHiding(share)).falls();
    expect([falls(1.01), falls(0.99)]).toEqual([true, false]);
    // An f that is itself rounding of the terms is at its minimum, 25 = (100 ε·T)², unless y is not far larger.
    const rounding = (size: number) => looseFit(() => 0, { size }, (1.01 * 5) / (100 * 2 ** -52)).falls();
    expect([rounding(5), rounding(4.9e6), rounding(5.1e6)]).toEqual([true, true, false]);
  });

  it('does not fall below 0', () => {
    const { fit, tried } = looseFit(() => 0);
    const qr = pivotedQr(Float64Array.of(2, 0, 0, 0), 2, 2, 1e-9);
    const x = Float64Array.of(1, 4, 10);
    expect(fallsAlongLoose(fit, { x, f: 0, qr, free: [0, 2], largestTerm: 5 })).toBe(false);
    expect(tried).toEqual([]);
  });

  it.each([1e-30, 1e-10, 1e10, 1e43])('no success stays at a start far below the unit of y: %d', (unit) => {
    const x = Array.from({ length: 12 }, (_, i) => 1950 + 3 * i);
    const y = x.map((v, i) => unit * (1 + ((v - 1966) / 17) ** 3 + 0.1 * Math.sin(7 * i)));
    const cubic = (v: number, p: Float64Array) => p.reduceRight((sum, value) => sum * v + value, 0);
    const centered = curveFit((v, p: Float64Array) => unit * cubic((v - 1966) / 17, p), x, y, [1, 1, 1, 1]);
    const fit = curveFit(cubic, x, y, [1, 1, 1, 1]);
    expect(fit.converged && !(fit.chiSquare < (1 + 1e-6) * centered.chiSquare)).toBe(false);
  });

  it('may be one of several', () => {
    const { fit } = looseFit((s) => (s > 30 ? -1 : 0));
    const x = Float64Array.of(1, 4, 10);
    const qr = pivotedQr(new Float64Array(6), 2, 3, 1e-9);
    expect(fallsAlongLoose(fit, { x, f: 25, qr, free: [0, 1, 2], largestTerm: 5 })).toBe(true);
    // Without loose directions, nothing is tried.
    const firm = pivotedQr(Float64Array.of(1, 0, 0, 1), 2, 2, 1e-9);
    expect(fallsAlongLoose(fit, { x, f: 25, qr: firm, free: [0, 2], largestTerm: 5 })).toBe(false);
  });

  it('is followed in units of the columns', () => {
    // Columns (3, 4) and (6, 8), of lengths 5 and 10: the direction is (∓1/5, ±1/10).
    const { fit, tried } = looseFit(() => 0);
    const qr = pivotedQr(Float64Array.of(3, 6, 4, 8), 2, 2, 1e-9);
    fallsAlongLoose(fit, { x: Float64Array.of(1, 4, 10), f: 25, qr, free: [0, 2], largestTerm: 5 });
    const [a, b, c] = tried[0];
    expect([Math.abs(a), b, Math.abs(c), a * c < 0]).toEqual([
      expect.closeTo(1, 12),
      0,
      expect.closeTo(0.5, 12),
      true,
    ]);
  });

  it('is measured by the sum of squares', () => {
    expect(valueAt(looseFit(() => 7).fit, new Float64Array(3))).toBeCloseTo(32, 13);
  });
});
