import { afterEach, describe, expect, it, vi } from 'vitest';
import { metered, startMeter } from '../../src/core/meter.ts';
import { completeSolveOptions, plainSolveRules } from '../../src/core/solveOptions.ts';
import type { Asks, Question } from '../../src/core/question.ts';
import type { PlainSolveOptions } from '../../src/core/solveOptions.ts';

const meterOf = (options: PlainSolveOptions = {}) =>
  startMeter(completeSolveOptions('test', options, plainSolveRules));

const buffer = new Float64Array(1);
const questions = {
  value: { kind: 'evaluate', x: buffer, gradient: null },
  gradient: { kind: 'evaluate', x: buffer, gradient: buffer },
  overlap: { kind: 'overlap', x: buffer, gradient: buffer },
  overlapValue: { kind: 'overlap', x: buffer, gradient: null },
  residuals: { kind: 'residuals', x: buffer, residuals: buffer, jacobian: null },
  jacobian: { kind: 'residuals', x: buffer, residuals: buffer, jacobian: buffer },
  product: { kind: 'hessianVector', x: buffer, v: buffer, product: buffer },
  pushed: { kind: 'jacobianVector', x: buffer, v: buffer, product: buffer },
  pulled: { kind: 'vectorJacobian', x: buffer, u: buffer, product: buffer },
  nextBatch: { kind: 'nextBatch' },
  valuesAt: { kind: 'valuesAt', points: buffer, values: buffer },
} satisfies Record<string, Question>;

/** Asks these one after the other and ends with the sum of the answers. */
function* asking(...list: Question[]): Asks<number> {
  let sum = 0;
  for (const question of list) sum += yield question;
  return sum;
}

/** Answers every question with 1, noting it. */
function drive<Result>(asks: Asks<Result>, onAnswer = (_count: number) => {}) {
  const asked: Question[] = [];
  let turn = asks.next();
  while (!turn.done) {
    asked.push(turn.value);
    onAnswer(asked.length);
    turn = asks.next(1);
  }
  return { asked, result: turn.value };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('a meter', () => {
  it.each<[keyof typeof questions, [number, number, number]]>([
    ['value', [1, 0, 0]],
    ['gradient', [1, 1, 0]],
    ['overlap', [1, 1, 0]],
    ['overlapValue', [1, 0, 0]],
    ['residuals', [1, 0, 0]],
    ['jacobian', [1, 1, 0]],
    ['product', [0, 0, 1]],
    ['nextBatch', [0, 0, 0]],
    ['valuesAt', [0, 0, 0]],
  ])(
    'counts a question for %s as evaluations of f, ∇f and products %j',
    (name, [f, gradient, hessianVector]) => {
      const meter = meterOf();
      drive(metered(asking(questions[name]), meter, undefined));
      expect(meter).toMatchObject({ f, gradient, hessianVector });
      expect(Object.keys(meter)).toEqual(Object.keys(meterOf()));
    },
  );

  it('counts products with the Jacobian apart, and as no evaluations', () => {
    const { pushed, pulled } = questions;
    const meter = meterOf();
    drive(metered(asking(pushed, pulled, pulled), meter, undefined));
    expect(meter).toMatchObject({
      f: 0,
      gradient: 0,
      hessianVector: 0,
      jacobianVector: 1,
      vectorJacobian: 2,
    });
  });

  it('knows the seconds since its start', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const meter = meterOf();
    vi.advanceTimersByTime(2500);
    expect(meter.elapsed()).toBe(2.5);
    const later = meterOf();
    vi.advanceTimersByTime(250);
    expect([later.elapsed(), meter.elapsed()]).toEqual([0.25, 2.75]);
  });

  it('is exhausted once the evaluations allowed are used, or the time is over', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const meter = meterOf({ maxEvaluations: 2, maxTime: 3 });
    meter.count(questions.gradient);
    expect(meter.exhausted()).toBeNull();
    vi.advanceTimersByTime(2999);
    expect(meter.exhausted()).toBeNull();
    vi.advanceTimersByTime(1);
    expect(meter.exhausted()).toBe('maxTime');
    meter.count(questions.value);
    expect(meter.exhausted()).toBe('maxEvaluations');
    expect(meterOf().exhausted()).toBeNull();
  });
});

describe('a metered computation', () => {
  const { gradient, product, nextBatch, jacobian, overlap } = questions;

  it('returns its own result within the limits, and passes on all questions in order', () => {
    const list = [gradient, product, nextBatch, jacobian, overlap];
    const { asked, result } = drive(metered(asking(...list), meterOf({ maxEvaluations: 3 }), undefined));
    expect(asked).toEqual(list);
    expect(result).toBe(5);
  });

  it('ends before an evaluation exceeds the limit; other questions do not count', () => {
    const meter = meterOf({ maxEvaluations: 2 });
    const list = [gradient, jacobian, product, nextBatch, gradient, product];
    const { asked, result } = drive(metered(asking(...list), meter, undefined));
    expect(asked).toEqual(list.slice(0, 4));
    expect(result).toEqual({ kind: 'failed', termination: 'maxEvaluations' });
    expect(meter.f).toBe(2);
  });

  it('ends before a product of any kind exceeds the limit', () => {
    const { pushed, pulled } = questions;
    const list = [pushed, gradient, product, pulled, gradient, pushed];
    const { asked, result } = drive(metered(asking(...list), meterOf({ maxProducts: 3 }), undefined));
    expect(asked).toEqual(list.slice(0, 5));
    expect(result).toEqual({ kind: 'failed', termination: 'maxProducts' });
  });

  it.each([gradient, jacobian, overlap, product, questions.pushed])(
    'ends before $kind when its time is over',
    (question) => {
      vi.useFakeTimers({ toFake: ['performance'] });
      const meter = meterOf({ maxTime: 1 });
      const later = (count: number) => vi.advanceTimersByTime(count === 2 ? 1000 : 0);
      const { asked, result } = drive(metered(asking(question, question, question), meter, undefined), later);
      expect(asked.length).toBe(2);
      expect(result).toEqual({ kind: 'failed', termination: 'maxTime' });
    },
  );

  it('passes on all other questions, whatever limit is reached', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const compute: Question = { kind: 'compute', name: 'loss', run: () => {} };
    const list = [nextBatch, questions.valuesAt, compute];
    const meter = meterOf({ maxEvaluations: 1, maxProducts: 1, maxTime: 1 });
    for (const question of [gradient, product]) meter.count(question);
    vi.advanceTimersByTime(2000);
    expect(list.map((question) => meter.forbids(question))).toEqual([null, null, null]);
    expect(meter.forbids(product)).toBe('maxProducts');
    expect(meter.forbids(gradient)).toBe('maxEvaluations');
  });

  it('counts the evaluation after which the signal was aborted, and throws its reason', () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const meter = meterOf();
    const abort = (count: number) => {
      if (count === 2) controller.abort(reason);
    };
    const asks = metered(asking(gradient, gradient, gradient), meter, controller.signal);
    expect(() => drive(asks, abort)).toThrow(reason);
    expect(meter.f).toBe(2);
  });
});
