import { describe, expect, it } from 'vitest';
import { bestPoint } from '../../src/core/best.ts';
import { runAsync, runSync } from '../../src/core/drive.ts';
import { startMeter } from '../../src/core/meter.ts';
import { takeAnswer } from '../../src/core/returnedPoint.ts';
import { completeSolveOptions, plainSolveRules } from '../../src/core/solveOptions.ts';
import { firstUnwritten, markUnwritten } from '../../src/core/unwritten.ts';
import { numberFrom, saysStop, wroteInto } from '../../src/core/userAnswers.ts';
import type { Iterate, Measured, Solver } from '../../src/core/solver.ts';

const problem = { p0: Float64Array.of(1), fg: () => 0 };

describe('the answer of a callback', () => {
  it('asks to stop by true alone', async () => {
    for (const answer of [true, false, undefined, 1, 'true', {}]) {
      expect(runSync(saysStop(answer), problem)).toBe(answer === true);
      expect(await runAsync(saysStop(Promise.resolve(answer)), problem)).toBe(answer === true);
    }
  });

  it('that is a promise is refused where nobody can await it, by its name', () => {
    expect(() => runSync(saysStop(Promise.resolve(true)), problem)).toThrow(/callback/);
    expect(() => runSync(numberFrom(Promise.resolve(1), 'metric'), problem)).toThrow(/metric/);
  });

  it('that is rejected ends the run by the same reason', async () => {
    const reason = new Error('mine');
    await expect(runAsync(saysStop(Promise.reject(reason)), problem)).rejects.toBe(reason);
    await expect(runAsync(numberFrom(Promise.reject(reason), 'f'), problem)).rejects.toBe(reason);
  });
});

describe('a number', () => {
  it('is taken as it is, NaN too, directly or as a promise', async () => {
    for (const value of [3, 0, NaN, -Infinity]) {
      expect(runSync(numberFrom(value, 'f'), problem)).toBe(value);
      expect(await runAsync(numberFrom(Promise.resolve(value), 'f'), problem)).toBe(value);
    }
  });

  it.each([undefined, null, '3', true, 1n])('%o is refused in words', async (value) => {
    const text = new RegExp(`^metric must return a number, got .*\\.$`);
    expect(() => runSync(numberFrom(value, 'metric'), problem)).toThrow(TypeError);
    expect(() => runSync(numberFrom(value, 'metric'), problem)).toThrow(text);
    await expect(runAsync(numberFrom(Promise.resolve(value), 'metric'), problem)).rejects.toThrow(text);
  });
});

describe('elements left unwritten', () => {
  it('are found, the first of them, also in a part of a buffer', () => {
    const whole = new Float64Array(6);
    const part = whole.subarray(1, 5);
    markUnwritten(part);
    expect([whole[0], whole[5]]).toEqual([0, 0]);
    expect([...part].every(Number.isNaN)).toBe(true);
    expect(firstUnwritten(part)).toBe(0);
    part.fill(2, 0, 3);
    expect(firstUnwritten(part)).toBe(3);
    part[3] = NaN;
    expect(firstUnwritten(part)).toBe(-1);
    expect(firstUnwritten(new Float64Array(0))).toBe(-1);
  });

  it('are those, too, that are only added to', () => {
    const buffer = new Float64Array(2);
    markUnwritten(buffer);
    buffer[0] = 1;
    buffer[1] += 5;
    expect(firstUnwritten(buffer)).toBe(1);
  });
});

describe('the point that a solver returns instead of its iterate', () => {
  /** f = x², from a solver whose answer is 2, or its iterate. */
  function taken(facts: { answer?: number | null; batches?: boolean; bestF?: number; measured?: Measured }) {
    const { answer = 2, batches = false, bestF = 100, measured } = facts;
    const solver = {
      ...(answer !== null && {
        answer: (_state: Iterate, out: Float64Array) => {
          out[0] = answer;
          return !Number.isNaN(answer);
        },
      }),
    } as Solver;
    const state = { x: Float64Array.of(7), f: 49, gradient: Float64Array.of(14), extra: 'kept' };
    const best = bestPoint(Float64Array.of(9), solver, { f: bestF, gradientNorm: 1 });
    const meter = startMeter(completeSolveOptions('test', {}, plainSolveRules));
    const seen: unknown[] = [];
    const measure = (at: Iterate): Measured => {
      seen.push({ ...at, x: [...at.x], gradient: [...at.gradient] });
      return measured ?? { f: at.f, gradientNorm: Math.abs(at.gradient[0]) };
    };
    const square = {
      p0: state.x,
      fg: (x: Float64Array, gradient: Float64Array | null) => (gradient?.fill(2 * x[0]), x[0] ** 2),
    };
    runSync(takeAnswer(solver, state, best, meter, { batches, measure }), square);
    return {
      best: [best.x[0], best.f, best.gradientNorm],
      work: [meter.f, meter.gradient],
      seen,
      state: [state.x[0], state.f, state.gradient[0]],
    };
  }

  it('is evaluated, counted, and the best where f is lower there', () => {
    expect(taken({})).toEqual({
      best: [2, 4, 4],
      work: [1, 1],
      seen: [{ x: [2], f: 4, gradient: [4], extra: 'kept' }],
      state: [7, 49, 14],
    });
    expect(taken({ bestF: 4.1 }).best).toEqual([2, 4, 4]);
    expect(taken({ bestF: 4 }).best).toEqual([9, 4, 1]);
    expect(taken({ bestF: 3.9 }).best).toEqual([9, 3.9, 1]);
  });

  it('is the best on mini-batches wherever f is finite', () => {
    expect(taken({ bestF: 3, batches: true }).best).toEqual([2, 4, 4]);
  });

  it.each([
    { f: NaN, gradientNorm: 1 },
    { f: -Infinity, gradientNorm: 1 },
    { f: 1, gradientNorm: Infinity },
  ])('is not taken at %o', (measured) => {
    for (const batches of [true, false]) expect(taken({ measured, batches }).best).toEqual([9, 100, 1]);
  });

  it.each([null, NaN])('is not asked for where there is none: %o', (answer) => {
    expect(taken({ answer })).toMatchObject({ best: [9, 100, 1], work: [0, 0], seen: [] });
  });
});

it('a function that writes into what it should read is told where, and what to do', () => {
  expect(wroteInto('fg', 'x', 3, 1.5, -2)).toEqual(
    new TypeError(
      'fg wrote into x (element 3 was 1.5 and is -2); it must only read x. Work on a copy, x.slice().',
    ),
  );
});
