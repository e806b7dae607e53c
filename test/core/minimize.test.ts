import { describe, expect, it, vi } from 'vitest';
import { minimize, minimizeAsync } from '../../src/core/minimize.ts';
import { vectorParams } from '../../src/core/paramSet.ts';
import type { Problem } from '../../src/core/problem.ts';
import type { Progress } from '../../src/core/solveOptions.ts';
import type { Iterate, Solver } from '../../src/core/solver.ts';
import { adam } from '../../src/solvers/adam.ts';
import { auto } from '../../src/solvers/auto.ts';
import { bfgs } from '../../src/solvers/bfgs.ts';
import { gradientDescent } from '../../src/solvers/gradientDescent.ts';
import { lbfgs } from '../../src/solvers/lbfgs.ts';
import { quadratic, rosenbrock } from './functions.ts';

/** The problem with parameters in memory that its objective writes, as an adapter does. */
function withParams(problem: Problem) {
  const params = vectorParams(Float64Array.from(problem.p0));
  return {
    ...problem,
    params,
    current: () => params.copyInto(params.zeros()),
    fg(x: Float64Array, gradient: Float64Array | null) {
      params.copyFrom(x);
      return problem.fg(x, gradient);
    },
  };
}

/** Goes from x to x + 1, in the one array or in two by turns. */
const walking = (leavesPoint: boolean): Solver => ({
  name: 'walking',
  descends: false,
  leavesPoint,
  describe: () => 'walking',
  init: ({ n }) => ({
    x: new Float64Array(n),
    gradient: new Float64Array(n),
    f: NaN,
    other: new Float64Array(n),
  }),
  *step(iterate) {
    const state = iterate as Iterate & { other: Float64Array };
    const next = leavesPoint ? state.other : state.x;
    next[0] = state.x[0] + 1;
    state.f = yield { kind: 'evaluate', x: next, gradient: state.gradient };
    [state.x, state.other] = [next, leavesPoint ? state.x : state.other];
    return { kind: 'accepted', alpha: 1, moved: 1 };
  },
});

describe('minimize', () => {
  it('takes at most 45 evaluations of L-BFGS to bring Rosenbrock to 1e-8', () => {
    const { trace } = minimize(rosenbrock(), lbfgs());
    const reached = trace.find(({ f }) => f <= 1e-8);
    expect(reached?.evaluations).toBeLessThanOrEqual(45);
  });

  it('returns the best point, and leaves it in the parameters', () => {
    const problem = withParams(rosenbrock());
    const p0 = Float64Array.from(problem.p0);
    const result = minimize(problem, bfgs());
    expect(result.converged).toBe(true);
    expect(result.f).toBe(problem.fg(result.x, null));
    expect(problem.current()).toEqual(result.x);
    expect(problem.p0).toEqual(p0);
  });

  it('returns the best point of a method whose last point is a worse one', () => {
    const seen: number[] = [];
    const problem = withParams(quadratic([1, 30]));
    const result = minimize(problem, adam({ learningRate: 0.7 }), {
      callback({ f }) {
        seen.push(f);
        return f > Math.min(...seen); // stops as soon as f rises
      },
    });
    expect(result.f).toBe(Math.min(...seen));
    expect(seen.at(-1)).toBeGreaterThan(result.f);
    expect(problem.current()).toEqual(result.x);
  });

  describe.each([true, false])('where f rises on the way, leavesPoint %s', (leavesPoint) => {
    const values = [5, 3, 4, 2, 6, 7];
    const problem = withParams({
      p0: Float64Array.of(0),
      fg(x, gradient) {
        gradient?.fill(1);
        return values[x[0]];
      },
    });
    const run = (callback: (progress: Progress) => boolean) =>
      minimize(problem, walking(leavesPoint), { callback });

    it.each([
      [2, 1],
      [5, 3],
    ])('stopped at %d returns the best point, %d', (at, best) => {
      const result = run(({ iteration }) => iteration === at);
      expect(result).toMatchObject({ x: Float64Array.of(best), f: values[best] });
      expect(problem.current()).toEqual(result.x);
    });

    it('thrown out of leaves the best point in the parameters', () => {
      const callback = ({ iteration }: Progress) => {
        if (iteration === 4) throw new Error('enough');
        return false;
      };
      expect(() => run(callback)).toThrow('enough');
      expect(problem.current()).toEqual(Float64Array.of(3));
    });
  });

  it('counts evaluations exactly', () => {
    const { fg, p0 } = rosenbrock();
    const counted = vi.fn<Problem['fg']>(fg);
    const { evaluations, trace } = minimize({ p0, fg: counted }, lbfgs());
    expect(evaluations.f).toBe(counted.mock.calls.length);
    expect(evaluations.gradient).toBe(counted.mock.calls.filter(([, gradient]) => gradient !== null).length);
    expect(trace.at(-1)?.evaluations).toBe(evaluations.f);
  });
});

function downhill([x]: Float64Array, gradient: Float64Array | null) {
  gradient?.set([-Math.exp(x)]);
  return -Math.exp(x);
}

describe('terminations', () => {
  const cases: [string, () => ReturnType<typeof minimize>, boolean][] = [
    ['gradientTolerance', () => minimize(rosenbrock(), lbfgs()), true],
    ['gradientTolerance', () => minimize(quadratic([1]), bfgs(), { gtol: 0, gRel: 0.5 }), true],
    ['functionTolerance', () => minimize(rosenbrock(), gradientDescent(), { ftol: 0.5 }), true],
    ['stepTolerance', () => minimize(rosenbrock(), gradientDescent(), { xtol: 0.5 }), true],
    ['maxIterations', () => minimize(rosenbrock(), lbfgs(), { maxIterations: 3 }), false],
    ['maxEvaluations', () => minimize(rosenbrock(), lbfgs(), { maxEvaluations: 7 }), false],
    [
      'callback',
      () => minimize(rosenbrock(), lbfgs(), { callback: ({ iteration }) => iteration === 4 }),
      false,
    ],
    ['unbounded', () => minimize({ p0: Float64Array.of(1), fg: downhill }, lbfgs()), false],
  ];
  it.each(cases)('minimize ends with the termination %s', (termination, run, converged) => {
    const result = run();
    expect(result.termination).toBe(termination);
    expect(result.converged).toBe(converged);
    expect(result.message).toMatch(/^[\p{L}].*\.$/u);
  });

  it('makes no iteration where the gradient is zero, after a look at f around', () => {
    const result = minimize({ ...quadratic([1, 2]), p0: Float64Array.of(1, 1) }, auto());
    expect(result).toMatchObject({ iterations: 0, converged: true });
    expect(result.evaluations.f).toBeLessThan(20);
  });

  it('never exceeds maxEvaluations', () => {
    for (let limit = 1; limit < 20; limit++) {
      const result = minimize(rosenbrock(), lbfgs(), { maxEvaluations: limit });
      expect(result.evaluations.f).toBe(limit);
      expect(result.f).toBeLessThanOrEqual(24.2);
    }
  });

  it('keeps to maxTime', () => {
    const slow: Problem = {
      ...rosenbrock(),
      fg(x, gradient) {
        const end = performance.now() + 5;
        while (performance.now() < end);
        return rosenbrock().fg(x, gradient);
      },
    };
    const result = minimize(slow, lbfgs(), { maxTime: 0.03 });
    expect(result.termination).toBe('maxTime');
    expect(result.elapsed).toBeLessThan(1);
  });

  it('ends with nonFinite where Adam runs into NaN, and returns the last finite point', () => {
    const problem = withParams({
      p0: Float64Array.of(1),
      fg([x], gradient) {
        gradient?.set([1]);
        return x > 0 ? x : NaN;
      },
    });
    const result = minimize(problem, adam({ learningRate: 0.3 }));
    expect(result.termination).toBe('nonFinite');
    expect(result.x[0]).toBeGreaterThan(0);
    expect(problem.current()).toEqual(result.x);
  });

  it.each([adam({ learningRate: 0.1 }), lbfgs()])(
    'ends $name with nonFinite where a mini-batch is NaN, and returns the last point that had a loss',
    (solver) => {
      let batch = 0;
      const problem = withParams({
        p0: Float64Array.of(3, 3),
        nextBatch: () => {
          batch++;
        },
        fg(x, gradient) {
          gradient?.set(x.map((value) => (batch === 4 ? NaN : 4 * (value + batch) ** 3)));
          return batch === 4 ? NaN : x.reduce((sum, value) => sum + (value + batch) ** 4, 0);
        },
      });
      const result = minimize(problem, solver);
      expect([result.termination, result.iterations]).toEqual(['nonFinite', 3]);
      batch = 3;
      expect(problem.fg(result.x, null)).toBe(result.f);
      expect(problem.current()).toEqual(result.x);
    },
  );
});

describe('bad input', () => {
  const bad: [string, Problem, RegExp][] = [
    ['an empty start', { p0: new Float64Array(0), fg: () => 0 }, /p0 is empty/],
    ['NaN in the start', { ...rosenbrock(), p0: Float64Array.of(0, NaN) }, /p0\[1\] is NaN/],
    ['Infinity in the start', { ...rosenbrock(), p0: Float64Array.of(-Infinity, 0) }, /p0\[0\] is -Infinity/],
    ['a loss of NaN at the start', { p0: Float64Array.of(1), fg: () => NaN }, /f\(p0\) is NaN/],
    [
      'a gradient of NaN at the start',
      { p0: Float64Array.of(1, 2), fg: (_x, gradient) => (gradient?.set([0, NaN]), 1) },
      /element 1 of the gradient at p0 is NaN/,
    ],
    [
      'an array as start',
      { ...rosenbrock(), p0: [1, 2] as never },
      /p0 must be a Float64Array, got Array\(2\)/,
    ],
    [
      'a loss that is no number',
      { p0: Float64Array.of(1), fg: () => '3' as never },
      /must return a number, got "3"/,
    ],
    [
      'a gradient not written',
      { p0: Float64Array.of(1, 2), fg: (x) => x[0] ** 2 + x[1] ** 2 },
      /element 0 of the gradient at p0 is NaN; fg must set every element/,
    ],
    [
      'a gradient added to what was there',
      {
        p0: Float64Array.of(1),
        fg: (x, gradient) => {
          if (gradient) gradient[0] += 2 * x[0];
          return x[0] ** 2;
        },
      },
      /element 0 of the gradient at p0 is NaN; fg must set every element/,
    ],
    ['no function', { p0: Float64Array.of(1) } as never, /problem must be an object \{ p0, fg \}/],
  ];

  it.each(bad)('%s is refused in words', async (_what, problem, message) => {
    expect(() => minimize(problem, lbfgs())).toThrow(message);
    await expect(minimizeAsync(problem, lbfgs())).rejects.toThrow(message);
  });

  it('a promise is refused where nobody waits for it', () => {
    const problem: Problem = { p0: Float64Array.of(1), fg: () => Promise.resolve(1) as never };
    expect(() => minimize(problem, lbfgs())).toThrow(/returned a Promise\. .* ends in Async awaits it/);
    expect(() => minimize(problem, lbfgs(), { transform: 'log' })).toThrow(/returned a Promise/);
  });

  it('an asynchronous callback is refused where nobody waits: its answer would stop nothing', () => {
    const callback = (async () => true) as never;
    expect(() => minimize(rosenbrock(), lbfgs(), { callback })).toThrow(
      /callback must be synchronous here; it returned a Promise/,
    );
  });

  it('an asynchronous callback is awaited before the run goes on', async () => {
    const order: string[] = [];
    const problem = rosenbrock();
    const result = await minimizeAsync(
      { ...problem, fg: (x, g) => (order.push('fg'), problem.fg(x, g)) },
      lbfgs(),
      {
        async callback({ iteration }) {
          await new Promise((resolve) => setTimeout(resolve, 1));
          order.push(`callback ${iteration}`);
          return iteration === 2;
        },
        transform: 'log',
      },
    );
    expect(result.termination).toBe('callback');
    expect(result.iterations).toBe(2);
    expect(order.filter((word) => word !== 'fg')).toEqual(['callback 0', 'callback 1', 'callback 2']);
    expect(order.at(-1)).toBe('callback 2');
    await expect(
      minimizeAsync(rosenbrock(), lbfgs(), { callback: () => Promise.reject(new Error('disk full')) }),
    ).rejects.toThrow('disk full');
  });

  it('names the function that was called', async () => {
    const wrong = { gtol: -1 };
    expect(() => minimize(rosenbrock(), lbfgs(), wrong)).toThrow('minimize: gtol: must be');
    await expect(minimizeAsync(rosenbrock(), lbfgs(), wrong)).rejects.toThrow('minimizeAsync: gtol: must be');
  });

  it('takes a transform by its name, and no other word', () => {
    for (const transform of ['none', 'log', 'sqrt'] as const) {
      expect(minimize(rosenbrock(), lbfgs(), { transform }).converged).toBe(true);
    }
    expect(() => minimize(rosenbrock(), lbfgs(), { transform: 'root' as never })).toThrow(
      new RangeError(`minimize: transform: must be 'none' or 'log' or 'sqrt', got "root".`),
    );
  });

  it('refuses a callback that writes into the point', async () => {
    const callback = ({ x }: Progress): void => void (x[1] = 7);
    const message = /callback wrote into x \(element 1 was .* and is 7\)/;
    expect(() => minimize(rosenbrock(), lbfgs(), { callback })).toThrow(message);
    await expect(minimizeAsync(rosenbrock(), lbfgs(), { callback })).rejects.toThrow(message);
  });

  it('leaves the parameters as they were where the start is refused', () => {
    const problem = withParams({ p0: Float64Array.of(1, 2), fg: () => NaN });
    expect(() => minimize(problem, lbfgs())).toThrow(RangeError);
    expect(problem.current()).toEqual(Float64Array.of(1, 2));
  });

  it('is refused if the solver is not one', () => {
    expect(() => minimize(rosenbrock(), lbfgs as never)).toThrow(/solver must be a solver such as lbfgs\(\)/);
    expect(() => minimize(rosenbrock(), lbfgs(), null as never)).toThrow(
      /minimize: options must be an object, got null/,
    );
  });

  it('names the tensor that holds a bad element', () => {
    const params = vectorParams(Float64Array.of(1, 2), {
      length: 2,
      tensors: [
        { name: 'kernel', shape: [1], offset: 0, size: 1 },
        { name: 'bias', shape: [1], offset: 1, size: 1 },
      ],
    });
    const problem = { p0: Float64Array.of(1, NaN), params, fg: () => 1 };
    expect(() => minimize(problem, lbfgs())).toThrow(/p0\[1\] \(of "bias"\) is NaN/);
  });
});

describe('errors leave unchanged, and the parameters hold the best point', () => {
  const failure = new Error('the objective broke');

  it('errors leave unchanged, and the parameters hold the best point from the objective, in the middle of a line search', async () => {
    for (let limit = 2; limit < 12; limit++) {
      let calls = 0;
      const problem = withParams(rosenbrock());
      const breaking = {
        ...problem,
        fg(x: Float64Array, gradient: Float64Array | null) {
          problem.params.copyFrom(x);
          if (++calls === limit) throw failure;
          return problem.fg(x, gradient);
        },
      };
      let best = { f: Infinity, x: new Float64Array(2) };
      const callback = ({ f, x }: { f: number; x: Float64Array }) => {
        if (f < best.f) best = { f, x: Float64Array.from(x) };
      };
      expect(() => minimize(breaking, lbfgs(), { callback })).toThrow(failure);
      expect(problem.current()).toEqual(best.x);
      calls = 0;
      const later = { ...breaking, fg: async (...args: Parameters<Problem['fg']>) => breaking.fg(...args) };
      await expect(minimizeAsync(later, lbfgs())).rejects.toBe(failure);
      expect(problem.current()).toEqual(best.x);
    }
  });

  it('errors leave unchanged, and the parameters hold the best point from the callback', () => {
    const problem = withParams(rosenbrock());
    const last = new Float64Array(2);
    const callback = ({ iteration, x }: { iteration: number; x: Float64Array }) => {
      last.set(x);
      if (iteration === 5) throw failure;
    };
    expect(() => minimize(problem, lbfgs(), { callback })).toThrow(failure);
    expect(problem.current()).toEqual(last);
  });

  it('errors leave unchanged, and the parameters hold the best point from a signal, before and during the run', async () => {
    const reason = new Error('enough');
    const problem = withParams(rosenbrock());
    expect(() => minimize(problem, lbfgs(), { signal: AbortSignal.abort(reason) })).toThrow(reason);
    expect(problem.current()).toEqual(problem.p0);

    const controller = new AbortController();
    const callback = ({ iteration }: { iteration: number }) => {
      if (iteration === 3) controller.abort(reason);
    };
    const run = minimizeAsync(problem, lbfgs(), { signal: controller.signal, callback });
    await expect(run).rejects.toBe(reason);
    expect(problem.fg(problem.current(), null)).toBeLessThan(24.2);
  });
});

describe('sync and async', () => {
  it.each([lbfgs(), bfgs(), gradientDescent(), adam({ learningRate: 0.05 }), auto()])(
    'give the same trace bit for bit: $name',
    async (solver) => {
      const options = { maxIterations: 60 };
      const { p0, fg } = rosenbrock();
      const now = minimize({ p0, fg }, solver, options);
      const later = await minimizeAsync({ p0, fg: async (x, gradient) => fg(x, gradient) }, solver, options);
      const numbers = ({ trace }: typeof now) => trace.map((entry) => ({ ...entry, elapsed: 0 }));
      expect(numbers(later)).toEqual(numbers(now));
      expect(later.x).toEqual(now.x);
    },
  );
});

describe('trace and report', () => {
  it('stores the start and every iteration, or nothing', () => {
    const { trace, iterations } = minimize(rosenbrock(), lbfgs());
    expect(trace.map(({ iteration }) => iteration)).toEqual(
      Array.from({ length: iterations + 1 }, (_, i) => i),
    );
    expect(minimize(rosenbrock(), lbfgs(), { storeTrace: false })).toMatchObject({ trace: [], iterations });
  });

  it('prints every showEvery-th iteration', () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    minimize(rosenbrock(), lbfgs(), { showTrace: true, showEvery: 10, maxIterations: 25 });
    const lines = log.mock.calls.map(([line]) => String(line));
    log.mockRestore();
    expect(lines[0]).toMatch(/Iteration +Function value +Gradient norm/);
    expect(lines.slice(1).map((line) => Number.parseInt(line, 10))).toEqual([0, 10, 20]);
  });

  it('reads as a report', () => {
    const report = String(minimize(rosenbrock(), lbfgs({ memory: 7 })));
    expect(report).toMatch(/\* Status: success\n +The gradient norm fell below its tolerance/);
    expect(report).toMatch(/Method: +L-BFGS \(memory 7, Moré–Thuente\)/);
    expect(report).toMatch(/‖∇f\(x\)‖∞ += \d\.\d+e-\d+ ≤ 1\.00e-8/);
    expect(report).toMatch(/f\(x\) calls: +\d+/);
    expect(String(minimize(rosenbrock(), lbfgs(), { maxIterations: 2 }))).toMatch(
      /Status: stopped\n.*iteration limit/,
    );
  });

  it('keeps the report out of the data', () => {
    const result = minimize(rosenbrock(), lbfgs());
    expect(Object.keys(result)).not.toContain('toString');
    expect(JSON.parse(JSON.stringify(result))).toMatchObject({ converged: true });
  });
});

describe('auto', () => {
  it('is dense for few unknowns and limited-memory for many', () => {
    expect(minimize(quadratic([1, 2]), auto()).method).toMatch(/^BFGS .*chosen for n = 2/);
    const many = Array.from({ length: 2001 }, (_, i) => 1 + i);
    expect(minimize(quadratic(many), auto()).method).toMatch(/^L-BFGS .*chosen for n = 2001/);
  });
});
