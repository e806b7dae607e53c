import { expect, it } from 'vitest';
import { lbfgs, leastSquares, minimize } from 'quasi-newton';
import { differencedBy, noteDifferenced, type Differenced } from '../../src/core/differenced.ts';

it('is known of the very objective that it was noted of, and of nothing else', () => {
  const fg = () => 0;
  const differenced: Differenced = { evaluate: () => 1, isDifferenced: () => true };
  noteDifferenced(fg, differenced);
  expect(differencedBy(fg)).toBe(differenced);
  for (const other of [() => 0, {}, null, undefined, 3, 'fg']) expect(differencedBy(other)).toBeUndefined();
});

it('differences of a gradient never leave the bounds of its solver', () => {
  const visited: number[] = [];
  const problem = leastSquares({
    p0: Float64Array.of(1, 2),
    residualCount: 2,
    residuals([a, b], r) {
      visited.push(a, b);
      // The least squares lie at (−1, 3), beyond both bounds.
      r.set([a + 1, 2 * (b - 3)]);
    },
  });
  const [lower, upper] = [Float64Array.of(0.5, 0), Float64Array.of(9, 2)];
  const { x } = minimize(problem, lbfgs({ lower, upper }));
  expect(x).toEqual(Float64Array.of(0.5, 2));
  expect(visited.every((value, i) => value >= lower[i % 2] && value <= upper[i % 2])).toBe(true);
});

it('only a gradient of one’s own counts as wrong where f contradicts it', () => {
  /** A staircase: r rises by 0.9 for each unit of x, while its slope is −0.1 on every step. */
  const staircase = (writesJacobian: boolean) =>
    leastSquares({
      p0: Float64Array.of(1.23456),
      residualCount: 1,
      residuals([a], r, J) {
        r[0] = 10 + Math.floor(1e6 * a) / 1e6 - 0.1 * a;
        if (writesJacobian && J) J[0] = -0.1;
      },
    });
  const [own, differences] = [true, false].map((writes) => minimize(staircase(writes), lbfgs()).termination);
  expect(own).toBe('gradientMismatch');
  expect(differences).not.toBe('gradientMismatch');
});
