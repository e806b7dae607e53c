import { expect, it } from 'vitest';
import {
  sharedLines,
  signOf,
  sizeOfUnknowns,
  steepestSteps,
  type Standstill,
} from '../../src/core/standstill.ts';

const standstillAt = (x: number[], p0: number[], gradient: number[], change: Partial<Standstill> = {}) => ({
  at: { x: Float64Array.from(x), gradient: Float64Array.from(gradient), f: 1 },
  p0: Float64Array.from(p0),
  precision: 'float64' as const,
  highest: 1,
  admit: undefined,
  ...change,
});

it('a gradient of 0 has no steps, also where the solver has bounds', () => {
  for (const admit of [undefined, () => {}])
    expect(steepestSteps(standstillAt([1, 2], [0, 0], [0, 0], { admit }))).toEqual([]);
});

it('lines go along the way from the start, or are in proportion to the unknowns', () => {
  const standstill = standstillAt([1000, 3], [999, 3], [1, 1]);
  const lengths = (scale?: 'way' | 'size') =>
    sharedLines(standstill, 0, 1, scale).map(({ step }) => Array.from(step, (value) => Math.abs(value)));
  const [way, size] = [lengths(), lengths('size')];
  for (const [k, part] of [0.3, 0.03, 1e-3, 2e-5].entries()) {
    expect(way[k]).toEqual([expect.closeTo(part, 12), expect.closeTo(3 * part, 12)]);
    expect(size[k]).toEqual([expect.closeTo(1000 * part, 9), expect.closeTo(3 * part, 12)]);
  }
});

it('the size of unknowns is that of their start where they are 0, or 1', () => {
  const size = (x: number[], p0: number[]) => sizeOfUnknowns(Float64Array.from(x), Float64Array.from(p0));
  expect([size([-2, 1], [5, 5]), size([2, 1], [0, 0]), size([0, 0], [0, -5]), size([0], [0])]).toEqual([
    2, 2, 5, 1,
  ]);
});

it('signs are mixed among every k-th unknown', () => {
  for (let k = 1; k <= 16; k++) {
    for (let first = 0; first < k; first++) {
      const signs = Array.from({ length: 40 }, (_, i) => signOf(first + k * i));
      expect(new Set(signs)).toEqual(new Set([1, -1]));
      const sum = signs.reduce((total, sign) => total + sign, 0);
      expect([k, first, Math.abs(sum) <= 32]).toEqual([k, first, true]);
    }
  }
});
