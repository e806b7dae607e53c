import { describe, expect, it } from 'vitest';
import { makeRobust, robustLosses, type RobustLoss } from '../../src/core/robustLoss.ts';

/** Σ scale²·ρ((r/scale)²) as SciPy's least_squares documents ρ; the derivatives of √ρ are taken by differences below. */
const rho: Record<Exclude<RobustLoss, 'linear'>, (z: number) => number> = {
  huber: (z) => (z <= 1 ? z : 2 * Math.sqrt(z) - 1),
  softL1: (z) => 2 * (Math.sqrt(1 + z) - 1),
  cauchy: (z) => Math.log(1 + z),
  arctan: (z) => Math.atan(z),
};
const names = Object.keys(rho) as (keyof typeof rho)[];
const scale = 0.7;
const residuals = [-3, -0.7, -0.2, 0, 0.1, 0.69, 0.71, 12];

/** Residuals under a loss, and the factors of their slopes. */
function robust(loss: keyof typeof rho, list: readonly number[]) {
  const [r, factors] = [Float64Array.from(list), new Float64Array(list.length).fill(1)];
  makeRobust(loss, scale, r, factors);
  return { r, factors };
}

it('there are the losses that are documented', () => {
  expect(robustLosses).toEqual(['linear', ...names]);
});

describe.each(names)('%s', (loss) => {
  const s = (r: number) => Math.sign(r) * scale * Math.sqrt(rho[loss]((r / scale) ** 2));

  it('replaces a residual by one whose square is its loss', () => {
    const { r } = robust(loss, residuals);
    r.forEach((value, i) => expect(value).toBeCloseTo(s(residuals[i]), 13));
    const without = Float64Array.from(residuals);
    makeRobust(loss, scale, without, null);
    expect(without).toEqual(r);
  });

  it('multiplies the rows of the Jacobian by the slope of that, which is 1 at a residual of 0', () => {
    const { factors } = robust(loss, residuals);
    const h = 1e-5;
    // Huber's loss has a second derivative that jumps at the scale itself.
    factors.forEach((factor, i) =>
      expect(factor).toBeCloseTo((s(residuals[i] + h) - s(residuals[i] - h)) / (2 * h), 5),
    );
    expect(factors[residuals.indexOf(0)]).toBe(1);
    const jacobian = Float64Array.from({ length: 2 * residuals.length }, (_, at) => at + 1);
    makeRobust(loss, scale, Float64Array.from(residuals), jacobian);
    jacobian.forEach((value, at) => expect(value).toBeCloseTo((at + 1) * factors[at >> 1], 12));
  });
});
