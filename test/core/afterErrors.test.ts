import { describe, expect, it } from 'vitest';
import { checkGradient } from '../../src/core/checkGradient.ts';
import { minimize, minimizeAsync } from '../../src/core/minimize.ts';
import { vectorParams } from '../../src/core/paramSet.ts';
import { adam } from '../../src/solvers/adam.ts';
import { auto } from '../../src/solvers/auto.ts';
import { bfgs } from '../../src/solvers/bfgs.ts';
import { conjugateGradient } from '../../src/solvers/conjugateGradient.ts';
import { gradientDescent } from '../../src/solvers/gradientDescent.ts';
import { lbfgs } from '../../src/solvers/lbfgs.ts';
import { levenbergMarquardt } from '../../src/solvers/levenbergMarquardt.ts';
import { newtonCG } from '../../src/solvers/newtonCG.ts';
import { owlqn } from '../../src/solvers/owlqn.ts';
import { sequence } from '../../src/solvers/sequence.ts';
import { slbfgs } from '../../src/solvers/slbfgs.ts';
import { soap } from '../../src/solvers/soap.ts';
import { ssbfgs } from '../../src/solvers/ssbfgs.ts';
import { ssbroyden } from '../../src/solvers/ssbroyden.ts';
import type { Problem } from '../../src/core/problem.ts';
import type { RunState } from '../../src/core/runState.ts';
import type { Solver } from '../../src/core/solver.ts';

const solvers: Record<string, () => Solver> = {
  auto,
  lbfgs,
  'lbfgs with bounds': () => lbfgs({ lower: -1.5, upper: 1 }),
  bfgs,
  ssbfgs,
  ssbroyden,
  conjugateGradient,
  gradientDescent,
  'gradientDescent at a rate': () => gradientDescent({ learningRate: 1e-3 }),
  adam: () => adam({ learningRate: 0.1 }),
  'schedule-free adam': () => adam({ learningRate: 0.1, scheduleFree: true }),
  soap: () => soap({ learningRate: 0.1 }),
  newtonCG,
  owlqn: () => owlqn({ l1: 1e-3 }),
  levenbergMarquardt,
  sequence: () => sequence({ solver: adam({ learningRate: 0.1 }), iterations: 3 }, lbfgs()),
  'lbfgs in float32': lbfgs,
};

const onBatches: Record<string, () => Solver> = {
  slbfgs,
  adam: () => adam({ learningRate: 0.1 }),
  'schedule-free adam': () => adam({ learningRate: 0.1, scheduleFree: true }),
  soap: () => soap({ learningRate: 0.1 }),
  gradientDescent: () => gradientDescent({ learningRate: 1e-3 }),
};

class Failure extends Error {}

/** Rosenbrock's function as a sum of squares; each method throws at the call of this number, counted over all methods. */
function failing(at: number, batches: boolean) {
  const held = Float64Array.of(-1.2, 1);
  const params = vectorParams(held);
  const failure = new Failure(`call ${at}`);
  let calls = 0;
  const called = (x: Float64Array) => {
    params.copyFrom(x);
    if (++calls === at) throw failure;
  };
  const problem: Problem = {
    p0: Float64Array.from(held),
    params,
    residualCount: 2,
    fg(x, gradient) {
      called(x);
      const [a, b] = x;
      gradient?.set([-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)]);
      return (1 - a) ** 2 + 100 * (b - a * a) ** 2;
    },
    residuals(x, r, jacobian) {
      called(x);
      const [a, b] = x;
      r.set([1 - a, 10 * (b - a * a)]);
      jacobian?.set([-1, 0, -20 * a, 10]);
    },
    hessianVector(x, v, product) {
      called(x);
      const [a, b] = x;
      product.set([(2 - 400 * b + 1200 * a * a) * v[0] - 400 * a * v[1], -400 * a * v[0] + 200 * v[1]]);
    },
    ...(batches && {
      nextBatch() {
        if (++calls === at) throw failure;
      },
    }),
  };
  return { held, problem, failure };
}

/** The lowest point that a callback has seen, or the last. */
function watching(p0: Float64Array, last: boolean) {
  const seen = { x: Float64Array.from(p0), f: Infinity };
  return {
    seen,
    callback: ({ x, f }: { readonly x: Float64Array; readonly f: number }): void => {
      if (!last && f >= seen.f) return;
      seen.x = Float64Array.from(x);
      seen.f = f;
    },
  };
}

describe.each([
  ['fixed data', false],
  ['mini-batches', true],
] as const)('after an error on %s', (_, batches) => {
  const all = Object.entries(batches ? onBatches : solvers);
  it.each(all)('the parameters are those of the best point that %s had accepted', async (_name, make) => {
    for (const run of [minimize, minimizeAsync]) {
      const [left, accepted]: number[][][] = [[], []];
      for (let at = 1; at <= 40; at++) {
        const { held, problem, failure } = failing(at, batches);
        const { seen, callback } = watching(problem.p0, batches);
        const call = async () => run(problem, make(), { callback, maxIterations: 200 });
        const outcome = await call().catch((error: unknown) => error);
        if (outcome !== failure) continue; // the run has ended before
        left.push(Array.from(held));
        accepted.push(Array.from(seen.x));
      }
      expect(left.length).toBeGreaterThan(15);
      expect(left).toEqual(accepted);
    }
  });

  it.each(all)('of a callback, they are those of the best point that %s has shown it', (_name, make) => {
    for (let at = 0; at < 5; at++) {
      const { held, problem, failure } = failing(0, batches);
      const { seen, callback } = watching(problem.p0, batches);
      const call = () =>
        minimize(problem, make(), {
          callback(progress) {
            callback(progress);
            if (progress.iteration === at) throw failure;
          },
        });
      expect(call).toThrow(failure);
      expect([at, ...held]).toEqual([at, ...seen.x]);
    }
  });
});

describe.each([
  ['fixed data', false],
  ['mini-batches', true],
] as const)('on %s', (_, batches) => {
  const make = () => (batches ? adam({ learningRate: 0.1 }) : lbfgs());

  it.each([1, 2, 5, 6, 9])('an abort during evaluation %i leaves the point accepted', async (at) => {
    for (const run of [minimize, minimizeAsync]) {
      const { held, problem } = failing(0, batches);
      const { seen, callback } = watching(problem.p0, batches);
      const controller = new AbortController();
      const reason = { why: 'a reason need not be an Error' };
      let evaluations = 0;
      const fg: Problem['fg'] = (x, gradient) => {
        if (++evaluations === at) controller.abort(reason);
        return problem.fg(x, gradient);
      };
      const call = async () => run({ ...problem, fg }, make(), { callback, signal: controller.signal });
      await expect(call()).rejects.toBe(reason);
      expect(Array.from(held)).toEqual(Array.from(seen.x));
    }
  });

  it('an error of the validation loss leaves the point that it was computed at, or a lower one', () => {
    for (let at = 1; at <= 6; at++) {
      const { held, problem, failure } = failing(0, batches);
      const accepted: number[][] = [];
      const validation = {
        problem: {
          fg(x: Float64Array): number {
            accepted.push(Array.from(x));
            if (accepted.length === at) throw failure;
            return x[0];
          },
        },
      };
      expect(() => minimize(problem, make(), { validation })).toThrow(failure);
      expect(accepted.slice(batches ? -1 : 0)).toContainEqual(Array.from(held));
    }
  });

  it('a run goes on from the state that its callback has kept before an error', () => {
    const { problem, failure } = failing(15, batches);
    let state: RunState | undefined;
    expect(() =>
      minimize(problem, make(), { callback: (progress) => void (state = progress.state()) }),
    ).toThrow(failure);
    const { iterations } = minimize(problem, make(), { resume: state, maxIterations: 3 });
    expect(iterations).toBe(3);
  });
});

describe('parameters that cannot be put back after an error', () => {
  const broken = (failure: unknown): Problem => {
    const params = vectorParams(Float64Array.of(-1.2, 1));
    return {
      p0: Float64Array.of(-1.2, 1),
      params: {
        ...params,
        copyFrom() {
          throw new RangeError('"w" is disposed.');
        },
      },
      fg(x) {
        params.copyFrom([5, 5]);
        if (x !== null) throw failure;
        return 0;
      },
    };
  };

  it.each([
    ['minimize', (problem: Problem) => minimize(problem, lbfgs())],
    ['checkGradient', (problem: Problem) => checkGradient(problem)],
  ])('of %s are told in one message with the error, which is its cause', (_, call) => {
    const failure = new Failure('no data');
    let caught: unknown;
    try {
      call(broken(failure));
    } catch (error) {
      caught = error;
    }
    expect(caught).toMatchObject({
      message: 'Error: no data\nThe parameters could not be put back: RangeError: "w" is disposed.',
      cause: failure,
    });
  });

  it('may follow an abort whose reason is no Error', () => {
    const problem = broken(undefined);
    expect(() => minimize(problem, lbfgs())).toThrow(/^undefined\nThe parameters could not be put back: /);
  });
});
