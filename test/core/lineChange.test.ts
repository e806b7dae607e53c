import { expect, it } from 'vitest';
import { agrees, bends, changeAlong, contradicts, roundingOf, sizeOf } from '../../src/core/lineChange.ts';
import type { Iterate } from '../../src/core/solver.ts';

type Slope = (x: number) => number;

const iterate = (x: readonly number[], f: number, gradient: readonly number[]): Iterate => ({
  x: Float64Array.from(x),
  f,
  gradient: Float64Array.from(gradient),
});

const facts = { precision: 'float64' as const, highest: 0 };

/** The change along [0, 1] of a function of one variable, with its middle at a place of its own. */
function along(f: Slope, slope: Slope, { middle = 0.5, highest = 0 } = {}) {
  const at = (x: number) => iterate([x], f(x), [slope(x)]);
  return changeAlong([at(0), at(middle), at(1)], { ...facts, highest });
}

it('changes of cubic functions are those of their values', () => {
  for (const [a, b, c] of [
    [1, 0, 0],
    [-2, 3, 0.1],
    [0.3, -0.2, 5],
  ]) {
    const change = along(
      (x) => 7 + a * x + b * x ** 2 + c * x ** 3,
      (x) => a + 2 * b * x + 3 * c * x ** 2,
    );
    expect(change.byValues).toBeCloseTo(a + b + c, 14);
    expect(change.byGradients).toBeCloseTo(a + b + c, 14);
    expect(contradicts(change)).toBe(false);
  }
});

it('a line is trusted where the trapezoidal rule of its halves agrees within 2 %', () => {
  // For x + cx³ the trapezoids of the halves are 1 + 1.125c: off by c/8 of 1 + c.
  const trusted = (c: number) =>
    along(
      (x) => x + c * x ** 3,
      (x) => 1 + 3 * c * x ** 2,
    ).trusted;
  expect([0.18, 0.2, -0.12, -0.15].map(trusted)).toEqual([true, false, true, false]);
});

it('a line is trusted only if its middle lies within a quarter of its length around the center', () => {
  const trusted = (middle: number) =>
    along(
      (x) => x,
      () => 1,
      { middle },
    ).trusted;
  expect([0.26, 0.5, 0.74].map(trusted)).toEqual([true, true, true]);
  expect([0, 0.24, 0.76, 1].map(trusted)).toEqual([false, false, false, false]);
});

it('the middle is that of the unknowns that change f most', () => {
  /** The second unknown stays in the middle while the first is off its center. */
  const trusted = (slopes: readonly number[], lengths: readonly number[], first: number) => {
    const at = (parts: readonly number[]) => {
      const x = parts.map((part, i) => part * lengths[i]);
      return iterate(
        x,
        x.reduce((sum, value, i) => sum + slopes[i] * value, 0),
        slopes,
      );
    };
    return changeAlong([at([0, 0]), at([first, 0.5]), at([1, 1])], facts).trusted;
  };
  // The first adds a part p of the change: 0.4p beside the center.
  expect(trusted([1, 1], [1, 1], 0.9)).toBe(true);
  expect(trusted([1.6, 1], [1, 1], 0.9)).toBe(true);
  expect(trusted([1.8, 1], [1, 1], 0.9)).toBe(false);
  expect(trusted([1, 1], [-1.6, 1], 0.1)).toBe(true);
  expect(trusted([1, -1], [1.8, 1], 0.1)).toBe(false);
});

it('a line tells something if the larger change exceeds 12 times the rounding of f', () => {
  // f is small here, but has been as large as 2⁴⁸: its rounding is 16 ε·2⁴⁸ = 1.
  const [flat, steep] = [1 / 8, 8].map((factor) => {
    const slope = 12 * factor;
    return along(
      (x) => slope * x,
      () => slope,
      { highest: 2 ** 48 },
    );
  });
  expect(roundingOf(iterate([0], 0, [0]), iterate([0], 0, [0]), { ...facts, highest: 2 ** 48 })).toBe(1);
  expect([flat.signal, steep.signal]).toEqual([1.5, 96]);
  expect([flat.resolved, steep.resolved]).toEqual([false, true]);
  expect([agrees(flat), agrees(steep)]).toEqual([false, true]);
});

it('a gradient contradicts f if the two changes differ by more than 15 % of the larger one', () => {
  /** f = x, whose gradient is too large or too small by a factor. */
  const wrong = (factor: number) =>
    along(
      (x) => x,
      () => factor,
    );
  const factors = [-1, 0, 0.84, 0.86, 1.16, 1.19];
  const told = [true, true, true, false, false, true];
  expect(factors.map((factor) => contradicts(wrong(factor)))).toEqual(told);
  expect(factors.map((factor) => agrees(wrong(factor)))).toEqual(told.map((is) => !is));
});

it('f bends where its change is far from that of the trapezoidal rule, by more than its rounding', () => {
  /** A change of f by these amounts, in units of its rounding. */
  const isBent = (byValues: number, byGradients: number) =>
    bends(iterate([0], 0, [byGradients]), iterate([1], byValues, [byGradients]), {
      ...facts,
      highest: 2 ** 48,
    });
  expect(isBent(10, 8)).toBe(true);
  expect(isBent(8, 10)).toBe(true);
  expect(isBent(10, -10)).toBe(true);
  // Far from each other, but both within rounding.
  expect(isBent(0.9, 0.2)).toBe(false);
  expect(isBent(0.4, -0.4)).toBe(false);
  // Farther apart than rounding, but close.
  expect([isBent(100, 88), isBent(88, 100)]).toEqual([false, false]);
  expect([isBent(100, 84), isBent(84, 100)]).toEqual([true, true]);
});

it('the size of f is |f|, or what x adds to it to first order', () => {
  expect(sizeOf(iterate([2, -3], -7, [1, 1]))).toBe(7);
  expect(sizeOf(iterate([2, -3], 1, [1, 1]))).toBe(5);
});
