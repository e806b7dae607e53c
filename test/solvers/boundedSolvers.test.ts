import { describe, expect, it } from 'vitest';
import {
  adam,
  auto,
  bfgs,
  conjugateGradient,
  finiteDifferences,
  finiteDifferencesAsync,
  gradientDescent,
  lbfgs,
  leastSquares,
  levenbergMarquardt,
  loadState,
  minimize,
  minimizeAsync,
  newtonCG,
  owlqn,
  saveState,
  sequence,
  slbfgs,
  soap,
  ssbroyden,
  type Bound,
  type Problem,
  type Solver,
} from 'quasi-newton';
import { mgh } from '../../bench/problems/mgh/index.js';
import { bowl, hills, started, stepFrom, walk } from './walk.ts';

describe('bounds of which all are null', () => {
  const problem = bowl;
  const none = Array.from({ length: problem.p0.length }, () => null);

  it.each([bfgs(), ssbroyden(), newtonCG(), conjugateGradient()])('are none for $name', (solver) => {
    const free = minimize(problem, solver);
    const bounded = minimize(problem, solver, { lower: none, upper: none.map(() => Infinity) });
    expect(bounded.evaluations).toEqual(free.evaluations);
    expect([...bounded.x]).toEqual([...free.x]);
  });

  it('leave a dense solver to auto', () => {
    const bounded = minimize(problem, auto(), { lower: none });
    expect([...bounded.x]).toEqual([...minimize(problem, bfgs()).x]);
  });

  it('have a length and elements, which are checked', () => {
    expect(() => minimize(problem, bfgs(), { lower: [...none, null] })).toThrow(
      `minimize: lower has length ${none.length + 1}; there are ${none.length} unknowns.`,
    );
    expect(() => minimize(problem, bfgs(), { lower: none.map(() => 'a') as never })).toThrow(
      'minimize: lower[0] must be a number',
    );
    expect(() => minimize(problem, bfgs(), { lower: none.with(0, 1 as never) })).toThrow(
      'minimize: lower and upper: bfgs() cannot keep x within bounds',
    );
  });
});

/** A problem that fails at a point outside of the bounds. */
function fenced(problem: Problem, lower: readonly number[], upper: readonly number[]): Problem {
  return {
    ...problem,
    fg(x, gradient) {
      x.forEach((value, i) => {
        if (!(value >= lower[i] && value <= upper[i])) throw new Error(`x[${i}] = ${value} is out of bounds`);
      });
      return problem.fg(x, gradient);
    },
  };
}

/** ‖x − P(x − ∇f(x))‖∞, which is 0 where the Karush-Kuhn-Tucker conditions hold. */
function projectedGradient(
  { fg }: Problem,
  x: Float64Array,
  lower: readonly number[],
  upper: readonly number[],
): number {
  const g = new Float64Array(x.length);
  fg(x, g);
  return Math.max(
    ...x.map((value, i) => Math.abs(Math.min(upper[i], Math.max(lower[i], value - g[i])) - value)),
  );
}

const clamp = (x: readonly number[], lower: readonly number[], upper: readonly number[]) =>
  x.map((value, i) => Math.min(upper[i], Math.max(lower[i], value)));

/** Bounds of {@link bowl}: two of them hold its solution. */
const lower = [0, -2.5, -10, 1, -10];
const upper = [10, 10, 1, 10, 10];
const bounds = { lower, upper };

const kept: readonly [string, Solver, number][] = [
  ['gradientDescent()', gradientDescent(), 1000],
  ['gradientDescent({ learningRate })', gradientDescent({ learningRate: 0.1 }), 1000],
  ['with momentum', gradientDescent({ learningRate: 0.05, momentum: 0.8 }), 1000],
  ['with Nesterov’s', gradientDescent({ learningRate: 0.05, momentum: 0.8, nesterov: true }), 1000],
  ['adam', adam({ learningRate: (k) => 0.3 * 0.99 ** k }), 3000],
  ['AMSGrad', adam({ learningRate: (k) => 0.3 * 0.99 ** k, amsgrad: true }), 3000],
  ['lbfgs', lbfgs(), 1000],
  ['auto', auto(), 1000],
  ['a sequence', sequence({ solver: adam({ learningRate: 0.1 }), iterations: 20 }, lbfgs()), 1000],
];

describe('bounds of a solve', () => {
  it.each(kept)(
    'hold at every point, and the end meets the conditions of a minimum: %s',
    (_, solver, maxIterations) => {
      for (const precision of ['float64', 'float32'] as const) {
        const problem = { ...fenced(bowl, lower, upper), precision };
        const gtol = precision === 'float32' ? 1e-4 : 1e-7;
        const result = minimize(problem, solver, { ...bounds, gtol, maxIterations });
        expect(result.termination).toBe('gradientTolerance');
        expect(projectedGradient(bowl, result.x, lower, upper)).toBeLessThanOrEqual(gtol);
        expect([result.x[1], result.x[2]]).toEqual([-2.5, 1]);
      }
    },
  );

  it('are those of the solver itself, step by step', () => {
    for (const make of [lbfgs, gradientDescent] as ((bounds: object) => Solver)[]) {
      const [own, given] = [minimize(bowl, make(bounds)), minimize(bowl, make({}), bounds)];
      expect([...given.x]).toEqual([...own.x]);
      expect(given.evaluations).toEqual(own.evaluations);
    }
    const own = minimize(bowl, adam({ learningRate: 0.1, ...bounds }), { maxIterations: 40 });
    const given = minimize(bowl, adam({ learningRate: 0.1 }), { maxIterations: 40, ...bounds });
    expect(given.trace.map(({ f }) => f)).toEqual(own.trace.map(({ f }) => f));
  });

  it('hold in float32 where they are no float32 numbers', () => {
    // 0.1 lies above and 0.7 below the float32 numbers nearest to them.
    const [low, high] = [Array(5).fill(0.1), Array(5).fill(0.7)];
    for (const [, solver] of kept) {
      const problem = { ...fenced(bowl, low, high), precision: 'float32' as const };
      const { x } = minimize(problem, solver, { lower: 0.1, upper: 0.7, maxIterations: 100, gtol: 1e-4 });
      expect([...x]).toEqual([...x].map(Math.fround));
    }
  });

  it.each([
    ['float64', 0.1, 0.7, 1e-10],
    ['float32', Math.fround(0.1), Math.fround(0.7 - 2 ** -25), 1e-4],
  ] as const)(
    'in %s hold elements at its numbers %d and %d, while the others go on',
    (precision, low, high, gtol) => {
      for (const solver of [gradientDescent(), lbfgs(), auto()]) {
        const limits = { lower: 0.1, upper: 0.7, gtol, maxIterations: 1000 };
        const { x, termination } = minimize({ ...bowl, precision }, solver, limits);
        expect(termination).toBe('gradientTolerance');
        expect(projectedGradient(bowl, x, Array(5).fill(low), Array(5).fill(high))).toBeLessThan(gtol);
      }
    },
  );

  it('are of no effect where they are infinite or null', () => {
    const free = minimize(hills, bfgs());
    const open = minimize(hills, bfgs(), { lower: null, upper: Infinity });
    expect([...open.x]).toEqual([...free.x]);
  });

  it('are kept by Levenberg–Marquardt, which auto chooses for a sum of squares', () => {
    const line = leastSquares({
      p0: Float64Array.of(0, 0),
      residualCount: 3,
      residuals: ([a, b], r) => [1, 3, 5].forEach((y, t) => (r[t] = a + b * t - y)),
    });
    for (const solver of [
      undefined,
      levenbergMarquardt(),
      sequence({ solver: gradientDescent(), iterations: 2 }, levenbergMarquardt()),
    ]) {
      const { x, converged } = minimize(line, solver, { upper: [Infinity, 1.5], gtol: 1e-6 });
      expect(converged).toBe(true);
      // By hand: b = 1.5, a = mean of y − 1.5t.
      expect(x[0]).toBeCloseTo(1.5, 6);
      expect(x[1]).toBe(1.5);
    }
    expect(minimize(line, auto(), { lower: 0 }).method).toContain('chosen for a sum of squares');
  });

  it('are kept by auto on mini-batches, by projected Adam', () => {
    let batch = 0;
    const noisy: Problem = { ...fenced(bowl, lower, upper), nextBatch: () => void batch++ };
    const { x, method } = minimize(noisy, auto(), { ...bounds, maxIterations: 6000 });
    expect(method).toContain('schedule-free Adam');
    expect(projectedGradient(bowl, x, lower, upper)).toBeLessThan(0.05);
  });

  it.each([bfgs(), ssbroyden(), conjugateGradient(), newtonCG(), owlqn(), soap(), slbfgs()])(
    'are refused at once, in words, by $name',
    (solver) => {
      let calls = 0;
      const counted: Problem = { p0: bowl.p0, fg: (x, g) => (calls++, bowl.fg(x, g)) };
      expect(() => minimize(counted, solver, { lower: 0 })).toThrow(
        `minimize: lower and upper: ${solver.name}() cannot keep x within bounds; use auto, lbfgs`,
      );
      expect(calls).toBe(0);
    },
  );

  it.each<[string, { lower?: Bound; upper?: Bound }]>([
    [
      'minimize: lower must not exceed upper; at element 1 they are 3 and 2.',
      { lower: [0, 3], upper: [1, 2] },
    ],
    ['minimize: lower has length 2; there are 5 unknowns.', { lower: [0, 3] }],
    [
      'minimize: lower: must be a number, null (unbounded), or an array of these, got "0".',
      { lower: '0' as never },
    ],
  ])('are checked in the name of the function called: %s', (message, wrong) => {
    for (const [, solver] of kept) expect(() => minimize(bowl, solver, wrong)).toThrow(message);
  });

  it.each<[string, (bounds: object) => Solver]>([
    ['adam', adam],
    ['gradientDescent', gradientDescent],
    ['gradientDescent', (given) => gradientDescent({ learningRate: 0.1, ...given })],
    ['lbfgs', lbfgs],
    ['levenbergMarquardt', levenbergMarquardt],
  ])('are checked in the name of the solver that they are given to: %s', (name, make) => {
    const wrong = { lower: [0, 3], upper: [1, 2] };
    expect(() => make(wrong)).toThrow(`${name}: lower must not exceed upper; at element 1 they are 3 and 2.`);
  });

  it('may not be given twice', () => {
    const solvers: Solver[] = [
      lbfgs({ lower: 0 }),
      adam({ upper: 1 }),
      gradientDescent({ lower: 0 }),
      gradientDescent({ learningRate: 1, lower: 0 }),
      levenbergMarquardt({ lower: 0 }),
    ];
    for (const solver of solvers) {
      const { name } = solver;
      expect(() => minimize(bowl, solver, { lower: -1 })).toThrow(
        `minimize: lower and upper: ${name}() has bounds of its own; give them in one of the two places.`,
      );
    }
  });
});

describe('projected first-order methods', () => {
  it('take the step without bounds, then move to the nearest point of the box', () => {
    const rate = 0.07;
    let [x, v] = [clamp([...bowl.p0], lower, upper), [0, 0, 0, 0, 0]];
    const steps = walk(
      gradientDescent({ learningRate: rate, momentum: 0.9, ...bounds }),
      { ...bowl, p0: Float64Array.from(x) },
      30,
    );
    for (const step of steps) {
      const g = new Float64Array(5);
      bowl.fg(Float64Array.from(x), g);
      v = v.map((value, i) => 0.9 * value - rate * g[i]);
      const next = clamp(
        x.map((value, i) => value + v[i]),
        lower,
        upper,
      );
      const moved = Math.max(...next.map((value, i) => Math.abs(value - x[i])));
      x = next;
      expect(step.x).toEqual(x);
      expect(step.moved).toBe(moved);
    }
  });

  it('Adam keeps its moments, and measures the step that was made', () => {
    const [rate, beta1, beta2] = [0.2, 0.9, 0.999];
    let x = clamp([...bowl.p0], lower, upper);
    let [m, v] = [x.map(() => 0), x.map(() => 0)];
    const steps = walk(adam({ learningRate: rate, ...bounds }), { ...bowl, p0: Float64Array.from(x) }, 30);
    for (const [k, step] of steps.entries()) {
      const g = new Float64Array(5);
      bowl.fg(Float64Array.from(x), g);
      m = m.map((value, i) => beta1 * value + (1 - beta1) * g[i]);
      v = v.map((value, i) => beta2 * value + (1 - beta2) * g[i] ** 2);
      const [c1, c2] = [1 - beta1 ** (k + 1), 1 - beta2 ** (k + 1)];
      const next = clamp(
        x.map((value, i) => value - (rate * (m[i] / c1)) / (Math.sqrt(v[i] / c2) + 1e-8)),
        lower,
        upper,
      );
      const moved = Math.max(...next.map((value, i) => Math.abs(value - x[i])));
      x = next;
      step.x.forEach((value, i) => expect(value).toBeCloseTo(x[i], 12));
      expect(step.moved).toBeCloseTo(moved, 12);
    }
    expect(steps.at(-1)?.x[2]).toBe(1);
  });

  it('return no average that rounding moves out of the box', () => {
    const solver = adam({ learningRate: 5, scheduleFree: true, lower: 0.3 });
    const slope: Problem = { p0: Float64Array.of(3), fg: (x, g) => (g?.fill(1), x[0]) };
    const state = started(solver, slope);
    stepFrom(solver, state, slope);
    const answer = new Float64Array(1);
    expect(solver.answer?.(state, answer)).toBe(true);
    // 3 + (0.3 − 3) is less than 0.3 in float64.
    expect(3 + (0.3 - 3)).toBeLessThan(0.3);
    expect(answer[0]).toBe(0.3);
  });

  it('never evaluate or return an average outside of the box', () => {
    for (const precision of ['float64', 'float32'] as const) {
      const solver = adam({ learningRate: 0.3, scheduleFree: true, lower: 0.1, upper: 0.7 });
      const problem = { ...fenced(bowl, Array(5).fill(0.1), Array(5).fill(0.7)), precision };
      const { x } = minimize(problem, solver, { maxIterations: 300 });
      for (const value of x) expect(value >= 0.1 && value <= 0.7).toBe(true);
    }
  });
});

describe('a sequence within bounds, on the problems of Moré, Garbow and Hillstrom', () => {
  const plan = sequence({ solver: adam({ learningRate: 0.01 }), iterations: 15 }, lbfgs());

  // The gradient of meyer is noise at its solution.
  it.each(mgh.filter(({ name }) => name !== 'mgh10_meyer'))('$name', (problem) => {
    const reach = Array.from(problem.p0, (value) => 0.3 * Math.abs(value || 1));
    const low = reach.map((value, i) => problem.p0[i] - value);
    const high = reach.map((value, i) => problem.p0[i] + value);
    const { x, f, termination } = minimize(fenced(problem, low, high), plan, {
      lower: low,
      upper: high,
      maxEvaluations: 3000,
    });
    expect(['gradientTolerance', 'precisionFloor']).toContain(termination);
    expect(projectedGradient(problem, x, low, high)).toBeLessThan(1e-7 * Math.max(1, f));
  });
});

describe('a sequence within bounds', () => {
  const first = adam({ learningRate: 0.1 });
  const stages = { solver: first, iterations: 12 };
  const both = sequence(stages, lbfgs());

  it('equals its stages run by hand', () => {
    const byHand = minimize(bowl, adam({ learningRate: 0.1, ...bounds }), { maxIterations: 12 });
    const state = byHand.state as unknown as { iterate: { x: Float64Array } };
    const rest = minimize({ ...bowl, p0: state.iterate.x.slice() }, lbfgs(bounds));
    const whole = minimize(bowl, both, bounds);
    expect([...whole.x]).toEqual([...rest.x]);
    expect(whole.trace.slice(0, 12).map(({ f }) => f)).toEqual(byHand.trace.slice(0, 12).map(({ f }) => f));
    expect(whole.trace.slice(12).map(({ f, gradientNorm }) => [f, gradientNorm])).toEqual(
      rest.trace.map(({ f, gradientNorm }) => [f, gradientNorm]),
    );
    expect(whole.method).toBe('Adam (learning rate 0.1), then L-BFGS (memory 100, Moré–Thuente)');
  });

  it.each([5, 12, 15])(
    'resumed after %i iterations, goes on bit for bit, also through JSON',
    (maxIterations) => {
      const whole = minimize(bowl, both, bounds);
      const part = minimize(bowl, both, { ...bounds, maxIterations });
      const saved = loadState(JSON.parse(JSON.stringify(saveState(part.state))));
      for (const resume of [part.state, saved]) {
        const rest = minimize(bowl, both, { ...bounds, resume });
        expect([...rest.x]).toEqual([...whole.x]);
        expect(rest.trace.map(({ f }) => f)).toEqual(whole.trace.slice(maxIterations).map(({ f }) => f));
      }
    },
  );

  it('goes on from a checkpoint that a callback takes', () => {
    let checkpoint: unknown;
    const whole = minimize(bowl, both, {
      ...bounds,
      callback: ({ iteration, state }) => void (iteration === 14 && (checkpoint = state())),
    });
    expect([...minimize(bowl, both, { ...bounds, resume: checkpoint as never }).x]).toEqual([...whole.x]);
  });

  it('does not resume a point outside of other bounds', () => {
    const { state } = minimize(bowl, both, { ...bounds, maxIterations: 14 });
    expect(() => minimize(bowl, both, { lower: 5, resume: state })).toThrow(
      'the point of the state lies outside the bounds of sequence()',
    );
  });

  it('takes the same bounds in each stage', () => {
    const given = minimize(
      bowl,
      sequence({ ...stages, solver: adam({ learningRate: 0.1, ...bounds }) }, lbfgs(bounds)),
    );
    expect([...given.x]).toEqual([...minimize(bowl, both, bounds).x]);
  });

  it('evaluates no difference outside of its bounds', async () => {
    const outside = (x: ArrayLike<number>) => Array.from(x).some((value) => !(value >= 1e-3 && value <= 2));
    // Least at x = 0.5 and, beyond its lower bound, at 0.
    const f = ([x, y]: Float64Array) => {
      if (outside([x, y])) throw new Error(`evaluated at ${x}, ${y}`);
      return x - 0.5 * Math.log(x) + Math.sqrt(y);
    };
    const { x } = minimize(finiteDifferences(f, Float64Array.of(2, 2)), both, {
      lower: 1e-3,
      upper: 2,
      gtol: 1e-5,
    });
    expect(x[0]).toBeCloseTo(0.5, 4);
    expect(x[1]).toBe(1e-3);
    const later = finiteDifferencesAsync((at) => Promise.resolve(f(at)), Float64Array.of(2, 2));
    const answered = await minimizeAsync(later, both, { lower: 1e-3, upper: 2, gtol: 1e-5 });
    expect([...answered.x]).toEqual([...x]);
    // Those of the differences themselves still hold.
    const narrow = finiteDifferences(f, Float64Array.of(1, 1), { lower: 1e-3, upper: 2 });
    expect(minimize(narrow, lbfgs({ lower: 0.01, upper: 1 }), { gtol: 1e-5 }).x[1]).toBe(0.01);
  });

  it('may stand in another sequence', () => {
    const nested = sequence({ solver: gradientDescent(), iterations: 3 }, both);
    const { x, converged } = minimize(fenced(bowl, lower, upper), nested, bounds);
    expect(converged).toBe(true);
    expect(projectedGradient(bowl, x, lower, upper)).toBeLessThan(1e-8);
  });

  it.each<[string, () => unknown]>([
    [
      'sequence: stage 1: adam has no bounds, but stage 2 has; give it the same lower and upper, or give them to the solve instead.',
      () => sequence(adam(), lbfgs({ lower: 0 })),
    ],
    [
      'sequence: stage 2: bfgs has no bounds, but stage 1 has; it cannot keep any; use auto, lbfgs',
      () => sequence(adam({ lower: 0 }), bfgs()),
    ],
    [
      'sequence: stage 2: lbfgs has other bounds than stage 1: element 1 may be in [0, 2], there in [0, 3]. Give all',
      () =>
        minimize(
          bowl,
          sequence(adam({ lower: 0, upper: [3, 3, 3, 3, 3] }), lbfgs({ lower: 0, upper: [3, 2, 3, 3, 3] })),
        ),
    ],
    [
      'minimize: stage 2 of the sequence: lower and upper: newtonCG() cannot keep x within bounds; use auto',
      () => minimize(bowl, sequence(adam(), newtonCG()), { lower: 0 }),
    ],
    [
      'minimize: stage 1 of the sequence: lower and upper: adam() has bounds of its own',
      () => minimize(bowl, sequence(adam({ lower: 0 }), lbfgs({ lower: 0 })), { lower: 0 }),
    ],
  ])('refuses: %s', (message, run) => {
    expect(run).toThrow(message);
  });
});
