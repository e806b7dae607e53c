import { expect, it } from 'vitest';
import { solveInRegion } from '../../src/solvers/steihaug.ts';

const GRADIENT = [3, -4];

/** The step for H = diag(h, h), with the radius chosen after the first product. */
function solve(h: number, firstRadius: (cauchy: number) => number) {
  const vector = (values: readonly number[] = [0, 0]) => Float64Array.from(values);
  const vectors = {
    slope: vector(GRADIENT),
    step: vector(),
    residual: vector(),
    direction: vector(),
    product: vector(),
  };
  const { direction, product } = vectors;
  const limits = { radius: 0, forcing: 1e-9, maxProducts: 9, firstRadius };
  const run = solveInRegion(vectors, limits, function* () {
    yield* [];
    product.set(direction.map((d) => h * d));
  });
  const { value, done } = run.next();
  expect(done).toBe(true);
  return { ...(value as object), step: [...vectors.step] };
}

it.each([
  // The minimizer along −g is −g/h.
  [2, 2.5],
  [0.1, 50],
  [0, Infinity],
  [-1, Infinity],
])('the first radius is chosen from the distance of the minimum along −∇f: curvature %d', (h, distance) => {
  const given: number[] = [];
  const result = solve(h, (cauchy) => {
    given.push(cauchy);
    return 10;
  });
  expect(given).toHaveLength(1);
  expect(1 / given[0]).toBeCloseTo(1 / distance, 12);
  const length = Math.min(10, distance);
  const expected = GRADIENT.map((g) => (-g / 5) * length);
  result.step.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 12));
  // −gᵀz − zᵀHz/2.
  const predicted = 5 * length - (h * length * length) / 2;
  expect(result).toMatchObject({ radius: 10, onBoundary: distance > 10 });
  expect((result as unknown as { predicted: number }).predicted).toBeCloseTo(predicted, 10);
});
