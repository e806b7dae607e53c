import { describe, expect, it } from 'vitest';
import { solveResult } from '../../src/core/result.ts';
import { terminations, type Termination } from '../../src/core/termination.ts';
import { transformBy } from '../../src/core/transform.ts';
import type { Asks, Question } from '../../src/core/question.ts';
import type { SolveResult } from '../../src/core/result.ts';
import { uniform } from '../../bench/problems/random.js';

// Oracles: each formula of a transform once more, and the sentences of its ends.

const bfgs = { name: 'bfgs' };

/** A result with these facts. */
function resultOf(facts: Partial<SolveResult>): SolveResult {
  const measure = { value: 1, tolerance: 0.5 };
  return solveResult({
    x: Float64Array.of(1),
    f: 3,
    gradientNorm: 1,
    iterations: 7,
    evaluations: { f: 9, gradient: 8, hessianVector: 0, jacobianVector: 0, vectorJacobian: 0 },
    termination: 'lineSearchFailed',
    message: null,
    elapsed: 1,
    trace: [],
    method: 'bfgs',
    measures: { gradient: measure, function: measure, step: measure },
    ...facts,
  });
}

interface Asked {
  readonly question: Question;
  /** f and ∇f that the problem answers. */
  readonly f: number;
  readonly gradient?: number[];
}

/** Sends the answers of a problem through a filter; returns what the asker receives, and the result at its end. */
function sent(name: 'log' | 'sqrt', script: readonly Asked[], end: SolveResult) {
  const filter = transformBy('test', name, bfgs)!;
  const received: unknown[] = [];
  function* asker(): Asks<SolveResult> {
    for (const { question } of script) received.push(yield question);
    return end;
  }
  const turns = filter.pass(asker());
  let turn = turns.next();
  for (const { f, gradient } of script) {
    expect(turn.done).toBe(false);
    const question = turn.value as Question;
    if (gradient && 'gradient' in question) question.gradient?.set(gradient);
    turn = turns.next(f);
  }
  return { filter, received, result: turn.value as SolveResult };
}

const change = { log: Math.log, sqrt: Math.sqrt };
/** d change / d f, by what f is a function of. */
const slope = { log: (f: number) => f ** -1, sqrt: (f: number) => 0.5 * f ** -0.5 };

describe.each(['log', 'sqrt'] as const)('%s', (name) => {
  it('changes f, and scales its gradient by the slope of the change', () => {
    const random = uniform(4);
    const pick = <T>(...values: T[]): T => values[Math.floor(values.length * random())];
    for (let run = 0; run < 300; run++) {
      const points = [0, 1, 2].map(() => new Float64Array(2));
      const script = Array.from({ length: 8 }, (_, k): Asked => {
        if (k > 0 && random() < 0.1) return { question: { kind: 'nextBatch' }, f: -3 };
        const f = k === 0 ? 2 * random() + 1 : pick(random(), 10 ** (200 * random() - 100), 0, NaN, -1e-12);
        const gradient = [random() - 0.5, 4 * random()];
        const kind = k > 0 && random() < 0.2 ? 'overlap' : 'evaluate';
        const buffer = random() < 0.8 ? new Float64Array(2) : null;
        return { question: { kind, x: pick(...points), gradient: buffer }, f, gradient };
      });
      const { filter, received } = sent(name, script, resultOf({}));
      const answerTo = ({ question: { kind }, f }: Asked) =>
        kind === 'nextBatch'
          ? f
          : f === 0 && name === 'log'
            ? Math.log(5e-324)
            : f < 0
              ? NaN
              : change[name](f);
      expect(received).toEqual(script.map(answerTo));
      let normAtZero = 0;
      const last = new Map<Float64Array, [f: number, value: number]>();
      script.forEach((asked) => {
        const { question, f, gradient = [] } = asked;
        if (question.kind !== 'evaluate' && question.kind !== 'overlap') return;
        if (question.kind === 'evaluate') last.set(question.x, [f, answerTo(asked)]);
        if (question.gradient === null) return;
        if (f === 0) normAtZero = Math.max(...gradient.map(Math.abs));
        if (Number.isNaN(f) || f < 0) return;
        const factor = f === 0 ? 0 : slope[name](f);
        question.gradient.forEach((g, i) => {
          expect(Math.abs(g - factor * gradient[i])).toBeLessThanOrEqual(1e-14 * Math.abs(g));
        });
      });
      for (const [x, [f, value]] of last) {
        if (Number.isNaN(value)) continue;
        // A gradient of norm 3 seen by the solver.
        const undone = filter.undo({ f: value, gradientNorm: 3 }, x);
        expect(undone.f).toBe(f);
        const norm = f === 0 ? normAtZero : 3 / slope[name](f);
        expect(Math.abs(undone.gradientNorm - norm)).toBeLessThanOrEqual(1e-14 * norm);
        // At a value of another point, or in another array, only the inverse is known.
        const [elsewhere, unknown] = [
          filter.undo({ f: change[name](0.37), gradientNorm: 3 }, x),
          filter.undo({ f: change[name](0.37), gradientNorm: 3 }, x.slice()),
        ];
        expect(elsewhere.f).toBeCloseTo(0.37, 15);
        expect(unknown).toEqual(elsewhere);
        expect(unknown.gradientNorm).toBeCloseTo(3 / slope[name](0.37), 12);
      }
      const zero = name === 'log' ? Math.log(5e-324) : 0;
      expect(filter.undo({ f: zero, gradientNorm: 3 }, new Float64Array(2))).toEqual({
        f: 0,
        gradientNorm: normAtZero,
      });
    }
  });

  const at = (f: number): Asked => ({
    question: { kind: 'evaluate', x: new Float64Array(1), gradient: null },
    f,
  });

  /** The ends that limits, people and a minimum set: a sentence is added to theirs. */
  const kept: Termination[] = ['gradientTolerance', 'maxIterations', 'maxEvaluations', 'maxProducts'];
  kept.push('maxTime', 'validation', 'callback');

  it.each(Object.keys(terminations) as Termination[])(
    'tells that f fell below 0, or came to 0 with a slope, of a run that ended by %s',
    (termination) => {
      for (const { fs, facts, word } of [
        { fs: [2, NaN, -0.25, NaN, 1], facts: {}, word: 'fell to -0.25' },
        { fs: [2, -0.25, -0.5, 1], facts: { f: 0, gradientNorm: 0.5 }, word: 'fell to -0.5' },
        {
          fs: [2, 0],
          facts: { f: 0, gradientNorm: 0.51 },
          word: 'reached 0, where its gradient is not 0',
        },
      ]) {
        const rest = `${word}; transform: '${name}' needs f > 0, and has kept the run where that holds. Minimize f itself with transform: 'none', or add a constant to it.`;
        const state = { format: 1 } as unknown as SolveResult['state'];
        const end = resultOf({ termination, ...facts, state });
        const { result } = sent(name, fs.map(at), end);
        const isKept = kept.includes(termination);
        expect(result).toMatchObject({
          ...facts,
          iterations: 7,
          termination: isKept ? termination : 'nonFinite',
          converged: termination === 'gradientTolerance',
          message: isKept ? `${terminations[termination].sentence} But f ${rest}` : `The objective ${rest}`,
        });
        expect(result.state).toBe(state);
        expect(String(result)).toContain(result.message);
      }
      for (const { fs, facts } of [
        { fs: [2, NaN, 1], facts: {} },
        { fs: [2, -1e-10, 1], facts: {} },
        { fs: [1, -1e-10, 1], facts: {} },
        { fs: [2, 0], facts: { f: 0, gradientNorm: 0.5 } },
        { fs: [2, 0, 1], facts: { gradientNorm: 9 } },
      ]) {
        const end = resultOf({ termination, ...facts });
        const { message } = end;
        const { result } = sent(name, fs.map(at), end);
        expect(result).toBe(end);
        expect(result.message).toBe(message);
      }
    },
  );

  it.each([0, -1, NaN])('needs f > 0 at the first point, not %d', (f) => {
    expect(() => sent(name, [at(f)], resultOf({}))).toThrow(
      new RangeError(`test: a transform needs f > 0; f(p0) is ${f}.`),
    );
  });

  it('takes the answers to f and its gradient only; computations pass', () => {
    const compute = { kind: 'compute', name: 'noise', compute: () => 5 } as unknown as Question;
    expect(sent(name, [{ question: compute, f: 5 }, at(1)], resultOf({})).received[0]).toBe(5);
    const x = new Float64Array(1);
    const product: Question = { kind: 'hessianVector', x, v: x, product: x };
    expect(() => sent(name, [{ question: product, f: 0 }], resultOf({}))).toThrow(
      new TypeError('test: transform is for solvers that need no more than f and its gradient.'),
    );
  });
});

it('no transform, or one of no name, is none', () => {
  expect([transformBy('test', 'none', bfgs), transformBy('test', undefined, bfgs)]).toEqual([null, null]);
});
