import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addScaled, dot, firstNonFinite, norm2, normInf, roundToFloat32 } from '../../src/core/vector.ts';

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
});
