import { describe, expect, it } from 'vitest';
import { curveFit } from 'quasi-newton';

describe('a fit with a direction that its derivatives do not resolve', () => {
  const years = Array.from({ length: 11 }, (_, i) => 2015 + i);
  const y = years.map((_, i) => 3 + 0.5 * i + 0.02 * i * i + Math.sin(7.3 * i));
  const cubic = (x: number, [a, b, c, d]: Float64Array) => a + b * x + c * x * x + d * x ** 3;

  it('is no success while the sum of squares falls along it, and says what to do', () => {
    const fit = curveFit(cubic, years, y, [0, 0, 0, 0]);
    const least = curveFit((x, p: Float64Array) => cubic(x - 2020, p), years, y, [0, 0, 0, 0]).chiSquare;
    expect([fit.converged, fit.chiSquare > 1.05 * least]).toEqual([false, true]);
    expect(fit.message).toMatch(/falls in a direction .* Subtract a typical value from x/);
  });

  it('is a success where the sum of squares does not depend on it', () => {
    const product = (x: number, { a, b, c }: { a: number; b: number; c: number }) => a * b * x + c;
    const fit = curveFit(product, [1, 2, 3, 4], [2.1, 3.9, 6.2, 8], { a: 1, b: 1, c: 0 });
    expect(fit.converged).toBe(true);
    expect(fit.undetermined).toEqual(['a', 'b']);
  });
});
