import { describe, expect, it } from 'vitest';
import { curveFit } from 'quasi-newton';
import { logsAt, observations, published, solve, start } from '../../../examples/lib/populations.js';

describe('lynxes and hares', () => {
  const { points, logs } = observations;
  const fit = curveFit(logsAt, points, logs, start, { vectorized: true });

  it('the solution keeps the quantity that the equation conserves', () => {
    const rates = { birth: 0.55, hunting: 0.028, death: 0.8, growth: 0.024, hares: 34, lynxes: 6 };
    const conserved = ([u, v]: readonly number[]) =>
      rates.growth * Math.exp(u) - rates.death * u + rates.hunting * Math.exp(v) - rates.birth * v;
    const solution = solve(rates, 20);
    const first = conserved(solution(0));
    expect(solution(0)).toEqual([Math.log(34), Math.log(6)]);
    for (let year = 0; year <= 20; year += 0.013)
      expect(Math.abs(conserved(solution(year)) - first)).toBeLessThan(2e-5);
  });

  it('the rates, their errors and the scatter are those found by sampling', () => {
    expect(fit.converged).toBe(true);
    for (const [name, [mean, deviation]] of Object.entries(published)) {
      const k = fit.names.findIndex((other) => other === name);
      expect(Math.abs(fit.x[k] - mean) / deviation).toBeLessThan(0.5);
      expect(Math.abs(fit.standardErrors[k] / deviation - 1)).toBeLessThan(0.25);
    }
    // Errors of both counts are 0.25 there, relative to the number of animals.
    expect(Math.sqrt(fit.reducedChiSquare)).toBeCloseTo(0.24, 2);
  });

  it('finds them from other starts', () => {
    for (const [k, factor] of [0.8, 1.25, 0.9, 1.1].entries()) {
      const moved = {
        ...start,
        birth: start.birth * factor,
        growth: start.growth * (k % 2 ? factor : 1 / factor),
      };
      const other = curveFit(logsAt, points, logs, moved, { vectorized: true });
      expect(other.chiSquare).toBeCloseTo(fit.chiSquare, 6);
    }
  });
});
