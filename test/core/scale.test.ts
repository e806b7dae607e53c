import { describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/core/layout.ts';
import { scaleOf, sizeAt, typicalSizes } from '../../src/core/scale.ts';
import type { ParamSet } from '../../src/core/paramSet.ts';

const rms = (values: readonly number[]) => Math.hypot(...values) / Math.sqrt(values.length);

describe('typicalSizes', () => {
  const layout = layoutOf([
    { name: 'a', shape: [2] },
    { name: 'b', shape: [3] },
    { name: 'c', shape: [1] },
  ]);
  const params = { layout } as ParamSet;
  const x = Float64Array.of(3, -4, 1, -2, 2, 0);

  it('is the root mean square of the tensor that an unknown lies in', () => {
    const size = typicalSizes(x, params);
    expect(size(0)).toBeCloseTo(rms([3, 4]), 14);
    expect(size(1)).toBe(size(0));
    for (const index of [2, 3, 4]) expect(size(index)).toBeCloseTo(rms([1, 2, 2]), 14);
    expect(size(5)).toBe(0);
  });

  it('is that of all unknowns where tensors are not known', () => {
    const size = typicalSizes(x, undefined);
    expect(size(0)).toBeCloseTo(rms(Array.from(x)), 14);
    expect(size(5)).toBe(size(0));
  });

  it('is computed once for each tensor', () => {
    const moving = x.slice();
    const size = typicalSizes(moving, params);
    const before = size(0);
    moving[0] = 100;
    expect(size(1)).toBe(before);
    expect(size(2)).toBeCloseTo(rms([1, 2, 2]), 14);
  });

  it.each([1e-200, 1e200])('stays in range for unknowns of %d', (unit) => {
    const size = typicalSizes(
      x.map((value) => value * unit),
      undefined,
    );
    expect(size(0) / unit).toBeCloseTo(rms(Array.from(x)), 12);
  });
});

describe('the rule of a scale', () => {
  it.each([1, 1e-300, [1, 2], Float64Array.of(1, 2)])('accepts %o for two unknowns', (scale) => {
    expect(scaleOf(2).accepts(scale)).toBe(true);
  });

  it.each([
    '1',
    0,
    -1,
    NaN,
    Infinity,
    null,
    [1],
    [1, 2, 3],
    [1, '2'],
    [1, 0],
    new Float32Array([1, 2]),
    { length: 2 },
  ])('refuses %o for two unknowns', (scale) => {
    expect(scaleOf(2).accepts(scale)).toBe(false);
  });

  it('accepts any length where the number of unknowns is not known, and says so', () => {
    expect(scaleOf().accepts([1, 2, 3])).toBe(true);
    expect(scaleOf().allowed).toContain('an array of n of them');
    expect(scaleOf(7).allowed).toContain('an array of 7 of them');
  });

  it('is one size for all, or one for each', () => {
    expect(sizeAt(3, 5)).toBe(3);
    expect(sizeAt([1, 2, 4], 2)).toBe(4);
  });
});
