import { describe, expect, it } from 'vitest';
import { curveFit } from 'quasi-newton';

/** The model of a cubic, and its derivatives. */
const cubic = (x: number, [a, b, c, d]: Float64Array) => a + b * x + c * x * x + d * x ** 3;
const jacobian = (x: number) => [1, x, x * x, x ** 3];

describe('strongly correlated parameters', () => {
  it('leave the band of a cubic in calendar years equal to that in years from the middle', () => {
    const middle = 2010;
    const centered = Array.from({ length: 21 }, (_, i) => i - 10);
    const y = centered.map((t, i) => 40 + 3 * t - 0.2 * t * t + 0.01 * t ** 3 + Math.sin(7.3 * i * i));
    const years = centered.map((t) => middle + t);
    const plain = curveFit(cubic, years, y, [0, 1, 0, 0], { jacobian });
    const around = curveFit(cubic, centered, y, [0, 1, 0, 0], { jacobian });
    expect(plain.converged).toBe(true);
    const points = [-10, -9, -4, 0, 3, 10];
    const expected = around.predict(points).standardErrors;
    const found = plain.predict(points.map((t) => middle + t)).standardErrors;
    points.forEach((_, i) => expect(found[i] / expected[i]).toBeCloseTo(1, 5));
    expect(plain.standardErrors[3] / around.standardErrors[3]).toBeCloseTo(1, 6);
  });
});
