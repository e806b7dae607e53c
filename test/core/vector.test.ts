import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  absoluteDot,
  acceptOperations,
  addScaled,
  dot,
  firstNonFinite,
  KERNEL_LENGTH,
  norm2,
  normInf,
  roundToFloat32,
  sameNumbers,
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

describe('operations of a memory', () => {
  /** Three vectors in each of two memories, and operations of the first, which answer with signs of their own. */
  function memories(length: number, lengthOfOperations = length) {
    const [one, other] = [0, 1].map(() => {
      const buffer = new ArrayBuffer(3 * 8 * length);
      return [0, 1, 2].map((k) => new Float64Array(buffer, 8 * k * length, length).fill(k + 1));
    });
    acceptOperations(one[0].buffer, {
      length: lengthOfOperations,
      dot: () => -1,
      normInf: () => -2,
      addScaled: (_x, _alpha, _s, out) => void out.fill(-3),
    });
    return { one, other };
  }

  it('are used for whole vectors that all lie in it', () => {
    const { one, other } = memories(KERNEL_LENGTH);
    const [a, b, c] = one;
    expect([dot(a, b), dot(a, a), normInf(a)]).toEqual([-1, -1, -2]);
    expect([dot(a, other[1]), dot(other[0], b)]).toEqual([2 * KERNEL_LENGTH, 2 * KERNEL_LENGTH]);
    expect([dot(other[0], other[1]), normInf(other[2])]).toEqual([2 * KERNEL_LENGTH, 3]);
    for (const [x, s, out, expected] of [
      [a, b, c, -3],
      [a, b, other[2], 5],
      [a, other[1], c, 5],
      [other[0], b, c, 5],
    ] as const) {
      addScaled(x, 2, s, out);
      expect(out).toEqual(new Float64Array(KERNEL_LENGTH).fill(expected));
    }
    addScaled(a, 2, b, a);
    expect(a[0]).toBe(-3);
  });

  it('are not used for parts of its vectors, nor for short ones', () => {
    const part = memories(KERNEL_LENGTH + 1).one[1].subarray(1);
    expect([dot(part, part), normInf(part)]).toEqual([4 * KERNEL_LENGTH, 2]);
    const [short] = memories(KERNEL_LENGTH - 1).one;
    expect([dot(short, short), normInf(short)]).toEqual([KERNEL_LENGTH - 1, 1]);
  });

  it('may lack those that nobody needs', () => {
    const x = new Float64Array(KERNEL_LENGTH).fill(1);
    acceptOperations(x.buffer, { length: KERNEL_LENGTH, dot: () => -1, normInf: () => -2 });
    addScaled(x, 1, x, x);
    expect(x).toEqual(new Float64Array(KERNEL_LENGTH).fill(2));
  });
});

it('vectors hold the same numbers only if all are equal; NaN equals nothing', () => {
  const a = Float64Array.of(1, -0, 3);
  expect(sameNumbers(a, Float64Array.of(1, 0, 3))).toBe(true);
  for (let i = 0; i < 3; i++) expect(sameNumbers(a, a.with(i, 9))).toBe(false);
  expect(sameNumbers(Float64Array.of(NaN), Float64Array.of(NaN))).toBe(false);
});
