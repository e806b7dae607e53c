import { describe, expect, it } from 'vitest';
import { minimize } from '../../src/core/minimize.ts';
import { bowl, failed, scripted, type Move } from './scripted.ts';
import type { Problem } from '../../src/core/problem.ts';
import type { SolveOptions } from '../../src/core/solveOptions.ts';
import type { Setting, Solver, StepOutcome } from '../../src/core/solver.ts';
import { terminations, type Termination } from '../../src/core/termination.ts';

/** Values of f with a smaller relative difference are equal; with a larger one than the second, they differ. */
const [ROUNDING, NOISE] = [2 ** -50, 2 ** -44];

/**
 * Descends from 0 to 1, then stops at 2, where the gradient is 0 and f is higher by a relative `rise`.
 *
 * @param slope - of f at 1, relative to |f|, as its gradient says
 */
function climb(
  { f: lowest = 1, rise, slope }: { f?: number; rise: number; slope: number },
  change: Partial<Solver> = {},
  options: SolveOptions = {},
) {
  const size = Math.abs(lowest);
  const stairs: Problem = {
    p0: Float64Array.of(0),
    fg([x], gradient) {
      gradient?.set([x < 0.5 ? -size : x < 1.5 ? size * slope : 0]);
      return lowest + size * (x < 0.5 ? 1 : x < 1.5 ? 0 : rise);
    },
  };
  const { solver } = scripted([[1], [2]], { descends: true, ...change });
  return minimize(stairs, solver, { gtol: 0, maxIterations: 2, ...options });
}
const success = { termination: 'gradientTolerance', converged: true, iterations: 2 };

describe.each([1e-6, 1, 1e6, -1])('a vanishing gradient above an earlier point, where f = %d', (f) => {
  const end = (rise: number, slope: number) => climb({ f, rise, slope });

  it('is a success if the two values are equal to rounding', () => {
    for (const rise of [ROUNDING / 2, ROUNDING]) expect(end(rise, 1e-3)).toMatchObject(success);
  });

  it('is one if the gradients say that f falls, and the rise may be noise', () => {
    for (const rise of [4 * ROUNDING, NOISE / 2]) {
      const result = end(rise, -1e-3);
      expect(result).toMatchObject(success);
      expect([...result.x]).toEqual([2]);
      // Of the three points, the best is evaluated once more.
      expect(result.evaluations.f).toBe(4);
    }
  });

  it('is none if the gradients say that f rises by more than rounding', () => {
    expect(end(4 * ROUNDING, ROUNDING)).toMatchObject(success);
    expect(end(4 * ROUNDING, 4 * ROUNDING).converged).toBe(false);
  });

  it('is none if f rises by more than noise', () => {
    const result = end(4 * NOISE, -1e-3);
    expect(result).toMatchObject({ termination: 'precisionFloor', converged: false, iterations: 2 });
    expect([...result.x]).toEqual([1]);
  });
});

describe('a vanishing gradient above an earlier point', () => {
  it('may lie exactly as high as noise and rounding reach', () => {
    expect(climb({ rise: NOISE, slope: -1e-3 })).toMatchObject(success);
    const rise = 4 * ROUNDING;
    expect(climb({ rise, slope: 2 * ROUNDING * (1 + rise) })).toMatchObject(success);
  });

  it('is judged by values only where steps of the solver may raise f', () => {
    const result = climb({ rise: 4 * ROUNDING, slope: -1e-3 }, { descends: false });
    expect(result).toMatchObject({ termination: 'maxIterations', f: 1 });
    expect(result.evaluations.f).toBe(3);
  });

  it('is not judged beyond a limit of evaluations, which is the end then', () => {
    const result = climb({ rise: 4 * ROUNDING, slope: -1e-3 }, {}, { maxEvaluations: 3 });
    expect(result).toMatchObject({ termination: 'maxEvaluations', converged: false, f: 1 });
    expect(result.evaluations.f).toBe(3);
  });

  it.each([
    ['equal penalties', 0.5, 0.5, true],
    ['a penalty that rises', 0, 8 * ROUNDING, false],
    ['a penalty that rises by less than rounding', 0, ROUNDING / 4, true],
  ])('is judged with the penalty of the solver: %s', (_, before, after, converged) => {
    const measure: Solver['measure'] = ({ f, gradient, x }) => ({
      f: f + (x[0] < 1.5 ? before : after),
      gradientNorm: Math.abs(gradient[0]),
    });
    const { converged: is } = climb({ rise: 8 * ROUNDING, slope: -ROUNDING / 1024 }, { measure });
    expect(is).toBe(converged);
  });

  it('is none if the penalty of the solver rises by more than noise, whatever the slopes say', () => {
    const penalty = ({ x }: { x: Float64Array }) => (x[0] < 1.5 ? 0 : 4 * NOISE);
    const measure: Solver['measure'] = (at) => ({
      f: at.f + penalty(at),
      gradientNorm: Math.abs(at.gradient[0]),
    });
    expect(climb({ rise: 0, slope: -1e-3 }, { measure })).toMatchObject({ converged: false, f: 1 });
  });

  it('is none if f itself rises by more than noise, which a measure of the solver hides', () => {
    const measure: Solver['measure'] = ({ f, gradient }) => ({
      f: 1 + (f - 1) / 8,
      gradientNorm: Math.abs(gradient[0]),
    });
    expect(climb({ rise: 4 * NOISE, slope: -1e-3 }, { measure }).converged).toBe(false);
    expect(climb({ rise: NOISE / 2, slope: -1e-3 }, { measure }).converged).toBe(true);
  });

  it('is a contradiction if f changes there though no gradient says so', () => {
    const slope: Problem = {
      p0: Float64Array.of(0),
      fg([x], gradient) {
        gradient?.set([x < 1.5 ? -1 : 0]);
        return x < 1.5 ? 2 - x : x;
      },
    };
    const { solver } = scripted([[1], [2]], { descends: true });
    expect(minimize(slope, solver)).toMatchObject({ termination: 'gradientMismatch', f: 1 });
  });

  it('ends a run on mini-batches, whose values cannot be compared', () => {
    const batches: Problem = {
      p0: Float64Array.of(0),
      nextBatch() {},
      fg([x], gradient) {
        gradient?.set([x === 2 ? 0 : -1]);
        return x === 2 ? 9 : 1;
      },
    };
    const result = minimize(batches, scripted([[1], [2]]).solver, { maxIterations: 4 });
    expect(result).toMatchObject({ termination: 'gradientTolerance', iterations: 2, f: 9 });
  });
});

type Failure = Extract<StepOutcome, { kind: 'failed' }>;

/** A constant, whose rounding hides its slopes. */
const flat: Problem = {
  p0: Float64Array.of(4, -2),
  fg(_, gradient) {
    gradient?.fill(1e-4);
    return 1e12;
  },
};
const batches: Problem = { ...bowl, nextBatch() {} };

describe('a step that failed', () => {
  it('leaves the best point where the points seen beside it are higher', () => {
    const hills: Problem = {
      p0: Float64Array.of(4),
      fg([x], gradient) {
        gradient?.set([x === 0 ? 1 : x]);
        return x === 0 ? 1 : 3 + x ** 2 / 2;
      },
    };
    const { solver } = scripted([[0], [2], failed('lineSearchFailed')]);
    const result = minimize(hills, solver);
    expect(result).toMatchObject({ termination: 'lineSearchFailed', f: 1 });
    expect([...result.x]).toEqual([0]);
  });

  it('is looked into at points that the solver admits', () => {
    const settings: (Setting | undefined)[] = [];
    const { solver } = scripted([[2, -1], failed('lineSearchFailed')], {
      admit(x, setting) {
        settings.push(setting);
        x[0] = Math.max(2, x[0]);
      },
    });
    const seen: Float64Array[] = [];
    const result = minimize({ ...bowl, fg: (x, g) => (seen.push(x.slice()), bowl.fg(x, g)) }, solver);
    expect(result.termination).toBe('lineSearchFailed');
    expect(seen.length).toBeGreaterThan(3);
    expect(seen.every(([a]) => a >= 2)).toBe(true);
    expect(settings.every((setting) => setting?.n === 2)).toBe(true);
  });

  it.each(['precisionFloor', 'lineSearchFailed'] as const)(
    'a step that failed as %s ends by the limit that forbids an inspection',
    (termination) => {
      for (const maxEvaluations of [2, 3]) {
        const { solver } = scripted([[2, 0], failed(termination)]);
        const result = minimize(bowl, solver, { maxEvaluations });
        expect(result).toMatchObject({ termination: 'maxEvaluations', iterations: 1, f: 2 });
        expect(result.evaluations.f).toBe(maxEvaluations);
      }
    },
  );

  it.each<[string, Problem, Partial<Failure>, Termination, string]>([
    ['where f falls', bowl, {}, 'lineSearchFailed', '… Because.'],
    ['by a floor where f falls', bowl, { termination: 'precisionFloor' }, 'lineSearchFailed', '… Because.'],
    ['where f is flat', flat, {}, 'precisionFloor', '…'],
    ['where f is flat here, but falls', flat, { falls: true }, 'lineSearchFailed', '… Because.'],
    [
      'on mini-batches',
      batches,
      { termination: 'precisionFloor', falls: true },
      'lineSearchFailed',
      '… Because.',
    ],
    ['by values that are not finite', bowl, { termination: 'nonFinite' }, 'nonFinite', 'Because.'],
    ['by values, unexplained', bowl, { termination: 'nonFinite', cause: '' }, 'nonFinite', '…'],
    ['where f falls, unexplained', bowl, { cause: '' }, 'lineSearchFailed', '…'],
    ['by a limit', bowl, { termination: 'maxProducts' }, 'maxProducts', '…'],
  ])('%s ends with the cause that it gives, where that explains it', (_, problem, how, termination, text) => {
    const move = { kind: 'failed', termination: 'lineSearchFailed', cause: 'Because.', ...how } as Failure;
    const result = minimize(problem, scripted([[2, -1], move]).solver);
    const message = text.replace('…', terminations[termination].sentence);
    expect(result).toMatchObject({ termination, message, iterations: 1 });
  });

  it('has the sentence of its kind where it gives no cause', () => {
    const { message } = minimize(bowl, scripted([[2, -1], failed('lineSearchFailed')]).solver);
    expect(message).toBe(terminations.lineSearchFailed.sentence);
  });

  it('is looked into with an inexact gradient, too', () => {
    const end = (problem: Problem, termination: 'lineSearchFailed' | 'precisionFloor') =>
      minimize({ ...problem, gradientError: () => 0 }, scripted([[2, -1], failed(termination)]).solver)
        .termination;
    expect(end(flat, 'lineSearchFailed')).toBe('precisionFloor');
    expect(end(bowl, 'precisionFloor')).toBe('lineSearchFailed');
  });

  it('a step that failed for another reason is not inspected', () => {
    const { solver } = scripted([[2, 0], failed('maxProducts')]);
    const result = minimize(bowl, solver);
    expect(result).toMatchObject({ termination: 'maxProducts', iterations: 1 });
    expect(result.evaluations.f).toBe(2);
  });
});

describe('a gradient known to an error', () => {
  const run = (
    error: number,
    options: SolveOptions = {},
    moves: Move[] = [
      [1, 0],
      [1e-9, 0],
    ],
  ) => {
    const asked: unknown[] = [];
    const gradientError: Problem['gradientError'] = (x, f) => (asked.push([[...x], f]), error);
    const result = minimize({ ...bowl, gradientError }, scripted(moves).solver, options);
    return { ...result, asked };
  };

  it.each([0, 0.5e-8, 1e-8])('that is %d, within the tolerance, is a success', (error) => {
    expect(run(error)).toMatchObject({ termination: 'gradientTolerance', iterations: 2 });
  });

  it.each([1.01e-8, 1, NaN])('that is %d, and no less, is the floor of precision, in words', (error) => {
    const result = run(error);
    expect(result).toMatchObject({
      termination: 'precisionFloor',
      converged: false,
      iterations: 2,
      message: `The gradient is as small as differences of f can tell: its elements are known to ${error.toExponential(1)} here, its tolerance is 1.0e-8. A larger gtol, or a gradient of your own, would make this a success.`,
    });
    // It is asked for where the run ends, with the f there.
    expect(result.asked).toEqual([[[1e-9, 0], 5e-19]]);
  });

  it('is compared with the tolerance of this run, also at its start', () => {
    expect(run(1, { gtol: 1 }).termination).toBe('gradientTolerance');
    expect(run(1, { gtol: 0.1, gRel: 0.225 }).termination).toBe('gradientTolerance');
    expect(run(1.01, { gtol: 0.1, gRel: 0.225 }).message).toContain('its tolerance is 1.0e+0.');
    expect(run(9, { gtol: 5 })).toMatchObject({ termination: 'precisionFloor', iterations: 0 });
  });

  it('does not matter to another end', () => {
    expect(run(1, { maxIterations: 1 })).toMatchObject({ termination: 'maxIterations', asked: [] });
    expect(run(1, { ftol: 2 }, [[2, 0]])).toMatchObject({ termination: 'functionTolerance', asked: [] });
  });

  it('never contradicts f', () => {
    const wrong: Problem = { ...bowl, fg: (x, g) => (g?.set([-x[0], -x[1]]), bowl.fg(x, null)) };
    const end = (problem: Problem) =>
      minimize(problem, scripted([[2, -1], failed('lineSearchFailed')]).solver).termination;
    expect(end(wrong)).toBe('gradientMismatch');
    expect(end({ ...wrong, gradientError: () => 0 })).toBe('lineSearchFailed');
  });
});

describe('a tolerance that the start meets', () => {
  it('is named as it was given', () => {
    const message = (options: SolveOptions) =>
      minimize({ ...bowl, p0: Float64Array.of(0.5, 0) }, scripted(['stay']).solver, options).message;
    expect(message({ gtol: 0.5 })).toMatch(/‖∇f\(p0\)‖∞ = 5\.00e-1 is within gtol = 0\.5\. If the loss/);
    expect(message({ gtol: 0.3, gRel: 0.4 })).toMatch(/ is within gtol \+ gRel·‖∇f\(p0\)‖∞\. If the loss/);
  });

  it('takes no further evaluation, unless the whole gradient is 0', () => {
    const at = (x: number, change: Partial<Problem> = {}) =>
      minimize({ ...bowl, p0: Float64Array.of(x, 0), ...change }, scripted(['stay']).solver).evaluations.f;
    expect(at(1e-9)).toBe(1);
    expect(at(0)).toBeGreaterThan(1);
    expect(at(0, { nextBatch() {} })).toBe(1);
  });

  it('is met, too, where a limit forbids a look around a gradient of 0', () => {
    for (const maxEvaluations of [1, 2, 3]) {
      const start = { ...bowl, p0: new Float64Array(2) };
      const result = minimize(start, scripted(['stay']).solver, { maxEvaluations });
      expect(result).toMatchObject({ termination: 'gradientTolerance', iterations: 0 });
      expect(result.evaluations.f).toBeLessThanOrEqual(maxEvaluations);
    }
  });

  it('is not blamed where a resumed run ends at once for another reason', () => {
    const moves: Move[] = [[2, 0], 'stay'];
    const options = { ftol: 1e-9 };
    const first = minimize(bowl, scripted(moves).solver, options);
    expect(first).toMatchObject({ termination: 'functionTolerance', iterations: 3 });
    const again = minimize(bowl, scripted(moves).solver, { ...options, resume: first.state });
    expect(again).toMatchObject({ termination: 'functionTolerance', iterations: 0, message: first.message });
  });
});

describe('a success with an unknown that has never moved', () => {
  /** A bowl around (0, 5) whose second derivative is forgotten; the second unknown stays at its start. */
  const forgotten: Problem = {
    p0: Float64Array.of(4, -2),
    fg([x, y], gradient) {
      gradient?.set([x, 0]);
      return x ** 2 / 2 + (y - 5) ** 2;
    },
  };
  const end = (options: SolveOptions, change: Partial<Problem> = {}, to: readonly number[] = [0, -2]) =>
    minimize({ ...forgotten, ...change }, scripted([to]).solver, options);

  it('is a contradiction if f changes with it', () => {
    const result = end({});
    expect(result).toMatchObject({ termination: 'gradientMismatch', iterations: 1 });
    // The change is confirmed on three shorter steps, and exceeds the scatter of f on two lines of nine samples.
    expect(result.evaluations.f).toBe(2 + 4 + 2 * 9);
  });

  it('is one still where a limit forbids the evaluations that would tell', () => {
    for (const maxEvaluations of [2, 3, 5, 6, 23]) {
      const result = end({ maxEvaluations });
      expect(result).toMatchObject({ termination: 'gradientTolerance', converged: true, iterations: 1 });
      expect(result.evaluations.f).toBe(maxEvaluations);
    }
  });

  it('is not doubted where derivatives are inexact, or an unknown has moved or has a derivative', () => {
    const undoubted = { termination: 'gradientTolerance', evaluations: { f: 2 } };
    expect(end({}, { gradientError: () => 0 })).toMatchObject(undoubted);
    expect(end({}, {}, [0, -1])).toMatchObject(undoubted);
    const all: Problem['fg'] = ([x], gradient) => (gradient?.set([x, 1e-9]), x ** 2 / 2);
    expect(end({}, { fg: all })).toMatchObject(undoubted);
  });

  it('is looked into only if it is a success', () => {
    const fall: Problem['fg'] = ([x], gradient) => (gradient?.set([1, 0]), x === 4 ? 0 : -1e31);
    expect(end({}, { fg: fall })).toMatchObject({ termination: 'unbounded', evaluations: { f: 2 } });
  });
});
