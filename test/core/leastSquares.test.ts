import { describe, expect, it } from 'vitest';
import { gradientOfSquares, leastSquares } from '../../src/core/leastSquares.ts';

describe('leastSquares', () => {
  const residuals = ([a, b]: Float64Array, out: Float64Array, jacobian: Float64Array | null) => {
    out.set([a - 3, a * b, b ** 2]);
    jacobian?.set([1, 0, b, a, 0, 2 * b]);
  };
  const problem = leastSquares({ p0: Float64Array.of(2, 3), residualCount: 3, residuals });

  it('is Σr² with the gradient 2Jᵀr', () => {
    const gradient = new Float64Array(2).fill(9);
    expect(problem.fg(problem.p0, gradient)).toBe(1 + 36 + 81);
    // 2(−1·1 + 6·3, 6·2 + 9·6)
    expect([...gradient]).toEqual([34, 132]);
    expect(problem.fg(problem.p0, null)).toBe(118);
    expect(problem).toMatchObject({ residualCount: 3, residuals });
    const out = new Float64Array(2);
    gradientOfSquares(Float64Array.of(-1, 6, 9), Float64Array.of(1, 0, 3, 2, 0, 6), out);
    expect([...out]).toEqual([34, 132]);
  });

  it('asks for the Jacobian only where a gradient is wanted', () => {
    const asked: boolean[] = [];
    const noted = leastSquares({
      p0: Float64Array.of(2, 3),
      residualCount: 3,
      residuals(x, out, jacobian) {
        asked.push(jacobian !== null);
        residuals(x, out, jacobian);
      },
    });
    noted.fg(noted.p0, null);
    noted.fg(noted.p0, new Float64Array(2));
    noted.fg(noted.p0, null);
    expect(asked).toEqual([false, true, false]);
  });

  it.each([
    ['residualCount must be a whole number ≥ 1, got 0.', { residualCount: 0 }],
    ['residualCount must be a whole number ≥ 1, got 1.5.', { residualCount: 1.5 }],
    ['residualCount must be a whole number ≥ 1, got "3".', { residualCount: '3' }],
    ['residuals must be a function, got undefined.', { residuals: undefined }],
  ])('refuses: %s', (message, change) => {
    const make = () =>
      leastSquares({ p0: Float64Array.of(1), residualCount: 3, residuals, ...change } as never);
    expect(make).toThrow(`leastSquares: ${message}`);
  });
});
