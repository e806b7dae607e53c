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

/** f = offset + Σ aᵢ(xᵢ − cᵢ)² + xᵢ⁴/10 with one element of the gradient multiplied by a factor. */
function oneFactor(random: () => number, factor: number) {
  const n = 1 + Math.floor(50 ** random());
  const bad = Math.floor(random() * n);
  const offset = random() < 0.5 ? 0 : 10 ** (6 * random());
  const a = Array.from({ length: n }, () => 10 ** (random() * 4 - 2));
  const c = Array.from({ length: n }, () => random() * 4 - 2);
  const slope = (x: Float64Array, i: number) => 2 * a[i] * (x[i] - c[i]) + 0.4 * x[i] ** 3;
  const problem: Problem = {
    p0: Float64Array.from({ length: n }, () => random() * 6 - 3),
    fg(x, gradient) {
      gradient?.set(x.map((_, i) => slope(x, i) * (i === bad ? factor : 1)));
      return x.reduce((sum, value, i) => sum + a[i] * (value - c[i]) ** 2 + 0.1 * value ** 4, offset);
    },
  };
  /** Change of f along the bad element, over a fraction of its way. */
  const changeOver = (x: Float64Array, part: number) => {
    const term = (value: number) => a[bad] * (value - c[bad]) ** 2 + 0.1 * value ** 4;
    return term(x[bad] + part * (x[bad] - problem.p0[bad])) - term(x[bad]);
  };
  return { problem, changeOver };
}

/** Rounds x, f and the gradient to float32. */
const rounded = (problem: Problem): Problem => ({
  ...problem,
  precision: 'float32',
  fg(x, gradient) {
    const f = problem.fg(x.map(Math.fround), gradient);
    gradient?.set(gradient.map(Math.fround));
    return Math.fround(f);
  },
});

it.each([0.5, 0.9, 1.02, 1.1, 2])(
  'one of up to 50 elements times %f is found wrong, if f stops the run',
  (factor) => {
    const random = uniform(20261130);
    const endings: Record<string, number> = {};
    for (let run = 0; run < 300; run++) {
      const { problem } = oneFactor(random, factor);
      const { termination } = minimize(problem, solvers[run % solvers.length](), {
        maxIterations: 300,
        gtol: 0,
      });
      endings[termination] = (endings[termination] ?? 0) + 1;
    }
    expect([endings.precisionFloor, endings.lineSearchFailed]).toEqual([undefined, undefined]);
    expect(endings.gradientMismatch).toBeGreaterThan(200);
  },
);

it.each([0.5, 0.8, 1.3, 2])('in float32, too, an element times %f is found wrong if f can tell', (factor) => {
  const random = uniform(20261131);
  let [found, missed] = [0, 0];
  for (let run = 0; run < 300; run++) {
    const { problem, changeOver } = oneFactor(random, factor);
    const result = minimize(rounded(problem), solvers[run % solvers.length](), { maxIterations: 300 });
    if (result.termination === 'gradientMismatch') found++;
    if (result.termination !== 'precisionFloor') continue;
    // The error of f's change over 0.3 of the way, in units of the rounding that is allowed for.
    const [one, other] = [0.3, -0.3].map((part) => Math.abs(changeOver(result.x, part)));
    const error = Math.abs(1 - factor) * Math.min(one, other);
    const ratio = error / (64 * 2 ** -23 * Math.max(Math.abs(result.f), one, other));
    if (ratio > 4) missed++;
  }
  expect(found).toBeGreaterThan(200);
  expect(missed).toBeLessThanOrEqual(3);
});

it('right gradients of the same functions are not accused', () => {
  const random = uniform(20261132);
  for (let run = 0; run < 600; run++) {
    const right = oneFactor(random, 1).problem;
    const problem = run % 2 === 0 ? right : rounded(right);
    const { termination } = minimize(problem, solvers[run % solvers.length](), {
      maxIterations: 300,
      gtol: 0,
    });
    expect([run, termination]).not.toEqual([run, 'gradientMismatch']);
  }
});

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
