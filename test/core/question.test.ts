import { describe, expect, it } from 'vitest';
import { compute, type Asks, type Question } from '../../src/core/question.ts';
import { asksForDerivative, bufferOf, questionKinds } from '../../src/core/questionKinds.ts';
import { runAsync, runSync } from '../../src/core/drive.ts';

const problem = { p0: Float64Array.of(1), fg: ([x]: Float64Array) => x ** 2 };
const failure = new Error('no such file');

/** Computes two values, of which the second needs the first; notes that it was cleaned up. */
function* twice(run: (factor: number) => number | Promise<number>, notes: string[] = []): Asks<number> {
  try {
    const first = yield* compute('metric', () => run(2));
    return yield* compute('metric', () => run(first));
  } finally {
    notes.push('done');
  }
}

describe('a value that a computation asks to be computed', () => {
  it('is the same whether it comes at once or later', async () => {
    expect(
      runSync(
        twice((factor) => 3 * factor),
        problem,
      ),
    ).toBe(18);
    expect(
      await runAsync(
        twice((factor) => 3 * factor),
        problem,
      ),
    ).toBe(18);
    expect(
      await runAsync(
        twice(async (factor) => 3 * factor),
        problem,
      ),
    ).toBe(18);
  });

  it('may be anything, also undefined and functions', () => {
    const named = () => 'named';
    for (const value of [undefined, null, 'text', named, Float64Array.of(1)]) {
      expect(
        runSync(
          compute('value', () => value),
          problem,
        ),
      ).toBe(value);
    }
  });

  it('is refused by the synchronous driver if it comes later', () => {
    const notes: string[] = [];
    const run = async () => Promise.reject(failure);
    expect(() => runSync(twice(run, notes), problem)).toThrow(
      /^metric must be synchronous here; it returned a Promise/,
    );
    expect(notes).toEqual(['done']);
  });

  it('throws its own error into the computation, which leaves unchanged', async () => {
    const notes: string[] = [];
    const run = () => {
      throw failure;
    };
    expect(() => runSync(twice(run, notes), problem)).toThrow(failure);
    await expect(
      runAsync(
        twice(async () => Promise.reject(failure), notes),
        problem,
      ),
    ).rejects.toBe(failure);
    expect(notes).toEqual(['done', 'done']);
  });
});

describe('a question', () => {
  const [x, out] = [Float64Array.of(1), Float64Array.of(2)];

  it.each<[Question, boolean]>([
    [{ kind: 'evaluate', x, gradient: null }, false],
    [{ kind: 'evaluate', x, gradient: out }, true],
    [{ kind: 'overlap', x, gradient: null }, false],
    [{ kind: 'overlap', x, gradient: out }, true],
    [{ kind: 'residuals', x, residuals: out, jacobian: null }, false],
    [{ kind: 'residuals', x, residuals: out, jacobian: out }, true],
    [{ kind: 'jacobianGram', x, product: out }, true],
    [{ kind: 'jacobianVector', x, v: x, product: out }, false],
    [{ kind: 'hessianVector', x, v: x, product: out }, false],
    [{ kind: 'valuesAt', points: x, values: out }, false],
    [{ kind: 'nextBatch' }, false],
    [{ kind: 'compute', name: 'loss', run: () => {} }, false],
  ])('asks for a derivative of f, an output that is not null: %j, %s', (question, asks) => {
    expect(asksForDerivative(question)).toBe(asks);
  });

  it('has its buffers by name', () => {
    const question: Question = { kind: 'residuals', x, residuals: out, jacobian: null };
    const { inputs, outputs } = questionKinds.residuals;
    expect([...inputs, ...outputs].map((name) => bufferOf(question, name))).toEqual([x, out, null]);
  });

  it('counts as a product only if it is one of Hessian or Jacobian with a vector', () => {
    const products = Object.entries(questionKinds).filter(([, { isProduct }]) => isProduct);
    expect(products.map(([name]) => name)).toEqual(['jacobianVector', 'vectorJacobian', 'hessianVector']);
  });
});
