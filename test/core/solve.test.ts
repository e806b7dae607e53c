import { describe, expect, it, vi } from 'vitest';
import { minimize } from '../../src/core/minimize.ts';
import { vectorParams } from '../../src/core/paramSet.ts';
import { adam } from '../../src/solvers/adam.ts';
import { bfgs } from '../../src/solvers/bfgs.ts';
import { conjugateGradient } from '../../src/solvers/conjugateGradient.ts';
import { lbfgs } from '../../src/solvers/lbfgs.ts';
import { newtonCG } from '../../src/solvers/newtonCG.ts';
import { soap } from '../../src/solvers/soap.ts';
import type { Problem } from '../../src/core/problem.ts';
import type { RunState } from '../../src/core/runState.ts';
import type { Progress, SolveOptions } from '../../src/core/solveOptions.ts';
import type { Solver } from '../../src/core/solver.ts';
import { bowl, failed, scripted, type Move } from './scripted.ts';

describe('a solve', () => {
  it('traces the start and each step, with what was spent up to there', () => {
    const { solver } = scripted([
      [2, 0],
      [1, 0],
    ]);
    const result = minimize(bowl, solver, { maxIterations: 2 });
    const elapsed = expect.any(Number) as number;
    expect(result.trace).toEqual([
      { iteration: 0, f: 10, gradientNorm: 4, alpha: 0, evaluations: 1, elapsed },
      { iteration: 1, f: 2, gradientNorm: 2, alpha: 0.5, evaluations: 2, elapsed },
      { iteration: 2, f: 0.5, gradientNorm: 1, alpha: 0.5, evaluations: 3, elapsed },
    ]);
    expect(result).toMatchObject({
      termination: 'maxIterations',
      iterations: 2,
      f: 0.5,
      gradientNorm: 1,
      method: 'Scripted in 2',
      evaluations: { f: 3, gradient: 3, hessianVector: 0, jacobianVector: 0, vectorJacobian: 0 },
    });
    expect([...result.x]).toEqual([1, 0]);
    expect(result.trace.every(({ elapsed }, k) => elapsed >= (result.trace[k - 1]?.elapsed ?? 0))).toBe(true);
  });

  it('tells the solver what the problem can', () => {
    const { solver, settings } = scripted(['stay']);
    const options = { maxIterations: 0 };
    const more = {
      ...bowl,
      precision: 'float32' as const,
      nextBatch() {},
      overlap: () => 0,
      hessianVector() {},
      residuals() {},
      jacobianVector() {},
      vectorJacobian() {},
      residualCount: 7,
    };
    minimize(bowl, solver, options);
    minimize({ ...bowl, residualCount: 7 }, solver, options);
    minimize(more, solver, options);
    const params = vectorParams(new Float64Array(2));
    // Products with the Jacobian are of use in pairs.
    const half = [{ jacobianVector() {} }, { vectorJacobian() {} }, { params: undefined }];
    const rest = [...half, { jacobianGram() {}, params }];
    for (const methods of rest) minimize({ ...bowl, ...methods }, solver, options);
    const plain = {
      stochastic: false,
      overlap: false,
      residualCount: 0,
      hessianVector: false,
      jacobianProducts: false,
      jacobianGram: false,
    };
    expect(settings).toEqual([
      { n: 2, precision: 'float64', ...plain },
      { n: 2, precision: 'float64', ...plain },
      {
        n: 2,
        precision: 'float32',
        stochastic: true,
        overlap: true,
        residualCount: 7,
        hessianVector: true,
        jacobianProducts: true,
        jacobianGram: false,
      },
      ...Array.from({ length: 3 }, () => ({ n: 2, precision: 'float64', ...plain })),
      { n: 2, precision: 'float64', ...plain, jacobianGram: true, layout: params.layout },
    ]);
  });

  it('is measured as the solver says', () => {
    const { solver } = scripted(
      [
        [2, 0],
        [1, 0],
      ],
      { measure: ({ f }) => ({ f: f + 100, gradientNorm: 3 * f }) },
    );
    const result = minimize(bowl, solver, { gtol: 2 });
    expect(result).toMatchObject({ f: 100.5, gradientNorm: 1.5, termination: 'gradientTolerance' });
    expect(result.trace.map(({ f, gradientNorm }) => [f, gradientNorm])).toEqual([
      [110, 30],
      [102, 6],
      [100.5, 1.5],
    ]);
  });

  it('takes a norm of the gradient that a step has told', () => {
    const { solver } = scripted([[2, 0]]);
    const told: Solver = {
      ...solver,
      *step(state) {
        const outcome = yield* solver.step(state);
        return outcome.kind === 'accepted' ? { ...outcome, gradientNorm: 1e-9 } : outcome;
      },
    };
    expect(minimize(bowl, told)).toMatchObject({ termination: 'gradientTolerance', gradientNorm: 1e-9 });
  });

  it('begins where the solver admits', () => {
    const { solver } = scripted(['stay'], { admit: (x) => void x.fill(1) });
    const result = minimize(bowl, solver, { maxIterations: 0 });
    expect([...result.x]).toEqual([1, 1]);
    expect([...bowl.p0]).toEqual([4, -2]);
  });
});

describe('the ending of a solve', () => {
  it('a solve whose start meets the tolerance says so, and what to do about units', () => {
    const small: Problem = { ...bowl, p0: Float64Array.of(1e-9, 0) };
    const { solver } = scripted(['stay']);
    expect(minimize(small, solver).message).toBe(
      'The start already meets the tolerance: ‖∇f(p0)‖∞ = 1.00e-9 is within gtol = 1e-8. If the loss or its gradient is that small because of its units, set gtol: 0 and gRel: 1e-6, which is relative to the start.',
    );
    expect(minimize(small, solver, { gRel: 1 }).message).toMatch(/is within gtol \+ gRel·‖∇f\(p0\)‖∞\. /);
    const later = minimize(bowl, scripted([[1e-9, 0]]).solver);
    expect(later).toMatchObject({ termination: 'gradientTolerance', iterations: 1 });
    expect(later.message).toBe('The gradient norm fell below its tolerance.');
  });

  it.each([['maxIterations'], ['callback'], ['maxEvaluations'], ['gradientTolerance']])(
    'is the first that holds, tolerances before the callback and that before limits: %s',
    (expected) => {
      const at = { maxIterations: 3, callback: 2, maxEvaluations: 2, gradientTolerance: 2 };
      const { solver } = scripted([[2, 0], expected === 'gradientTolerance' ? [0, 0] : [1, 0], [1, 1]]);
      const result = minimize(bowl, solver, {
        maxIterations: at.maxIterations,
        ...(expected === 'maxEvaluations' && { maxEvaluations: 3 }),
        ...(expected === 'gradientTolerance' && { maxIterations: 2 }),
        callback: ({ iteration }) => iteration === 2 && ['callback', 'gradientTolerance'].includes(expected),
      });
      expect(result).toMatchObject({ termination: expected, iterations: at[expected as keyof typeof at] });
    },
  );

  it('a failed step ends the solve at the point before it', () => {
    const { solver } = scripted([[2, 0], failed('nonFinite')]);
    expect(minimize(bowl, solver)).toMatchObject({ termination: 'nonFinite', iterations: 1, f: 2 });
  });

  it('is nonFinite where f or its gradient becomes so, with the last finite point', () => {
    for (const bad of [
      [NaN, 1],
      [1, NaN],
      [Infinity, 1],
    ]) {
      const problem: Problem = {
        p0: bowl.p0,
        fg(x, gradient) {
          const f = bowl.fg(x, gradient);
          if (x[0] !== 1) return f;
          gradient?.fill(bad[1]);
          return bad[0];
        },
      };
      const result = minimize(
        problem,
        scripted([
          [2, 0],
          [1, 0],
        ]).solver,
      );
      expect(result).toMatchObject({ termination: 'nonFinite', f: 2, iterations: 1 });
    }
  });

  it('a solve that ends because values contradict gradients gives the two changes of f', () => {
    const lying: Problem = {
      p0: Float64Array.of(4, -2),
      fg(x, gradient) {
        gradient?.set([x[0], -x[1]]);
        return (x[0] ** 2 + x[1] ** 2) / 2;
      },
    };
    const { solver } = scripted([[2, 1], failed('lineSearchFailed')]);
    const result = minimize(lying, solver);
    expect(result).toMatchObject({ termination: 'gradientMismatch', converged: false });
    const pattern =
      /f changes by (\S+e[+-]\d+) along a line where its gradients predict (\S+e[+-]\d+)\. checkGradient/;
    const [, byValues, byGradients] = pattern.exec(result.message) ?? [];
    expect(Math.abs(Number(byValues) / Number(byGradients) - 1)).toBeGreaterThan(0.15);
    expect(result.evaluations.f).toBeGreaterThan(2);
  });

  it('a search that failed where −∇f descends does not end a solve as a floor, and keeps a lower point that was seen', () => {
    for (const termination of ['precisionFloor', 'lineSearchFailed'] as const) {
      const { solver } = scripted([[2, 0], failed(termination)]);
      const result = minimize(bowl, solver);
      expect(result.termination).toBe('lineSearchFailed');
      expect(result.f).toBeLessThan(2);
      expect(result.f).toBe(bowl.fg(result.x, null));
    }
  });

  it('a search that failed where f is flat ends a solve at the floor of its precision', () => {
    const flat: Problem = {
      p0: Float64Array.of(1, 1),
      fg: (x, gradient) => (gradient?.set(x), 1e12 + (x[0] ** 2 + x[1] ** 2) / 2),
    };
    const { solver } = scripted([[1e-6, 1e-6], failed('lineSearchFailed')]);
    expect(minimize(flat, solver).termination).toBe('precisionFloor');
  });

  it('names no floor where f falls along −∇f, however long it stood still', () => {
    const { solver } = scripted([...Array<Move>(14).fill('stay'), [0, 0]], { descends: true });
    expect(minimize(bowl, solver)).toMatchObject({ termination: 'gradientTolerance', iterations: 15 });
  });

  it('is the floor where f stands still for ten iterations, for a solver whose f falls', () => {
    const flat: Problem = { ...bowl, fg: (x, g) => 1e16 + bowl.fg(x, g) };
    const end = (descends: boolean) =>
      minimize(flat, scripted(['stay'], { descends }).solver, { maxIterations: 30 });
    expect(end(true)).toMatchObject({ termination: 'precisionFloor', iterations: 10 });
    expect(end(false)).toMatchObject({ termination: 'maxIterations', iterations: 30 });
  });

  it('a limit or the callback ends a solve where the floor proved none, too', () => {
    const stays = () => scripted(['stay'], { descends: true }).solver;
    expect(minimize(bowl, stays(), { maxIterations: 10 })).toMatchObject({
      termination: 'maxIterations',
      iterations: 10,
    });
    const callback = ({ iteration }: Progress) => iteration === 10;
    expect(minimize(bowl, stays(), { callback })).toMatchObject({ termination: 'callback', iterations: 10 });
  });
});

describe('what a run hands on', () => {
  it('is f in the range of float64 to a solver that takes any scale', () => {
    const huge: Problem = {
      p0: Float64Array.of(4, -2),
      fg: (x, gradient) => {
        gradient?.set(x.map((value) => 1e200 * value));
        return 1e200 * bowl.fg(x, null);
      },
    };
    const seen = (problem: Problem, anyScale?: boolean) => {
      const values: number[] = [];
      const { solver } = scripted(['stay'], {
        ...(anyScale !== undefined && { anyScale }),
        measure: ({ f }) => (values.push(f), { f, gradientNorm: 1 }),
      });
      const result = minimize(problem, solver, { maxIterations: 1, transform: 'none' });
      expect(result.f / 1e201).toBeCloseTo(1, 12);
      return Math.max(...values);
    };
    const residuals = { residuals() {}, residualCount: 1 };
    expect(seen(huge, true)).toBeLessThan(1e3);
    expect(seen({ ...huge, ...residuals }, true)).toBeLessThan(1e3);
    for (const raw of [seen(huge), seen(huge, false)]) {
      expect(raw / 1e201).toBeCloseTo(1, 12);
    }
  });

  it('are statistics of the problem only where a point other than the last is returned', () => {
    const written: number[] = [];
    const statistics = {
      read: () => Float64Array.of(7),
      write: ([value]: Float64Array) => written.push(value),
    };
    const moves: Move[] = [
      [2, 0],
      [1, 0],
      [3, 0],
    ];
    const problem: Problem = { ...bowl, statistics };
    minimize(problem, scripted(moves).solver, { maxIterations: 3 });
    expect(written).toEqual([]);
    const validation = { problem: { fg: ([x]: Float64Array) => x }, patience: 5 };
    const { x } = minimize(problem, scripted(moves).solver, { maxIterations: 3, validation });
    expect([...x]).toEqual([1, 0]);
    expect(written).toEqual([7]);
    expect(() => minimize(bowl, scripted(moves).solver, { maxIterations: 3, validation })).not.toThrow();
  });

  it('has the largest and smallest |f|, and the length of the last step that was taken', () => {
    const { solver } = scripted([[6, 0], [1, 0], failed('nonFinite')]);
    const { state, trace } = minimize(bowl, solver);
    expect(trace.map(({ f }) => f)).toEqual([10, 18, 0.5]);
    expect(state).toMatchObject({ highest: 18, smallest: 0.5, alpha: 0.5 });
    const onlyStart = minimize(bowl, solver, { maxIterations: 0 }).state;
    expect(onlyStart).toMatchObject({ highest: 10, smallest: 10, alpha: 0 });
  });

  it('a callback receives a validation loss only where there is one', () => {
    const keys = (options: SolveOptions) => {
      const seen: boolean[] = [];
      const callback = (progress: Progress) => void seen.push('validation' in progress);
      minimize(bowl, scripted([[2, 0]]).solver, { maxIterations: 2, callback, ...options });
      return seen;
    };
    expect(keys({})).toEqual([false, false, false]);
    const validation = { problem: { fg: () => 1 }, every: 2 };
    expect(keys({ validation })).toEqual([true, false, true]);
  });

  it('the state that a run hands to a callback stays as it is in later steps', () => {
    const states: RunState[] = [];
    const callback = ({ state }: Progress) => void states.push(state());
    const { solver } = scripted([
      [2, 0],
      [5, 0],
      [1, 0],
    ]);
    const { state, x } = minimize(bowl, solver, { maxIterations: 3, callback });
    expect(states.map(({ iterate }) => iterate.x[0])).toEqual([4, 2, 5, 1]);
    expect(states.map(({ best }) => best.x?.[0] ?? null)).toEqual([null, null, 2, null]);
    expect([...x]).toEqual([1, 0]);
    expect(state.best.x).toBeNull();
  });

  it('are the statistics of the problem at the last point', () => {
    const read = ([a]: Float64Array) => Float64Array.of(10 * a);
    const written: number[] = [];
    const statistics = { read, write: ([value]: Float64Array) => void written.push(value) };
    const moves: Move[] = [[2, 0]];
    const { state } = minimize({ ...bowl, statistics }, scripted(moves).solver, { maxIterations: 1 });
    expect(state.statistics).toEqual(Float64Array.of(20));
    const options = { maxIterations: 0, resume: state };
    minimize({ ...bowl, statistics }, scripted(moves).solver, options);
    expect(written).toEqual([20]);
    expect(minimize(bowl, scripted(moves).solver, options).state.statistics).toBeNull();
  });

  it('a run hands on no tolerances and no lowest point to a resumed run of another function', () => {
    const first = minimize(bowl, scripted([[1, 0]]).solver, { maxIterations: 1 });
    const larger: Problem = {
      ...bowl,
      fg: (x, g) => (g?.set(x.map((value) => 100 * value)), 100 * bowl.fg(x, null)),
    };
    const options = { maxIterations: 0, gtol: 0, gRel: 1e-3 };
    const again = minimize(bowl, scripted([[1, 0]]).solver, { ...options, resume: first.state });
    expect(again.measures.gradient.tolerance).toBe(4 * 1e-3);
    const other = minimize(larger, scripted([[1, 0]]).solver, { ...options, resume: first.state });
    expect(other.measures.gradient.tolerance).toBe(100 * 1e-3);
    expect(other.f).toBe(50);
  });

  it('is not printed unasked', () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    const run = (options: SolveOptions) => {
      log.mockClear();
      minimize(bowl, scripted([[2, 0]]).solver, { maxIterations: 4, ...options });
      return log.mock.calls.length;
    };
    // A heading, and the iterations 0, 2 and 4.
    expect([run({}), run({ showTrace: true, showEvery: 2 })]).toEqual([0, 4]);
    log.mockRestore();
  });

  /** A run that ends above its best point. */
  const risen = () => {
    const points = [
      [1, 0],
      [5, 0],
    ];
    return minimize(bowl, scripted(points).solver, { maxIterations: 2 });
  };

  it('is not changed by writing into the result', () => {
    const { state, x } = risen();
    x.fill(9);
    expect([...(state.best.x ?? [])]).toEqual([1, 0]);
  });

  it('a run hands on its best point to the resumed run', () => {
    const first = risen();
    const { solver } = scripted([[3, 0]]);
    for (const maxIterations of [0, 1]) {
      const { x, f, trace } = minimize(bowl, solver, { maxIterations, resume: first.state });
      expect([...x, f]).toEqual([1, 0, 0.5]);
      expect(trace[0]).toMatchObject({ f: 12.5, alpha: 0.5 });
    }
  });
});

describe('a success', () => {
  /** Goes to a point with a small gradient that lies higher than an earlier one. */
  const terraces: Problem = {
    p0: Float64Array.of(0),
    fg(x, gradient) {
      gradient?.fill(x[0] === 2 ? 0 : 1);
      return [5, 1, 3][x[0]] ?? 9;
    },
  };

  it('is not claimed above an earlier point', () => {
    const { solver } = scripted([[1], [2]]);
    const result = minimize(terraces, solver, { maxIterations: 3 });
    expect(result).toMatchObject({ termination: 'maxIterations', f: 1, converged: false });
    expect([...result.x]).toEqual([1]);
  });

  it('may lie above one by rounding', () => {
    const near = (rise: number): Problem => ({
      ...terraces,
      fg: (x, gradient) => (terraces.fg(x, gradient), [5, 1, 1 + rise][x[0]]),
    });
    const end = (rise: number) => minimize(near(rise), scripted([[1], [2]]).solver, { maxIterations: 3 });
    expect(end(2 ** -51)).toMatchObject({ termination: 'gradientTolerance', converged: true });
    expect([...end(2 ** -51).x]).toEqual([2]);
    expect(end(2 ** -40).converged).toBe(false);
  });
});

describe('on mini-batches', () => {
  /** f of batch k is ½‖x − k‖². */
  function batches() {
    let batch = 0;
    const drawn = () => batch;
    const problem: Problem = {
      p0: Float64Array.of(4, 4),
      nextBatch: () => void batch++,
      fg(x, gradient) {
        gradient?.set(x.map((value) => value - batch));
        return ((x[0] - batch) ** 2 + (x[1] - batch) ** 2) / 2;
      },
    };
    return { problem, drawn };
  }

  it('each step has its own batch, and the last point is the answer, with its loss', () => {
    const { problem, drawn } = batches();
    const { solver } = scripted([
      [2, 2],
      [9, 9],
      [7, 7],
    ]);
    const result = minimize(problem, solver, { maxIterations: 3 });
    expect(drawn()).toBe(3);
    expect([...result.x]).toEqual([7, 7]);
    expect(result.f).toBe(16);
    expect(result.trace.map(({ f }) => f)).toEqual([16, 1, 49, 16]);
    // One at the start, and two for each: the new batch where the step begins, and the step's own.
    expect(result.evaluations.f).toBe(7);
  });

  it('a batch that allows no step is passed over, and no other failure', () => {
    const { problem, drawn } = batches();
    const { solver } = scripted([[5, 5], failed('lineSearchFailed'), [1, 1]]);
    const result = minimize(problem, solver, { maxIterations: 3 });
    expect(drawn()).toBe(3);
    expect(result.trace.map(({ alpha }) => alpha)).toEqual([0, 0.5, 0, 0.5]);
    expect([...result.x]).toEqual([1, 1]);
    const other = batches();
    const broken = minimize(other.problem, scripted([[5, 5], failed('nonFinite')]).solver);
    expect(broken).toMatchObject({ termination: 'nonFinite', iterations: 1 });
  });

  it('a point counts once the next batch has a finite loss there', () => {
    let batch = 0;
    const problem: Problem = {
      p0: Float64Array.of(4),
      nextBatch: () => void batch++,
      fg([x], gradient) {
        gradient?.set([1]);
        return batch === 3 && x === 1 ? NaN : x;
      },
    };
    const result = minimize(problem, scripted([[2], [1]]).solver);
    expect(result).toMatchObject({ termination: 'nonFinite', iterations: 2, f: 2 });
    expect([...result.x]).toEqual([2]);
  });

  it.each([adam(), soap()])(
    'a change of f that a step has not measured is no success on mini-batches: %#',
    (solver) => {
      const { measures, ...result } = minimize(batches().problem, solver, { maxIterations: 20, ftol: 1e-3 });
      expect(result).toMatchObject({ termination: 'maxIterations', iterations: 20, converged: false });
      expect(measures.function).toEqual({ value: NaN, tolerance: 1e-3 });
    },
  );

  it('a change of f that a step has measured on its mini-batch counts', () => {
    const { solver } = scripted(['stay']);
    const result = minimize({ ...bowl, nextBatch() {} }, solver, { ftol: 1e-3 });
    expect(result).toMatchObject({ termination: 'functionTolerance', iterations: 2 });
  });

  it('the floor of f means nothing', () => {
    const still: Problem = { ...bowl, nextBatch() {}, fg: (x, g) => 1e16 + bowl.fg(x, g) };
    const { solver } = scripted(['stay'], { descends: true });
    const { termination, evaluations } = minimize(still, solver, { maxIterations: 30 });
    // Two for each step, and none to look for its reason.
    expect([termination, evaluations.f]).toEqual(['maxIterations', 61]);
  });
});

describe('a gradient of zeros at the start', () => {
  it('is no success where f changes nearby', () => {
    const forgotten: Problem = { ...bowl, fg: (x, gradient) => (gradient?.fill(0), bowl.fg(x, null)) };
    const result = minimize(forgotten, bfgs());
    expect(result.termination).toBe('gradientMismatch');
    expect(result.message).toMatch(/its gradients predict 0\.000e\+0/);
  });

  it('is one at a minimum, and where f is constant', () => {
    const shifted: Problem = {
      p0: Float64Array.of(3),
      fg(x, gradient) {
        gradient?.set([2 * (x[0] - 3)]);
        return (x[0] - 3) ** 2;
      },
    };
    const constant: Problem = { p0: Float64Array.of(3), fg: (_x, gradient) => (gradient?.fill(0), 5) };
    for (const problem of [shifted, constant]) {
      expect(minimize(problem, bfgs()).termination).toBe('gradientTolerance');
    }
  });
});

describe('a derivative that is 0 all along, by an unknown that never moves', () => {
  /** (y − 1)², which a solver minimizes, and a term in x, whose derivative is as given. */
  const withTerm = (term: (x: number) => number, slope: (x: number) => number, start = 0): Problem => ({
    p0: Float64Array.of(start, 5),
    fg(x, gradient) {
      gradient?.set([slope(x[0]), 2 * (x[1] - 1)]);
      return term(x[0]) + (x[1] - 1) ** 2;
    },
  });
  const solvers = [lbfgs(), bfgs(), conjugateGradient(), newtonCG()];

  it('is no success where f changes with it', () => {
    for (const solver of solvers) {
      for (const term of [(x: number) => (x - 3) ** 2, (x: number) => (x / 1e6 - 3) ** 2, Math.exp]) {
        const result = minimize(
          withTerm(term, () => 0),
          solver,
        );
        expect([result.termination, result.converged]).toEqual(['gradientMismatch', false]);
      }
      const forgotten = withTerm(
        (x) => (x - 3) ** 2,
        () => 0,
      );
      expect(minimize(forgotten, solver, { ftol: 1e-3 }).termination).toBe('gradientMismatch');
    }
  });

  it.each<[string, Problem]>([
    [
      'does not change with it',
      withTerm(
        () => 7,
        () => 0,
      ),
    ],
    [
      'is least there',
      withTerm(
        (x) => (x - 3) ** 2,
        (x) => 2 * (x - 3),
        3,
      ),
    ],
    ['has a kink there', withTerm(Math.abs, Math.sign)],
    [
      'rises on one side',
      withTerm(
        (x) => Math.max(0, x),
        (x) => (x > 0 ? 1 : 0),
      ),
    ],
    [
      'has a saddle there',
      withTerm(
        (x) => x ** 4 - x * x,
        (x) => 4 * x ** 3 - 2 * x,
      ),
    ],
  ])('is right where f %s', (_, problem) => {
    for (const solver of solvers) expect(minimize(problem, solver).termination).toBe('gradientTolerance');
  });

  /** Unknowns in turn: one that f depends on, one that it does not, one that f depends on from 0 on; and one without slope. */
  const mixed = (forgotten: boolean): Problem => ({
    p0: new Float64Array(91),
    fg(x, gradient) {
      gradient?.fill(0);
      let f = forgotten ? (x[90] - 1) ** 2 : 0;
      for (let i = 0; i < 30; i++) {
        f += (1 + i) * (x[i] - 1) ** 2 + Math.max(0, x[30 + i]) ** 2;
        gradient?.set([2 * (1 + i) * (x[i] - 1)], i);
        gradient?.set([2 * Math.max(0, x[30 + i])], 30 + i);
      }
      return f;
    },
  });

  it('is found among others that are right, which take few evaluations', () => {
    for (const solver of solvers) {
      const right = minimize(mixed(false), solver);
      expect(right.termination).toBe('gradientTolerance');
      let last = 0;
      minimize(mixed(false), solver, {
        callback({ evaluations }) {
          last = evaluations;
          return false;
        },
      });
      expect(right.evaluations.f - last).toBeLessThanOrEqual(6);
      expect(minimize(mixed(true), solver).termination).toBe('gradientMismatch');
    }
  });
});
