import { describe, expect, it } from 'vitest';
import {
  adam,
  lbfgs,
  minimize,
  minimizeAsync,
  vectorParams,
  type Problem,
  type RunState,
} from '../../src/index.ts';
import { freshImprovement, observeValue } from '../../src/core/patience.ts';

/** ½(x − 4)², from 0; gradient descent by Adam walks steadily to 4. */
const walk = (): Problem => ({
  p0: Float64Array.of(0),
  fg(x, gradient) {
    gradient?.set([x[0] - 4]);
    return (x[0] - 4) ** 2 / 2;
  },
});
/** Least at 1.5, which the walk passes. */
const held = { fg: (x: Float64Array) => Math.abs(x[0] - 1.5) };
const solver = () => adam({ learningRate: 0.25 });

describe('validation', () => {
  it('ends a run that no longer improves on it, at the best point', () => {
    const params = vectorParams(new Float64Array(1));
    const seen: (number | undefined)[] = [];
    const result = minimize({ ...walk(), params }, solver(), {
      validation: { problem: held, patience: 3 },
      callback: ({ validation }) => void seen.push(validation),
    });
    const { trace, best } = result.validation!;
    const values = trace.map(({ f }) => f);
    expect(result.termination).toBe('validation');
    expect(result.converged).toBe(false);
    expect(best!.f).toBe(Math.min(...values));
    expect(values.length - 1 - values.indexOf(best!.f)).toBe(3);
    expect(trace[values.indexOf(best!.f)].iteration).toBe(best!.iteration);
    expect(held.fg(result.x)).toBe(best!.f);
    expect(params.copyInto(new Float64Array(1))).toEqual(result.x);
    expect(result.f).toBe(walk().fg(result.x, null));
    expect(seen).toEqual(values);
    expect(result.message).toBe(
      `The validation loss has not fallen below ${Number(best!.f.toPrecision(6))} for 3 evaluations. The best point is returned.`,
    );
  });

  it('leaves the run where it ends with restoreBest: false', () => {
    const result = minimize(walk(), solver(), {
      validation: { problem: held, patience: 3, restoreBest: false },
    });
    expect(result.termination).toBe('validation');
    expect(held.fg(result.x)).toBeGreaterThan(result.validation!.best!.f);
    expect(result.message).toBe(
      `The validation loss has not fallen below ${Number(result.validation!.best!.f.toPrecision(6))} for 3 evaluations.`,
    );
  });

  it('is evaluated every so often, at the start and at the end', () => {
    const validation = { problem: held, every: 4, patience: Infinity };
    const seen: (number | undefined)[] = [];
    const { validation: found } = minimize(walk(), solver(), {
      maxIterations: 10,
      validation,
      callback: (progress) => void seen.push(progress.validation),
    });
    const values = found!.trace.map(({ f }) => f);
    expect(seen.flatMap((value, k) => (value === undefined ? [] : [k]))).toEqual([0, 4, 8]);
    expect(seen.filter((value) => value !== undefined)).toEqual(values.slice(0, 3));
    expect(found!.trace.map(({ iteration }) => iteration)).toEqual([0, 4, 8, 10]);
  });

  it('says so where a run that converged does not return that point', () => {
    const result = minimize(walk(), lbfgs(), { validation: { problem: held, patience: 50 } });
    expect(result.x[0]).not.toBe(4);
    expect(result.termination).toBe('validation');
    expect(result.message).toContain('The point returned is the one whose validation loss was least.');
    const limited = minimize(walk(), solver(), {
      maxIterations: 12,
      validation: { problem: held, patience: 50 },
    });
    expect(limited.termination).toBe('maxIterations');
    expect(limited.message).toBe(
      'The iteration limit was reached; raise maxIterations to go on. The point returned is the one whose validation loss was least.',
    );
    // Writing into the result leaves the state as it is.
    const least = limited.x[0];
    limited.x.fill(9);
    expect(limited.state.validation!.point!.x[0]).toBe(least);
  });

  it('that answers later is awaited, and refused where nobody waits', async () => {
    const later = { fg: async (x: Float64Array) => held.fg(x) };
    const result = await minimizeAsync(walk(), solver(), { validation: { problem: later, patience: 3 } });
    expect(result.x).toEqual(minimize(walk(), solver(), { validation: { problem: held, patience: 3 } }).x);
    expect(() => minimize(walk(), solver(), { validation: { problem: later as never } })).toThrow(
      /validation.problem.fg must be synchronous here/,
    );
    const broken = { fg: () => Promise.reject(new Error('no data')) };
    await expect(minimizeAsync(walk(), solver(), { validation: { problem: broken } })).rejects.toThrow(
      'no data',
    );
  });

  it('that rejects ends the run with its error, even if the event loop turns before it is awaited', async () => {
    const problem = { ...walk(), yieldEvery: 0 };
    const reject = () => Promise.reject(new Error('no data'));
    const broken = { problem: { fg: reject } };
    await expect(minimizeAsync(problem, solver(), { validation: broken })).rejects.toThrow('no data');
    await expect(minimizeAsync(problem, solver(), { callback: reject })).rejects.toThrow('no data');
  });

  it('that is never a number stops by its patience and returns the answer of the run', () => {
    const nan = { fg: () => NaN };
    const result = minimize(walk(), solver(), { validation: { problem: nan, patience: 4 } });
    expect(result.iterations).toBe(3);
    expect(result.validation!.best).toBeNull();
    expect(result.message).toContain('has not been a number for 4 evaluations');
    expect(() =>
      minimize(walk(), solver(), { validation: { problem: { fg: () => 'low' as never } } }),
    ).toThrow(/validation.problem.fg must return a number, got "low"/);
  });

  it('takes no evaluations from the limits, and cannot move the point', () => {
    const vandal = { fg: (x: Float64Array) => (x.fill(7), 1) };
    const plain = minimize(walk(), solver(), { maxEvaluations: 9 });
    const options = { problem: vandal, patience: Infinity, restoreBest: false };
    const watched = minimize(walk(), solver(), { maxEvaluations: 9, validation: options });
    expect(watched.x).toEqual(plain.x);
    expect(watched.evaluations).toEqual(plain.evaluations);
  });

  it('is remembered by a run that is resumed', () => {
    const validation = { problem: held, patience: 5 };
    const whole = minimize(walk(), solver(), { validation });
    const first = minimize(walk(), solver(), { validation, maxIterations: whole.iterations - 3 });
    const second = minimize(walk(), solver(), { validation, resume: first.state });
    expect(first.iterations + second.iterations).toBe(whole.iterations);
    expect(second.x).toEqual(whole.x);
    expect(second.validation!.best!.f).toBe(whole.validation!.best!.f);
  });

  it('is evaluated at the same iterations by a run that is resumed, from wherever', () => {
    const validation = { problem: held, patience: 3, every: 4 };
    const states: RunState[] = [];
    const options = { validation, maxIterations: 40 };
    const whole = minimize(walk(), solver(), {
      ...options,
      callback: ({ state }) => void states.push(state()),
    });
    expect(whole.termination).toBe('validation');
    const evaluated = whole.validation!.trace.map(({ iteration }) => iteration);
    states.slice(0, whole.iterations).forEach((state, k) => {
      const seen: number[] = [];
      const rest = minimize(walk(), solver(), {
        ...options,
        resume: state,
        callback: ({ validation: loss, iteration }) => void (loss !== undefined && seen.push(iteration)),
      });
      const { trace, best } = rest.validation!;
      expect([rest.termination, rest.x, rest.iterations + k]).toEqual([
        'validation',
        whole.x,
        whole.iterations,
      ]);
      expect(trace.map(({ iteration }) => iteration + k)).toEqual(evaluated.filter((at) => at > k));
      expect(seen).toEqual(trace.map(({ iteration }) => iteration));
      expect(best!.f).toBe(whole.validation!.best!.f);
      // The additional evaluation at the end of the first part changes nothing, and neither does a part without iterations.
      let { state: end } = minimize(walk(), solver(), { validation, maxIterations: k });
      for (let part = 0; part < 2; part++) {
        const second = minimize(walk(), solver(), { validation, resume: end });
        expect([second.iterations + k, second.x]).toEqual([whole.iterations, whole.x]);
        expect(second.validation!.trace).toEqual(trace);
        end = minimize(walk(), solver(), { validation, maxIterations: 0, resume: end }).state;
      }
    });
  });

  it('is evaluated at the start of a run that continues one without it', () => {
    const first = minimize(walk(), solver(), { maxIterations: 2 });
    const options = { validation: { problem: held, every: 100 }, resume: first.state, maxIterations: 3 };
    const { trace } = minimize(walk(), solver(), options).validation!;
    expect(trace.map(({ iteration }) => iteration)).toEqual([0, 3]);
    expect(trace[0].f).toBe(held.fg(first.x));
  });

  it('puts the statistics of the problem back to those of the point', () => {
    let statistics: Float64Array = Float64Array.of(0);
    const problem: Problem = {
      ...walk(),
      statistics: {
        read: (x) => (statistics = x.slice()).slice(),
        write: (values) => void (statistics = values),
      },
    };
    const options = { validation: { problem: held, patience: 3 } };
    const result = minimize(problem, solver(), options);
    expect(statistics).toEqual(result.x);
    // A problem without statistics may go on from there.
    const resumed = minimize(walk(), solver(), { ...options, resume: result.state, maxIterations: 1 });
    expect(resumed.x).toEqual(result.x);
  });

  it('is refused where it is wrong', () => {
    for (const validation of [
      1,
      null,
      {},
      { every: 2 },
      held,
      { problem: 3 },
      { problem: held, patience: 0 },
      { problem: held, every: 1.5 },
      { problem: held, pateince: 3 },
      { problem: held, minDelta: -1 },
    ]) {
      expect(() => minimize(walk(), solver(), { validation: validation as never })).toThrow(
        /validation: must be \{ problem: \{ fg \}, every, patience, minDelta, restoreBest \}/,
      );
    }
  });
});

describe('patience', () => {
  const run = (values: number[], minDelta = 0, mode: 'min' | 'max' = 'min') => {
    const memory = freshImprovement();
    return values.map((value) => {
      const { isBest, isOver } = observeValue(memory, value, { patience: 2, minDelta, mode });
      return `${isBest ? '*' : '-'}${isOver ? '!' : ''}`;
    });
  };

  it('counts values since the best', () => {
    expect(run([3, 2, 2, 1, 5, 4])).toEqual(['*', '*', '-', '*', '-', '-!']);
    expect(run([1, 2, 3, 3, 3], 0, 'max')).toEqual(['*', '*', '*', '-', '-!']);
    expect(run([3, 2.95, 2.85], 0.1)).toEqual(['*', '-', '*']);
    expect(run([NaN, 1, NaN, NaN])).toEqual(['-', '*', '-', '-!']);
    expect(run([Infinity, 1, -Infinity, 0, 0])).toEqual(['*', '*', '*', '-', '-!']);
  });
});
