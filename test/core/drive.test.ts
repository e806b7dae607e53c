import { describe, expect, it } from 'vitest';
import { runAsync, runSync, runUnguarded, runUnguardedAsync } from '../../src/core/drive.ts';
import type { AsyncProblem, Problem } from '../../src/core/problem.ts';
import type { Asks, Question } from '../../src/core/question.ts';

const x = Float64Array.of(1, 2);
const buffer = (length = 2) => new Float64Array(length).fill(NaN);

/** A question of each kind, with the arguments of its method and its answer. */
function questions(): [question: Question, given: unknown[], answer: number][] {
  const [gradient, v, u, product] = [buffer(), Float64Array.of(3, 4), Float64Array.of(5), buffer()];
  const [residuals, jacobian, points, values] = [buffer(3), buffer(6), buffer(4), buffer()];
  return [
    [{ kind: 'evaluate', x, gradient }, [x, gradient], 7],
    [{ kind: 'evaluate', x, gradient: null }, [x, null], 7],
    [{ kind: 'overlap', x, gradient }, [x, gradient], 7],
    [{ kind: 'nextBatch' }, [], 0],
    // Σ rᵢ² of 1, 2 and 3.
    [{ kind: 'residuals', x, residuals, jacobian }, [x, residuals, jacobian], 14],
    [{ kind: 'residuals', x, residuals, jacobian: null }, [x, residuals, null], 14],
    [{ kind: 'jacobianVector', x, v, product }, [x, v, product], 0],
    [{ kind: 'vectorJacobian', x, u, product }, [x, u, product], 0],
    [{ kind: 'jacobianGram', x, product }, [x, product], 0],
    [{ kind: 'hessianVector', x, v, product }, [x, v, product], 0],
    [{ kind: 'valuesAt', points, values }, [points, values], 0],
  ];
}

function* ask(question: Question): Asks<number> {
  return yield question;
}

/** A problem whose methods note what they are given; each answers 7, and residuals are 1, 2, 3, …. */
function recorder() {
  const calls: [method: string, given: unknown[]][] = [];
  const method =
    (name: string) =>
    (...given: unknown[]) => {
      calls.push([name, given]);
      if (name === 'residuals') (given[1] as Float64Array).forEach((_, i, r) => (r[i] = i + 1));
      return 7;
    };
  const names = ['fg', 'overlap', 'nextBatch', 'residuals', 'jacobianVector', 'vectorJacobian'];
  names.push('jacobianGram', 'hessianVector', 'valuesAt');
  const methods = Object.fromEntries(names.map((name) => [name, method(name)]));
  return { problem: { p0: x, ...methods } as unknown as Problem, calls };
}

const named = questions().map(([question, given, answer]) => ({
  kind: question.kind,
  question,
  given,
  answer,
}));

describe.each(named)('the question $kind', ({ kind, question, given, answer }) => {
  const name = kind === 'evaluate' ? 'fg' : kind;

  it('is put to the method of its name, with the buffers of the question', async () => {
    for (const isAsync of [false, true]) {
      const { problem, calls } = recorder();
      const result = isAsync
        ? await runUnguardedAsync(ask(question), problem)
        : runUnguarded(ask(question), problem);
      expect(result).toBe(answer);
      expect(calls).toEqual([[name, given]]);
      calls[0][1].forEach((argument, i) => expect(argument).toBe(given[i]));
    }
  });

  it('is refused where the method is missing, with what to do', async () => {
    if (name === 'fg') return;
    const problem: Problem = { p0: x, fg: () => 7 };
    const advice: Record<string, string> = {
      nextBatch: 'has no mini-batches; give it a method nextBatch().',
      overlap:
        'does not say what its batches share; give it a method overlap(x, gradient) in addition to nextBatch().',
      residuals:
        'has no residuals; leastSquares({ p0, residualCount, residuals }) makes a problem with residuals.',
      jacobianGram: 'has no products of its Jacobian with itself; give it a method jacobianGram(x, product).',
      hessianVector: 'has no Hessian-vector products; give it a method hessianVector(x, v, product).',
      valuesAt: 'cannot give many values at once; give it a method valuesAt(points, values).',
    };
    const expected = new TypeError(
      `This problem ${
        advice[name] ??
        'has no products with its Jacobian; give it methods jacobianVector(x, v, product) and vectorJacobian(x, u, product).'
      }`,
    );
    expect(() => runUnguarded(ask(question), problem)).toThrow(expected);
    await expect(runUnguardedAsync(ask(question), problem)).rejects.toThrow(expected);
  });

  it('may be answered by a promise only where that is awaited', async () => {
    const { problem } = recorder();
    const method = problem[name as 'fg'] as (...given: unknown[]) => unknown;
    const later = { ...problem, [name]: async (...given: unknown[]) => method(...given) };
    expect(() => runUnguarded(ask(question), later)).toThrow(
      new TypeError(
        `${name} must be synchronous here; it returned a Promise. The function of the same name that ends in Async awaits it.`,
      ),
    );
    expect(await runUnguardedAsync(ask(question), later as unknown as AsyncProblem)).toBe(answer);
  });
});

it('any other work is done by the question itself', () => {
  let count = 0;
  const { problem, calls } = recorder();
  const question: Question = { kind: 'compute', name: 'work', run: () => void count++ };
  expect(runUnguarded(ask(question), problem)).toBe(0);
  expect([count, calls.length]).toEqual([1, 0]);
});

it('a rejected promise that is refused is not reported again', async () => {
  const later = { p0: x, fg: () => Promise.reject(new Error('late')) } as unknown as Problem;
  expect(() => runUnguarded(ask({ kind: 'evaluate', x, gradient: null }), later)).toThrow(/synchronous/);
  // An unhandled rejection would fail the run of the tests.
  await new Promise((done) => setTimeout(done, 5));
});

describe('an error of the problem', () => {
  const failure = new Error('no data');
  const broken: Problem = {
    p0: x,
    fg() {
      throw failure;
    },
  };

  /** Asks for f, and returns −1 if that fails. */
  function* brave(): Asks<number> {
    try {
      return yield { kind: 'evaluate', x, gradient: null };
    } catch (error) {
      return error === failure ? -1 : NaN;
    }
  }

  it('may be handled by the computation', async () => {
    expect(runSync(brave(), broken)).toBe(-1);
    expect(runUnguarded(brave(), broken)).toBe(-1);
    expect(await runAsync(brave(), broken)).toBe(-1);
    expect(await runUnguardedAsync(brave(), broken)).toBe(-1);
  });

  it('leaves unchanged otherwise', async () => {
    const question: Question = { kind: 'evaluate', x, gradient: null };
    expect(() => runSync(ask(question), broken)).toThrow(failure);
    await expect(runAsync(ask(question), broken)).rejects.toBe(failure);
  });
});

it('an asynchronous run pauses before a question once its time is up, and goes on afterwards', async () => {
  const order: string[] = [];
  const problem: Problem & { yieldEvery: number } = {
    p0: x,
    yieldEvery: 0,
    fg: () => (order.push('fg'), 1),
  };
  function* twice(): Asks<void> {
    for (let k = 0; k < 2; k++) yield { kind: 'evaluate', x, gradient: null };
  }
  const run = runUnguardedAsync(twice(), problem);
  setImmediate(() => order.push('other'));
  await run;
  expect(order.indexOf('other')).toBeLessThan(order.lastIndexOf('fg'));
  expect(order.filter((name) => name === 'fg').length).toBe(2);
});
