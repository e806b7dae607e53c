import { describe, expect, it } from 'vitest';
import { curveFit } from 'quasi-newton';
import { digits, nist } from '../../../bench/problems/nist/index.js';

/** Residuals of Lanczos1 are rounding errors of its data, 1e-13 of y: their scatter cannot be computed in float64. */
const roundedAway = new Set(['Lanczos1']);

describe('NIST’s reference problems, derivatives by differences', () => {
  it('are 20, from two starts each', () => {
    expect(nist).toHaveLength(20);
    expect(nist.every(({ starts }) => starts.length === 2)).toBe(true);
  });

  const runs = nist.flatMap((problem) =>
    problem.starts.map((p0, i) => ({ name: problem.name, start: i + 1, p0, problem })),
  );
  it.each(runs)(
    '$name from start $start: 7 digits of the parameters, 5 of their errors',
    ({ name, p0, problem }) => {
      const fit = curveFit<number & readonly number[], readonly number[]>(
        problem.model,
        problem.x as (number & readonly number[])[],
        problem.y,
        p0,
      );
      expect(fit.converged).toBe(true);
      expect(digits(fit.x, problem.parameters)).toBeGreaterThan(7);
      expect(fit.undetermined).toEqual([]);
      expect(fit.degreesOfFreedom).toBe(problem.y.length - p0.length);
      if (roundedAway.has(name)) return;
      expect(digits(fit.standardErrors, problem.standardErrors)).toBeGreaterThan(5);
      expect(digits([fit.chiSquare], [problem.rss])).toBeGreaterThan(9);
    },
  );
});
