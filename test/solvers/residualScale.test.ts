import { auto, leastSquares, levenbergMarquardt, minimize, sequence, bfgs } from 'quasi-newton';
import { describe, expect, it } from 'vitest';

const times = Float64Array.from({ length: 12 }, (_, i) => i / 4);
const values = times.map((t, i) => 3 * Math.exp(-1.3 * t) + 0.01 * Math.sin(9 * i));

/** An exponential through points, all residuals multiplied by a unit. */
function decay(unit: number, writesJacobian: boolean) {
  const derivatives = ([a, b]: Float64Array, t: number) => [
    unit * Math.exp(b * t),
    unit * a * t * Math.exp(b * t),
  ];
  const rows = (x: Float64Array) => Array.from(times, (t) => derivatives(x, t));
  const problem = leastSquares({
    p0: Float64Array.of(1, -0.1),
    residualCount: times.length,
    residuals(x, r, jacobian) {
      times.forEach((t, i) => (r[i] = unit * (x[0] * Math.exp(x[1] * t) - values[i])));
      if (writesJacobian) jacobian?.set(rows(x).flat());
    },
    jacobianVector: (x, v, product) => rows(x).forEach(([p, q], i) => (product[i] = p * v[0] + q * v[1])),
    vectorJacobian: (x, u, product) => {
      product.fill(0);
      rows(x).forEach((row, i) => row.forEach((value, j) => (product[j] += value * u[i])));
    },
  });
  return problem;
}

describe('residuals in a unit whose squares leave the range of float64', () => {
  const solvers = {
    default: levenbergMarquardt(),
    columns: levenbergMarquardt({ scaling: 'columns' }),
    bounds: levenbergMarquardt({ upper: 2.5 }),
    radius: levenbergMarquardt({ control: 'radius' }),
    iterative: levenbergMarquardt({ method: 'iterative' }),
    auto: auto(),
    sequence: sequence({ solver: bfgs(), iterations: 3 }, levenbergMarquardt()),
  };
  it.each(Object.entries(solvers))('have the steps of unit 1: %s', (_, solver) => {
    for (const writesJacobian of [true, false]) {
      const [one, ...others] = [1, 2 ** 498, 2 ** -498].map((unit) =>
        minimize(decay(unit, writesJacobian), solver, { maxIterations: 8, gtol: 0 }),
      );
      expect(one.f).toBeLessThan(0.4);
      for (const [k, result] of others.entries()) {
        const unit = 2 ** (k === 0 ? 498 : -498);
        expect(result.iterations).toBe(one.iterations);
        result.x.forEach((value, j) => expect(value / one.x[j]).toBeCloseTo(1, 10));
        expect(result.f / unit / unit / one.f).toBeCloseTo(1, 6);
      }
    }
  });
});
