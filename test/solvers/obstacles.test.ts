import { describe, expect, it } from 'vitest';
import { leastSquares, levenbergMarquardt, minimize } from '../../src/index.ts';
import type { Residuals } from '../../src/core/problem.ts';

/** Residuals a − 1 and b − 1, whose solution lies beyond a wall at a = 1.999. */
const run = (residuals: Residuals, options = {}) =>
  minimize(
    leastSquares({ p0: Float64Array.of(2, 2), residualCount: 2, residuals }),
    levenbergMarquardt(options),
  );

describe('a later call that has no finite answer', () => {
  it.each([{}, { control: 'radius' }, { acceleration: false }])(
    'an infinite Jacobian is named with its place by %o',
    (options) => {
      const { termination, message } = run(([a, b], r, jacobian) => {
        r[0] = a - 1;
        r[1] = b - 1;
        jacobian?.set([1, 0, 0, a < 1.999 ? Infinity : 1]);
      }, options);
      expect(termination).toBe('lineSearchFailed');
      expect(message).toMatch(/The Jacobian at row 1, column 1, is Infinity at x = \[1\.99[89]\d*, /);
    },
  );

  it('a residual that is NaN is named with its place', () => {
    const wall = ([a, b]: Float64Array, r: Float64Array): void =>
      r.set([a - 1, a < 1.999 ? Math.sqrt(a - 1.999) : b - 1]);
    expect(run(wall).message).toMatch(/Residuals are not finite on either side of x\[0\] at x = \[1\.99/);
    const { message } = run((x, r, jacobian) => {
      wall(x, r);
      jacobian?.set([1, 0, 0, 1]);
    });
    expect(message).toMatch(/Residual 1 is NaN at x = \[1\.99\d*, /);
  });

  it('a residual left unwritten is an error', () => {
    let calls = 0;
    expect(() =>
      run(([a, b], r) => {
        r[0] = a - 1;
        if (calls++ < 6) r[1] = b - 1;
      }),
    ).toThrow(/residuals left residual 1 of 2 unwritten at x = \[.*write all of them at every call/);
  });

  it('products that are not finite are named', () => {
    const problem = leastSquares({
      p0: Float64Array.of(2, 2),
      residualCount: 2,
      residuals: ([a, b], r) => r.set([a - 1, b - 1]),
      jacobianVector: (_, v, product) => product.set(v),
      vectorJacobian: ([a], u, product) => product.set([u[0], a < 1.999 ? NaN : u[1]]),
    });
    const { message } = minimize(problem, levenbergMarquardt({ method: 'iterative' }));
    expect(message).toMatch(/Element 1 of vectorJacobian is NaN at x = \[1\.99/);
  });
});
