import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { curveFit, leastSquaresFit } from 'quasi-newton';

const lineOf = (x: number, { a, b }: { a: number; b: number }) => a * x + b;

describe('a parameter that is 0 at the solution', () => {
  it('has the standard errors of a line, whatever rounding leaves of it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 12 }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        fc.oneof(fc.constant(0), fc.double({ min: 1e-3, max: 100, noNaN: true })),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        (m, slope, b0, sigma) => {
          const x = Array.from({ length: m }, (_, i) => i + 1);
          const y = x.map((v) => slope * v);
          const fit = curveFit(lineOf, x, y, { a: 1, b: b0 }, { sigma, absoluteSigma: true });
          expect(fit.undetermined).toEqual([]);
          // (XᵀX)⁻¹ of a line through the points 1 … m.
          const mean = (m + 1) / 2;
          const sxx = (m * (m * m - 1)) / 12;
          expect((fit.standardErrors[0] * Math.sqrt(sxx)) / sigma).toBeCloseTo(1, 3);
          expect(fit.standardErrors[1] / (sigma * Math.sqrt(1 / m + (mean * mean) / sxx))).toBeCloseTo(1, 3);
          const { standardErrors } = fit.predict([0]);
          expect(standardErrors[0] / fit.standardErrors[1]).toBeCloseTo(1, 3);
        },
      ),
    );
  });

  it('costs few evaluations on exact data', () => {
    const fit = curveFit(lineOf, [1, 2, 3], [1, 2, 3], { a: 1, b: 1 });
    expect(fit.x[0]).toBeCloseTo(1, 14);
    expect(fit.evaluations).toBeLessThan(40);
  });

  it('is determined in a fit of residuals', () => {
    const residuals = ({ u, v }: { u: number; v: number }) => [u - v, u + v - 1e-20, 2 * v, v - u];
    expect(leastSquaresFit(residuals, { u: 3, v: 1 }).undetermined).toEqual([]);
  });
});

describe('without degrees of freedom', () => {
  it('errors are unknown, and parameters are not called undetermined', () => {
    const fit = curveFit(lineOf, [1, 2], [1, 2], { a: 1, b: 1 });
    expect(fit.standardErrors).toEqual(Float64Array.of(Infinity, Infinity));
    expect(fit.undetermined).toEqual([]);
    expect(String(fit)).toContain('± unknown: no degrees of freedom');
    expect(String(fit)).not.toContain('not determined');
  });

  it('parameters that nothing determines are named', () => {
    const fit = curveFit((x, { a, b }: { a: number; b: number }) => a * b * x, [1, 2], [2, 4], {
      a: 1,
      b: 1,
    });
    expect(fit.undetermined).toEqual(['a', 'b']);
  });
});

it('a parameter without effect at an exact solution is not determined: its error is Infinity, not NaN', () => {
  const decay = (x: number, { a, k }: { a: number; k: number }) => a * Math.exp(-k * x);
  const fit = curveFit(decay, [0, 1, 2, 3], [0, 0, 0, 0], { a: 1, k: 1 });
  expect(fit.undetermined).toEqual(['k']);
  expect(fit.standardErrors[1]).toBe(Infinity);
  expect(String(fit)).not.toContain('NaN %');
});
