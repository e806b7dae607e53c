import { expect, it } from 'vitest';
import { bfgs, conjugateGradient, lbfgs, minimize, ssbfgs, ssbroyden, type Problem } from 'quasi-newton';

/** Numbers in [0, 1) from a linear congruential generator. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32;
}

const solvers = [lbfgs, bfgs, ssbfgs, ssbroyden, conjugateGradient];

/** f = 1 + Σ aᵢ(xᵢ − cᵢ)² + xᵢ⁴/10, whose gradient lacks the term of xᵢ⁴ in one element. */
function quarticWithoutTerm(random: () => number) {
  const n = 1 + Math.floor(random() * 4);
  const bad = Math.floor(random() * n);
  const a = Array.from({ length: n }, () => 10 ** (random() * 4 - 2));
  const c = Array.from({ length: n }, () => random() * 4 - 2);
  const slope = (x: Float64Array, i: number) => 2 * a[i] * (x[i] - c[i]) + 0.4 * x[i] ** 3;
  const problem: Problem = {
    p0: Float64Array.from({ length: n }, () => random() * 20 - 10),
    fg(x, gradient) {
      gradient?.set(x.map((value, i) => slope(x, i) - (i === bad ? 0.4 * value ** 3 : 0)));
      return x.reduce((sum, value, i) => sum + a[i] * (value - c[i]) ** 2 + 0.1 * value ** 4, 1);
    },
  };
  return problem;
}

it('a run whose gradient lacks a term does not end at the precision of f', () => {
  const random = uniform(20261129);
  const endings: Record<string, number> = {};
  for (let run = 0; run < 2000; run++) {
    const problem = quarticWithoutTerm(random);
    const { termination } = minimize(problem, solvers[run % solvers.length](), { maxIterations: 300 });
    endings[termination] = (endings[termination] ?? 0) + 1;
  }
  expect([endings.precisionFloor, endings.lineSearchFailed]).toEqual([undefined, undefined]);
  expect(endings.gradientMismatch).toBeGreaterThan(200);
});
