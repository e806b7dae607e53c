import { describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/core/layout.ts';
import { vectorParams } from '../../src/core/paramSet.ts';

describe('layoutOf', () => {
  it('lays tensors out one after the other', () => {
    const layout = layoutOf([
      { name: 'w', shape: [2, 3], role: { kind: 'weight', filterAxes: [1] } },
      { name: 'scale', shape: [] },
      { name: 'none', shape: [0, 4] },
      { name: 'b', shape: [3] },
    ]);
    expect(layout.length).toBe(10);
    expect(layout.tensors.map(({ name, offset, size }) => [name, offset, size])).toEqual([
      ['w', 0, 6],
      ['scale', 6, 1],
      ['none', 7, 0],
      ['b', 7, 3],
    ]);
  });
});

describe('vectorParams', () => {
  it('reads and writes its data in place', () => {
    const data = Float64Array.of(1, 2, 3);
    const params = vectorParams(data);
    const out = params.zeros();
    expect(params.copyInto(out)).toBe(out);
    expect(out).toEqual(data);
    params.copyFrom([4, 5, 6]);
    expect(data).toEqual(Float64Array.of(4, 5, 6));
  });

  it('refuses vectors of another length and stays as it was', () => {
    const data = Float64Array.of(1, 2, 3);
    const params = vectorParams(data);
    expect(() => params.copyFrom([1, 2])).toThrow(
      new RangeError('copyFrom: vector has length 2; it must be 3.'),
    );
    expect(() => params.copyInto(new Float64Array(4))).toThrow(/length 4; it must be 3/);
    const copyFrom = (vector: unknown) => () => params.copyFrom(vector as never);
    const wanted = 'copyFrom: vector must be a Float64Array of length 3, got ';
    expect(copyFrom(undefined)).toThrow(new TypeError(`${wanted}undefined.`));
    expect(copyFrom(null)).toThrow(new TypeError(`${wanted}null.`));
    expect(copyFrom({ length: '3' })).toThrow(new TypeError(`${wanted}an object with length.`));
    expect(data).toEqual(Float64Array.of(1, 2, 3));
  });
});
