import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  absoluteDot,
  addScaled,
  dot,
  firstNonFinite,
  norm2,
  normInf,
  roundToFloat32,
  scaleInto,
  subtract,
} from '../../src/core/vector.ts';

const small = fc.float64Array({ min: -1e3, max: 1e3, noNaN: true, maxLength: 40 });

describe('vector operations', () => {
  it('dot agrees with a plain sum for every remainder of the length by four', () => {
    fc.assert(
      fc.property(small, (a) => {
        const b = a.map((v, i) => v * 0.5 + i);
        const plain = a.reduce((sum, v, i) => sum + v * b[i], 0);
        const scale = a.reduce((sum, v, i) => sum + Math.abs(v * b[i]), 0);
        expect(Math.abs(dot(a, b) - plain)).toBeLessThanOrEqual(1e-14 * scale);
      }),
    );
  });

  it('addScaled may write into either operand', () => {
    const x = Float64Array.of(1, 2);
    const s = Float64Array.of(10, 20);
    addScaled(x, 0.5, s, s);
    expect(s).toEqual(Float64Array.of(6, 12));
    addScaled(x, -1, x, x);
    expect(x).toEqual(Float64Array.of(0, 0));
  });

  it('norms tell of NaN', () => {
    expect(normInf(Float64Array.of(-3, 2))).toBe(3);
    expect(normInf(Float64Array.of(1, NaN, 2))).toBeNaN();
    expect(normInf(new Float64Array(0))).toBe(0);
    expect(norm2(Float64Array.of(3, -4))).toBe(5);
  });

  it('firstNonFinite finds NaN and infinities', () => {
    expect(firstNonFinite([1, 2])).toBe(-1);
    expect(firstNonFinite([1, -Infinity, NaN])).toBe(1);
  });

  it('roundToFloat32 rounds to nearest', () => {
    const x = Float64Array.of(0.1, 1e300);
    roundToFloat32(x);
    expect(x).toEqual(Float64Array.of(Math.fround(0.1), Infinity));
  });

  it('sums and norms count every element once at any length', () => {
    for (let n = 1; n <= 9; n++) {
      for (let i = 0; i < n; i++) {
        const a = new Float64Array(n);
        a[i] = -3;
        expect([n, i, normInf(a)]).toEqual([n, i, 3]);
        const b = Float64Array.from(a, (_, j) => 2 ** j);
        expect([n, i, dot(a, b)]).toEqual([n, i, -3 * 2 ** i]);
        expect([n, i, absoluteDot(a, b)]).toEqual([n, i, 3 * 2 ** i]);
        a[i] = NaN;
        expect(normInf(a)).toBeNaN();
      }
    }
  });

  it('write no farther than their vectors reach', () => {
    const [x, s, out] = [Float64Array.of(1, 2), Float64Array.of(5, 7), new Float64Array(3).fill(9)];
    addScaled(x, 2, s, out);
    expect([...out]).toEqual([11, 16, 9]);
    subtract(s, x, out);
    expect([...out]).toEqual([4, 5, 9]);
    scaleInto(-3, x, out);
    expect([...out]).toEqual([-3, -6, 9]);
    expect(x).toEqual(Float64Array.of(1, 2));
  });
});
