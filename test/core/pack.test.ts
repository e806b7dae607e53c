import { describe, expect, it } from 'vitest';
import { pack, unpack } from '../../src/core/pack.ts';

describe('plain data', () => {
  it('comes back bit for bit, in one string and one vector', () => {
    const data = {
      a: [1, NaN, -0, Infinity, 'word', true, null],
      b: { wide: Float64Array.of(1.1, -0), narrow: Float32Array.of(0.5, NaN), none: new Float64Array(0) },
      c: undefined,
    };
    const { structure, numbers } = pack(data);
    expect(JSON.parse(structure)).toEqual({
      a: [0, 0, 0, 0, 'word', true, null],
      b: { wide: { float64: 2 }, narrow: { float32: 2 }, none: { float64: 0 } },
    });
    expect(numbers).toEqual(Float64Array.of(1, NaN, -0, Infinity, 1.1, -0, 0.5, NaN));
    const { c: _, ...rest } = data;
    expect(unpack({ structure, numbers })).toEqual(rest);
  });

  it('is all that is taken, and the path to anything else is named', () => {
    for (const [value, path] of [
      [{ a: [1, { b: new Map() }] }, 'data.a[1].b is a Map'],
      [[() => 1], 'data[0] is the function'],
      [new Int32Array(2), 'data is Int32Array(2)'],
      [undefined, 'data is undefined'],
      [new Date(0), 'data is a Date'],
      [1n, 'data is 1'],
    ] as const) {
      expect(() => pack(value)).toThrow(TypeError);
      expect(() => pack(value)).toThrow(`pack: ${path}`);
      expect(() => pack(value)).toThrow('which is not plain data.');
    }
  });

  it('is refused where its parts do not belong together', () => {
    const { structure } = pack([1, 2]);
    expect(() => unpack({ structure, numbers: Float64Array.of(1, 2, 3) })).toThrow(
      new RangeError('unpack: the structure needs 2 numbers, got 3.'),
    );
    expect(() => unpack({ structure, numbers: Float64Array.of(1) })).toThrow(RangeError);
  });
});
