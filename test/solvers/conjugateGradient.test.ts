import { describe, expect, it } from 'vitest';
import {
  conjugateGradient,
  fixedStep,
  minimize,
  strongWolfe,
  type ConjugateGradientOptions,
  type LineSearch,
  type Problem,
} from 'quasi-newton';
import { difference, hills, started, stepFrom, walk, type Walked } from './walk.ts';
import { memoryOf } from './internals.ts';
import type { ConjugateGradientMemory } from '../../src/solvers/conjugateGradient.ts';
import { dot } from './vectors.ts';

// Oracle: β from the vectors of its formula, where the solver has it from their products.

type Vector = readonly number[];

/** β of Hager & Zhang (2013), eq. (3.1) and (3.2). */
function hagerZhangBeta(d: Vector, g: Vector, next: Vector, theta = 1, eta = 0.4): number {
  const y = next.map((value, i) => value - g[i]);
  const turned = y.map((value, i) => value - ((theta * dot(y, y)) / dot(d, y)) * d[i]);
  return Math.max(dot(turned, next) / dot(d, y), (eta * dot(d, g)) / dot(d, d));
}

/** β of Polak & Ribière, never below 0. */
function polakRibiereBeta(_d: Vector, g: Vector, next: Vector): number {
  const y = next.map((value, i) => value - g[i]);
  return Math.max(0, dot(y, next) / dot(g, g));
}

/** Takes steps, and has the direction of each beside that of the oracle from the one before. */
function directions(
  options: ConjugateGradientOptions,
  beta: (d: Vector, g: Vector, next: Vector) => number,
  problem: Problem,
  count: number,
) {
  const solver = conjugateGradient(options);
  const state = started(solver, problem);
  const out = new Float64Array(problem.p0.length);
  const seen: { actual: number[]; expected: number[]; beta: number }[] = [];
  for (let k = 0; k < count; k++) {
    const step: Walked = stepFrom(solver, state, problem);
    const d = step.x.map((value, i) => (value - step.before.x[i]) / step.alpha);
    const kept = beta(d, step.before.gradient, step.gradient);
    const expected = d.map((value, i) => kept * value - step.gradient[i]);
    solver.direction?.(state, out);
    seen.push({ actual: [...out], expected, beta: kept });
  }
  return seen;
}

/** Goes to where the slope is 0, if it is linear: exact on quadratics. */
const secant: LineSearch = {
  name: 'secant',
  descends: true,
  *search(phi0, alpha0) {
    const { slope } = yield { alpha: alpha0, slope: true };
    return { alpha: (alpha0 * phi0.slope) / (phi0.slope - slope) };
  },
};

/** As the hills, of more unknowns than the fast kernels need. */
const manyHills: Problem = { ...hills, p0: Float64Array.from({ length: 300 }, (_, i) => i + Math.sin(i)) };

describe('the direction of conjugate gradients is −g + βd', () => {
  it.each<[string, ConjugateGradientOptions, typeof hagerZhangBeta]>([
    ['Hager & Zhang', {}, hagerZhangBeta],
    ['of their first paper', { theta: 2 }, (d, g, next) => hagerZhangBeta(d, g, next, 2)],
    ['with another bound', { eta: 0.01 }, (d, g, next) => hagerZhangBeta(d, g, next, 1, 0.01)],
    ['with a bound that binds', { eta: 0 }, (d, g, next) => hagerZhangBeta(d, g, next, 1, 0)],
    ['Polak & Ribière', { beta: 'polakRibiere' }, polakRibiereBeta],
  ])('the direction of conjugate gradients is −g + βd with β of %s', (_name, options, beta) => {
    for (const problem of [hills, manyHills]) {
      const seen = directions({ ...options, lineSearch: strongWolfe({ c2: 0.1 }) }, beta, problem, 8);
      // d is what x has changed by, over α: the change has fewer digits than x.
      for (const { actual, expected } of seen) expect(difference(actual, expected)).toBeLessThan(1e-9);
    }
  });

  it('the direction of conjugate gradients is −g + βd where the bound of β is reached, and where β would be negative', () => {
    const long = fixedStep({ alpha: 0.9 });
    const bounded = directions({ lineSearch: long, eta: 0.4 }, hagerZhangBeta, hills, 3);
    const seen = directions({ beta: 'polakRibiere', lineSearch: long }, polakRibiereBeta, hills, 3);
    for (const { actual, expected } of [...bounded, ...seen]) {
      expect(difference(actual, expected)).toBeLessThan(1e-9);
    }
  });

  it('takes −g where β is not a number, as after a step that leaves the gradient as it was', () => {
    const line: Problem = {
      p0: Float64Array.of(0, 0),
      fg(x, gradient) {
        gradient?.set([1, 2]);
        return x[0] + 2 * x[1];
      },
    };
    const solver = conjugateGradient({ lineSearch: fixedStep({ alpha: 1 }) });
    const state = started(solver, line);
    stepFrom(solver, state, line);
    expect(memoryOf<ConjugateGradientMemory>(state).beta).toBe(0);
    const out = new Float64Array(2);
    solver.direction?.(state, out);
    expect([...out]).toEqual([-1, -2]);
  });
});

describe('conjugateGradient', () => {
  it('ends on a quadratic of n unknowns after n exact steps', () => {
    const curvatures = [1, 3, 10, 40, 100];
    const quadratic: Problem = {
      p0: Float64Array.of(1, 1, 1, 1, 1),
      fg(x, gradient) {
        gradient?.set(x.map((value, i) => curvatures[i] * value));
        return x.reduce((sum, value, i) => sum + (curvatures[i] * value ** 2) / 2, 0);
      },
    };
    for (const beta of ['hagerZhang', 'polakRibiere'] as const) {
      const { iterations, converged } = minimize(quadratic, conjugateGradient({ beta, lineSearch: secant }), {
        gtol: 1e-4,
      });
      expect(converged).toBe(true);
      expect(iterations).toBe(5);
    }
  });

  it('searches with c₂ = 0.2 by default', () => {
    const points = (options: ConjugateGradientOptions) =>
      walk(conjugateGradient(options), hills, 9).map(({ x, evaluations }) => ({ x, evaluations }));
    expect(points({})).toEqual(points({ lineSearch: strongWolfe({ c2: 0.2 }) }));
    expect(points({})).not.toEqual(points({ lineSearch: strongWolfe() }));
  });

  it('names its β and its line search', () => {
    expect(conjugateGradient()).toMatchObject({ name: 'conjugateGradient', descends: true });
    expect(conjugateGradient().describe(1)).toBe('Conjugate gradient (Hager–Zhang, Moré–Thuente)');
    expect(conjugateGradient({ beta: 'polakRibiere', lineSearch: strongWolfe() }).describe(1)).toBe(
      'Conjugate gradient (Polak–Ribière+, Moré–Thuente)',
    );
  });

  it.each([
    ["beta: must be 'hagerZhang' or 'polakRibiere', got \"dai\"", { beta: 'dai' }],
    ['eta: must be a finite number ≥ 0, got -1', { eta: -1 }],
    ['theta: must be a finite number > 0, got 0', { theta: 0 }],
    ['lineSearch: must be a line search such as strongWolfe(), got 1', { lineSearch: 1 }],
    ['initialStep: must be a function, got 1', { initialStep: 1 }],
  ])('refuses: %s', (message, options) => {
    expect(() => conjugateGradient(options as never)).toThrow(`conjugateGradient: ${message}`);
  });
});
