import { describe, expect, it } from 'vitest';
import {
  adam,
  layoutOf,
  lbfgs,
  minimize,
  runSync,
  sequence,
  soap,
  warmup,
  type Iterate,
  type Problem,
  type Solver,
} from 'quasi-newton';
import { inside } from './internals.ts';
import { problemOf, weight } from './soap/oracle.ts';
import type { Averaging } from '../../src/solvers/scheduleFree.ts';

/** State of Adam or SOAP. */
type FreeState = Iterate & { readonly averaging: Averaging | null };

const layout = layoutOf([weight(4, 5), { name: 'b', shape: [3] }]);
const rate = warmup({ steps: 4, after: 0.03 });
const common = { learningRate: rate, beta2: 0.9, epsilon: 1e-3 };

/** Schedule-free solvers, and the same without averaging and momentum, at a rate of 1: their steps are the directions. */
const cases: [string, Solver, Solver, number, number][] = [
  ['adam', adam({ ...common, scheduleFree: true }), adam({ ...common, beta1: 0, learningRate: 1 }), 0.9, 0],
  [
    'adam with weight decay and another beta1',
    adam({ ...common, beta1: 0.6, weightDecay: 0.2, clipNorm: 3, scheduleFree: true }),
    adam({ ...common, beta1: 0, clipNorm: 3, learningRate: 1 }),
    0.6,
    0.2,
  ],
  [
    'soap',
    soap({ ...common, frequency: 3, scheduleFree: true }),
    soap({ ...common, frequency: 3, beta1: 0, learningRate: 1 }),
    0.9,
    0,
  ],
  [
    'soap with weight decay',
    soap({ ...common, beta1: 0.7, weightDecay: 0.2, scheduleFree: true }),
    soap({ ...common, beta1: 0, learningRate: 1 }),
    0.7,
    0.2,
  ],
];

function start(solver: Solver, { p0, fg }: Problem, precision: 'float64' | 'float32' = 'float64') {
  const state = inside<FreeState>(solver.init({ n: p0.length, precision, layout }));
  state.x.set(p0);
  state.f = fg(state.x, state.gradient);
  return state;
}

const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
};

describe.each(cases)('schedule-free %s', (_name, solver, plain, beta, decay) => {
  const problem = problemOf(layout);
  const { p0, fg } = problem;

  it('takes the steps of Algorithm 1', () => {
    const state = start(solver, problem);
    const directions = start(plain, problem);
    let z = p0.slice();
    let average = p0.slice();
    let weights = 0;
    for (let t = 0; t < 25; t++) {
      const y = z.map((value, i) => (1 - beta) * value + beta * average[i]);
      expect(farthest(state.x, y)).toBeLessThan(1e-12);
      // The direction at y, from a solver that is told nothing but gradients there.
      directions.x.set(y);
      fg(y, directions.gradient);
      runSync(plain.step(directions), problem);
      const direction = y.map((value, i) => value - directions.x[i]);
      const gamma = rate(t);
      z = z.map((value, i) => value - gamma * direction[i] - gamma * decay * y[i]);
      weights += gamma ** 2;
      const c = gamma ** 2 / weights;
      average = average.map((value, i) => (1 - c) * value + c * z[i]);
      runSync(solver.step(state), problem);
      const answer = new Float64Array(p0.length);
      solver.answer!(state, answer);
      expect(farthest(answer, average)).toBeLessThan(1e-12);
    }
  });

  it('goes on from a clone of its state to the last bit', () => {
    const straight = start(solver, problem);
    let cloned = start(solver, problem);
    for (let t = 0; t < 12; t++) {
      runSync(solver.step(straight), problem);
      cloned = structuredClone(cloned);
      runSync(solver.step(cloned), problem);
      expect(cloned).toEqual(straight);
    }
  });

  it('returns the average of mini-batches, with f there, after one more evaluation', () => {
    const seen: Float64Array[] = [];
    const batches: Problem = {
      ...problem,
      nextBatch() {},
      fg(x, gradient) {
        seen.push(x.slice());
        return fg(x, gradient);
      },
    };
    const result = minimize(batches, solver, { maxIterations: 20 });
    const state = start(solver, problem);
    for (let t = 0; t < 20; t++) runSync(solver.step(state), problem);
    const answer = new Float64Array(p0.length);
    solver.answer!(state, answer);
    expect(result.x).toEqual(answer);
    expect(result.f).toBe(fg(answer, null));
    expect(seen.at(-1)).toEqual(answer);
    expect(result.evaluations.f).toBe(22);
    expect(farthest(answer, state.x)).toBeGreaterThan(1e-6);
  });

  it('returns the lowest point where f does not change', () => {
    const values: number[] = [];
    const counted: Problem = {
      ...problem,
      fg(x, gradient) {
        values.push(fg(x, gradient));
        return values.at(-1)!;
      },
    };
    const result = minimize(counted, solver, { maxIterations: 30 });
    expect(result.f).toBe(Math.min(...values));
    expect(result.f).toBe(fg(result.x, null));
  });

  it('shifts its points along where somebody else moves the iterate', () => {
    const state = start(solver, problem);
    for (let t = 0; t < 5; t++) runSync(solver.step(state), problem);
    const { base, average } = structuredClone(state.averaging!);
    const answer = new Float64Array(p0.length);
    state.x[2] += 0.25;
    state.gradient.fill(0);
    runSync(solver.step(state), { ...problem, fg: (_x, g) => (g?.fill(0), 0) });
    solver.answer!(state, answer);
    const shift = base.map((value: number, i: number) => state.averaging!.base[i] - value);
    // With no gradient, weight decay alone moves the others.
    expect(Math.abs(shift[2] - 0.25)).toBeLessThan(0.02);
    expect(average[2]).toBeLessThan(answer[2]);
  });

  it('has no other answer than the iterate before its first step, and in float32 with numbers of float32', () => {
    const state = start(solver, problem, 'float32');
    state.x.set(state.x.map(Math.fround));
    const answer = new Float64Array(p0.length);
    expect(solver.answer!(state, answer)).toBe(false);
    for (let t = 0; t < 5; t++) runSync(solver.step(state), problem);
    expect(solver.answer!(state, answer)).toBe(true);
    expect(answer).toEqual(answer.map(Math.fround));
    expect(state.x).toEqual(state.x.map(Math.fround));
  });
});

describe('schedule-free solvers', () => {
  it('hand the average to the next stage of a sequence', () => {
    const problem = problemOf(layout);
    const points: Float64Array[] = [];
    const watched: Problem = { ...problem, fg: (x, g) => (points.push(x.slice()), problem.fg(x, g)) };
    const first = adam({ ...common, scheduleFree: true });
    const state = start(first, problem);
    for (let t = 0; t < 8; t++) runSync(first.step(state), problem);
    const answer = new Float64Array(problem.p0.length);
    first.answer!(state, answer);
    const both = sequence({ solver: first, iterations: 8 }, lbfgs());
    expect(minimize(watched, both, { maxIterations: 80 }).converged).toBe(true);
    expect(points[9]).toEqual(answer);
    // Its last stage answers by itself.
    const ends = sequence({ solver: lbfgs(), iterations: 2 }, first);
    const result = minimize({ ...problem, nextBatch() {} }, ends, { maxIterations: 10 });
    expect(result.f).toBe(problem.fg(result.x, null));
  });

  it('stay where they begin while the rate is 0', () => {
    const problem = problemOf(layout);
    for (const make of [adam, soap]) {
      const solver = make({ learningRate: (t: number) => (t < 2 ? 0 : 0.1), scheduleFree: true });
      const state = start(solver, problem);
      for (let t = 0; t < 2; t++) runSync(solver.step(state), problem);
      expect(farthest(state.x, problem.p0)).toBeLessThan(1e-15);
      runSync(solver.step(state), problem);
      expect(farthest(state.x, problem.p0)).toBeGreaterThan(0.05);
    }
  });

  it('need no horizon: on noise, the average is nearer to the minimum than what a constant rate ends with', () => {
    let seed = 1;
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5;
    const noisy = (): Problem => {
      seed = 1;
      return {
        p0: new Float64Array(6).fill(1),
        nextBatch() {},
        fg(x, gradient) {
          gradient?.set(x.map((value, i) => (i + 1) * value + 2 * random()));
          return x.reduce((sum, value, i) => sum + ((i + 1) * value ** 2) / 2, 0);
        },
      };
    };
    const limits = { maxIterations: 2000, gtol: 0 };
    const options = { learningRate: 0.05 };
    for (const make of [adam, soap]) {
      const plain = minimize(noisy(), make(options), limits).f;
      const free = minimize(noisy(), make({ ...options, scheduleFree: true }), limits).f;
      expect(free).toBeLessThan(plain / 3);
    }
  });

  it('schedule-free solvers say in their description that they are schedule-free', () => {
    expect(adam({ scheduleFree: true, learningRate: 0.1 }).describe(1)).toBe(
      'schedule-free Adam (learning rate 0.1)',
    );
    expect(soap({ scheduleFree: true, learningRate: 0.1 }).describe(1)).toBe(
      'schedule-free SOAP (learning rate 0.1)',
    );
    expect(() => adam({ scheduleFree: 1 as unknown as boolean })).toThrow(
      /scheduleFree: must be true or false/,
    );
  });
});
