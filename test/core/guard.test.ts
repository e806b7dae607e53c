import { describe, expect, it, vi } from 'vitest';
import {
  hessianVectorProduct,
  lbfgs,
  leastSquares,
  levenbergMarquardt,
  minimize,
  minimizeAsync,
  newtonCG,
  runAsync,
  runSync,
  slbfgs,
  vectorParams,
  type Asks,
  type AsyncProblem,
  type Problem,
  type Question,
} from 'quasi-newton';
import { landscape } from 'quasi-newton/landscape';
import { rosenbrock, type Full } from './functions.ts';

/** Asks the questions one after the other, and returns the answers. */
function* asking(...questions: Question[]): Asks<number[]> {
  const answers: number[] = [];
  for (const question of questions) answers.push(yield question);
  return answers;
}

const later = (problem: Problem): AsyncProblem => ({
  ...(problem as unknown as AsyncProblem),
  fg: async (x, gradient) => problem.fg(x, gradient),
});

const x = () => Float64Array.of(1, 2, 3);
const buffer = (n = 3) => new Float64Array(n);
const params = vectorParams(buffer(), {
  length: 3,
  tensors: [
    { name: 'kernel', shape: [2], offset: 0, size: 2 },
    { name: 'bias', shape: [1], offset: 2, size: 1 },
  ],
});

/** f = Σxᵢ², with everything that a problem may answer. */
const whole: Full<Omit<Problem, 'nextBatch' | 'precision' | 'statistics' | 'yieldEvery' | 'gradientError'>> =
  {
    p0: x(),
    params,
    residualCount: 3,
    fg(at: Float64Array, gradient: Float64Array | null) {
      gradient?.set(at.map((value) => 2 * value));
      return at.reduce((sum, value) => sum + value * value, 0);
    },
    overlap(at: Float64Array, gradient: Float64Array | null) {
      return whole.fg(at, gradient);
    },
    hessianVector(_: Float64Array, v: Float64Array, product: Float64Array) {
      product.set(v.map((value) => 2 * value));
    },
    jacobianVector(_: Float64Array, v: Float64Array, product: Float64Array) {
      product.set(v);
    },
    vectorJacobian(_: Float64Array, u: Float64Array, product: Float64Array) {
      product.set(u);
    },
    jacobianGram(_: Float64Array, product: Float64Array) {
      product.set([1, 0, 0, 0, 1, 0, 0, 0, 1]);
    },
    residuals(at: Float64Array, residuals: Float64Array, jacobian: Float64Array | null) {
      residuals.set(at);
      jacobian?.set([1, 0, 0, 0, 1, 0, 0, 0, 1]);
    },
    valuesAt(points: Float64Array, values: Float64Array) {
      values.forEach((_, k) => (values[k] = whole.fg(points.slice(3 * k, 3 * k + 3), null)));
    },
  };

const questions: Record<string, () => Question> = {
  fg: () => ({ kind: 'evaluate', x: x(), gradient: buffer() }),
  overlap: () => ({ kind: 'overlap', x: x(), gradient: buffer() }),
  hessianVector: () => ({ kind: 'hessianVector', x: x(), v: x(), product: buffer() }),
  residuals: () => ({ kind: 'residuals', x: x(), residuals: buffer(), jacobian: buffer(9) }),
  jacobianVector: () => ({ kind: 'jacobianVector', x: x(), v: x(), product: buffer() }),
  vectorJacobian: () => ({ kind: 'vectorJacobian', x: x(), u: x(), product: buffer() }),
  jacobianGram: () => ({ kind: 'jacobianGram', x: x(), product: buffer(9) }),
  valuesAt: () => ({ kind: 'valuesAt', points: Float64Array.of(...x(), ...x()), values: buffer(2) }),
};

/** Which argument of a method is which output. */
const outputs: [method: keyof typeof questions, argument: number, name: string][] = [
  ['fg', 1, 'gradient'],
  ['overlap', 1, 'gradient'],
  ['hessianVector', 2, 'product'],
  ['jacobianVector', 2, 'product'],
  ['vectorJacobian', 2, 'product'],
  ['jacobianGram', 1, 'product'],
  ['residuals', 1, 'residuals'],
  ['residuals', 2, 'jacobian'],
  ['valuesAt', 1, 'values'],
];

/** The problem with a method that does something to its buffers before and after. */
function altered(method: string, after: (buffers: Float64Array[], before: Float64Array[]) => void): Problem {
  const original = whole[method as 'fg'] as (...buffers: Float64Array[]) => number;
  return {
    ...whole,
    [method]: (...buffers: Float64Array[]) => {
      const before = buffers.map((values) => values?.slice());
      const answer = original(...buffers);
      after(buffers, before);
      return answer;
    },
  };
}

describe.each(outputs)('%s, output %d (%s)', (method, argument, name) => {
  const refusal = (index: string) => `${method} left element ${index} of ${name} unwritten`;

  it('must be written, to the last element', async () => {
    const last = method === 'valuesAt' ? 1 : name === 'jacobian' || method === 'jacobianGram' ? 8 : 2;
    const problem = altered(method, (buffers, before) => {
      buffers[argument][last] = before[argument][last];
    });
    const place = last === 2 ? '2 (of "bias")' : String(last);
    const { message } = refusalOf(() => runSync(asking(questions[method]()), problem));
    expect(message).toContain(refusal(place));
    await expect(runAsync(asking(questions[method]()), later(problem))).rejects.toThrow(refusal(place));
  });

  it('must not be added to', () => {
    const problem = altered(method, (buffers, before) => {
      buffers[argument].forEach((value, i) => (buffers[argument][i] = before[argument][i] + value));
    });
    expect(() => runSync(asking(questions[method]()), problem)).toThrow(/, or added to what was there:/);
  });

  it('may be NaN by itself', () => {
    const problem = altered(method, (buffers) => {
      buffers[argument][1] = Math.log(-1) + 1;
    });
    expect(() => runSync(asking(questions[method]()), problem)).not.toThrow();
  });

  it('is checked only once', () => {
    let calls = 0;
    const problem = altered(method, (buffers, before) => {
      if (calls++ > 0) buffers[argument][0] = before[argument][0];
    });
    expect(() => runSync(asking(questions[method](), questions[method]()), problem)).not.toThrow();
  });
});

/** Runs, and returns the TypeError that ends the run. */
function refusalOf(run: () => unknown): TypeError {
  let refusal: unknown = null;
  try {
    run();
  } catch (error) {
    refusal = error;
  }
  expect(refusal).toBeInstanceOf(TypeError);
  return refusal as TypeError;
}

describe('buffers that hold NaN', () => {
  const unwritten = (method: string, argument: number): Problem =>
    altered(method, (buffers, before) => buffers[argument]?.set(before[argument]));

  it('from the first element to the last are looked at by those who ask for f or residuals', () => {
    for (const [question, problem] of [
      [{ kind: 'evaluate', x: x(), gradient: buffer().fill(NaN) }, unwritten('fg', 1)],
      [
        { kind: 'residuals', x: x(), residuals: buffer().fill(NaN), jacobian: null },
        unwritten('residuals', 1),
      ],
    ] as [Question, Problem][]) {
      expect(() => runSync(asking(question), { ...problem, fg: () => NaN })).not.toThrow();
    }
  });

  it('are named without a tensor where the problem has none', () => {
    const { params: _, ...problem } = unwritten('fg', 1);
    expect(refusalOf(() => runSync(asking(questions.fg()), problem)).message).toMatch(
      /^fg left element 0 of gradient unwritten/,
    );
  });

  it('buffers that hold NaN in some elements must be written', () => {
    const question: Question = { kind: 'evaluate', x: x(), gradient: Float64Array.of(NaN, 0, NaN) };
    expect(refusalOf(() => runSync(asking(question), unwritten('fg', 1))).message).toMatch(
      /fg left element 0 .* of gradient unwritten/,
    );
  });

  it('must be written where they are asked for otherwise', () => {
    const question: Question = { kind: 'hessianVector', x: x(), v: x(), product: buffer().fill(NaN) };
    expect(refusalOf(() => runSync(asking(question), unwritten('hessianVector', 2))).message).toMatch(
      /hessianVector left element 0 .* of product unwritten/,
    );
  });

  it('count as changed only in elements that are NaN no longer, or have become so', () => {
    const v = Float64Array.of(NaN, 1, 2);
    const ask = (method: Problem['hessianVector']) => () =>
      runSync(asking({ kind: 'hessianVector', x: x(), v: v.slice(), product: buffer() }), {
        ...whole,
        hessianVector: method,
      });
    const writes = (index: number, value: number) =>
      ask((_, w, product) => {
        product.set(w);
        w[index] = value;
      });
    expect(writes(0, NaN)).not.toThrow();
    expect(refusalOf(writes(0, 4)).message).toContain('(element 0 was NaN and is 4)');
    expect(refusalOf(writes(2, NaN)).message).toContain('(element 2 was 2 and is NaN)');
  });
});

describe('each kind of question is looked at by itself:', () => {
  it('f alone, then with a gradient', () => {
    const problem: Problem = { ...whole, fg: (at) => whole.fg(at, null) };
    const alone: Question = { kind: 'evaluate', x: x(), gradient: null };
    expect(refusalOf(() => runSync(asking(alone, questions.fg()), problem)).message).toMatch(
      /fg left element 0 .* of gradient unwritten/,
    );
  });

  it('residuals alone, then with their Jacobian', () => {
    const problem: Problem = { ...whole, residuals: (at, residuals) => residuals.set(at) };
    const alone: Question = { kind: 'residuals', x: x(), residuals: buffer(), jacobian: null };
    expect(refusalOf(() => runSync(asking(alone, questions.residuals()), problem)).message).toMatch(
      /residuals left element 0 of jacobian unwritten/,
    );
  });

  it('each kind of question is looked at once: f alone is not looked at again', () => {
    let calls = 0;
    const problem: Problem = {
      ...whole,
      fg(at) {
        if (calls++ > 0) at[0] = 9;
        return 0;
      },
    };
    const alone = (): Question => ({ kind: 'evaluate', x: x(), gradient: null });
    expect(() => runSync(asking(alone(), alone()), problem)).not.toThrow();
  });
});

describe('inputs', () => {
  it.each([
    ['fg', 0, 'x'],
    ['overlap', 0, 'x'],
    ['hessianVector', 0, 'x'],
    ['hessianVector', 1, 'v'],
    ['jacobianVector', 0, 'x'],
    ['jacobianVector', 1, 'v'],
    ['vectorJacobian', 0, 'x'],
    ['vectorJacobian', 1, 'u'],
    ['residuals', 0, 'x'],
    ['valuesAt', 0, 'points'],
  ])('of %s must not be written (argument %d, %s)', (method, argument, name) => {
    for (const index of [0, 1, 2]) {
      const problem = altered(method, (buffers) => void (buffers[argument][index] = 7));
      expect(refusalOf(() => runSync(asking(questions[method]()), problem)).message).toBe(
        `${method} wrote into ${name} (element ${index} was ${index + 1} and is 7); it must only read ${name}. Work on a copy, ${name}.slice().`,
      );
    }
  });

  it('that are p0 itself, or equal to it, must not be written either', () => {
    for (const at of [whole.p0, whole.p0.slice(), new Float64Array(whole.p0.buffer, 0, 3)]) {
      const problem = altered('fg', ([given]) => void (given[1] = 7));
      const question: Question = { kind: 'evaluate', x: at, gradient: buffer() };
      const { message } = refusalOf(() => runSync(asking(question), problem));
      expect(message).toContain('fg wrote into x (element 1 was 2 and is 7)');
      whole.p0.set(x());
    }
  });

  it('the input of a callback must not be written', () => {
    const callback = ({ x: at, iteration }: { x: Float64Array; iteration: number }) => {
      if (iteration === 3) at[1] = -1;
    };
    expect(() => minimize(rosenbrock(), lbfgs(), { callback })).toThrow(
      /callback wrote into x \(element 1 was .* and is -1\); it must only read x\. Work on a copy, x\.slice\(\)/,
    );
    const seen: number[] = [];
    minimize(rosenbrock(), lbfgs(), { callback: ({ x: at }) => void seen.push(at[0]) });
    expect(seen[0]).toBe(-1.2);
    expect(seen.at(-1)).toBeCloseTo(1, 6);
  });
});

describe('a value', () => {
  it.each([undefined, null, '3', [3], 3n])(
    'that is %o is refused, also in the middle of a run',
    async (value) => {
      const { p0, fg } = rosenbrock();
      const problemOf = (): Problem => {
        let calls = 0;
        return { p0, fg: (at, gradient) => (++calls > 5 ? (value as never) : fg(at, gradient)) };
      };
      expect(refusalOf(() => minimize(problemOf(), lbfgs())).message).toMatch(/fg must return a number, got/);
      await expect(minimizeAsync(later(problemOf()), lbfgs())).rejects.toThrow(
        /fg must return a number, got/,
      );
    },
  );

  it('that is a promise is refused in the middle of a synchronous run, and the parameters hold the best point', () => {
    const { p0, fg } = rosenbrock();
    const own = vectorParams(Float64Array.from(p0));
    let calls = 0;
    const problem: Problem = {
      p0,
      statistics: { read: () => new Float64Array(0), write: () => {} },
      params: own,
      fg: (at, gradient) => (++calls > 5 ? (Promise.resolve(1) as never) : fg(at, gradient)),
    };
    expect(() => minimize(problem, lbfgs())).toThrow(/fg must be synchronous here; it returned a Promise/);
    const left = own.copyInto(own.zeros());
    expect(left).not.toEqual(p0);
    expect(fg(left, null)).toBeLessThan(fg(p0, null));
  });
});

it('an asker may catch a refusal and ask on, with answers to the questions that follow', async () => {
  function* patient(): Asks<unknown[]> {
    const found: unknown[] = [];
    for (const question of [questions.hessianVector(), questions.fg(), questions.overlap()]) {
      try {
        found.push(yield question);
      } catch (error) {
        found.push((error as Error).message.slice(0, 18));
      }
    }
    return found;
  }
  const problem = altered('hessianVector', (buffers, before) => buffers[2].set(before[2]));
  const wanted = ['hessianVector left', 14, 14];
  expect(runSync(patient(), problem)).toEqual(wanted);
  expect(await runAsync(patient(), later(problem))).toEqual(wanted);
});

function isRefused(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch (error) {
    if (error instanceof TypeError && error.message.includes('two functions')) return true;
    throw error;
  }
}

describe('the methods of an older fg:', () => {
  const penalized = {
    ...whole,
    fg(at: Float64Array, gradient: Float64Array | null) {
      const f = whole.fg(at, gradient);
      gradient?.forEach((value, i) => (gradient[i] = value + 0.02 * at[i]));
      return f + 0.01 * at.reduce((sum, value) => sum + value * value, 0);
    },
  };

  it('valuesAt is noticed', async () => {
    const message = /valuesAt gives 14 where fg gives 14\.14 at the same point: .*valuesAt: undefined/;
    expect(() => runSync(asking(questions.valuesAt()), penalized)).toThrow(message);
    await expect(runAsync(asking(questions.valuesAt()), later(penalized))).rejects.toThrow(message);
    const options = { center: x(), npoints: 3 };
    expect(() => landscape(penalized, options)).toThrow(/valuesAt gives .* where fg gives/);
    expect(landscape({ ...penalized, valuesAt: undefined }, options).loss).toBeCloseTo(14.14, 12);
  });

  it('valuesAt is compared at the first point only, and not at all without points', () => {
    const fg = vi.fn<Problem['fg']>((at, gradient) => whole.fg(at, gradient));
    const none: Question = { kind: 'valuesAt', points: buffer(0), values: buffer(0) };
    runSync(asking(none), { ...whole, fg });
    expect(fg).not.toHaveBeenCalled();
    runSync(asking(questions.valuesAt(), questions.valuesAt()), { ...whole, fg });
    expect(fg.mock.calls).toEqual([[x(), null]]);
    const { message } = refusalOf(() => runSync(asking(questions.valuesAt()), penalized));
    expect(message).toMatch(/they are two functions\. A problem made by/);
  });

  it('residuals are compared at their own point, wherever f was asked for before', () => {
    const at = x();
    const elsewhere: Question = { kind: 'evaluate', x: Float64Array.of(1, 5, 3), gradient: null };
    const reused: Question = { kind: 'evaluate', x: at, gradient: null };
    const residuals = (): Question => ({ kind: 'residuals', x: at, residuals: buffer(), jacobian: null });
    expect(runSync(asking(elsewhere, residuals()), whole)).toEqual([35, 14]);
    function* moved(): Asks<number> {
      yield reused;
      at[0] = 4; // the same buffer holds another point
      return yield residuals();
    }
    expect(runSync(moved(), whole)).toBe(29);
    // Compared with f elsewhere, residuals of another function would count as random.
    at.set(x());
    expect(refusalOf(() => runSync(asking(elsewhere, residuals()), penalized)).message).toMatch(
      /^residuals gives 14 where fg gives 14\.14 /,
    );
    expect(refusalOf(() => runSync(moved(), penalized)).message).toMatch(
      /^residuals gives 29 where fg gives 29\.29 /,
    );
  });

  it('residuals are noticed, without another evaluation where f is known', () => {
    const fg = vi.fn<Problem['fg']>((at, gradient) => penalized.fg(at, gradient));
    const message =
      /residuals gives 14 where fg gives 14\.14 .*fg must return the sum of the squared residuals/;
    expect(() => minimize({ ...penalized, fg }, levenbergMarquardt())).toThrow(message);
    const halved = vi.fn<Problem['fg']>((at, gradient) => whole.fg(at, gradient) / 2);
    expect(() => minimize({ ...whole, fg: halved }, levenbergMarquardt())).toThrow(
      /residuals gives 14 where fg gives 7/,
    );
    const right = vi.fn<Problem['fg']>(whole.fg);
    minimize({ ...whole, fg: right }, levenbergMarquardt());
    expect(right).toHaveBeenCalledTimes(1);
  });

  it.each([
    ['float64', 1e-7, false],
    ['float64', 1e-5, true],
    ['float32', 1e-4, false],
    ['float32', 1e-2, true],
  ] as const)('in %s a difference of %d is noticed: %s', (precision, difference, isNoticed) => {
    const fg: Problem['fg'] = (at, gradient) => whole.fg(at, gradient) * (1 + difference);
    const run = () => runSync(asking(questions.valuesAt()), { ...whole, precision, fg });
    expect(isRefused(run)).toBe(isNoticed);
  });

  it('is not suspected where fg differs from call to call', () => {
    let calls = 0;
    const noisy: Problem = { ...whole, fg: (at, gradient) => whole.fg(at, gradient) * (1 + 0.3 * ++calls) };
    expect(() => runSync(asking(questions.valuesAt()), noisy)).not.toThrow();
  });

  it('is not judged where values are not finite', () => {
    const problem = altered('valuesAt', (buffers) => void buffers[1].fill(Infinity));
    expect(() => runSync(asking(questions.valuesAt()), problem)).not.toThrow();
    expect(() => runSync(asking(questions.valuesAt()), { ...whole, fg: () => NaN })).not.toThrow();
  });
});

it('takes no evaluation of fg if there is nothing to compare', () => {
  const fg = vi.fn<Problem['fg']>(rosenbrock().fg);
  const { evaluations } = minimize({ ...rosenbrock(), fg }, lbfgs());
  expect(fg).toHaveBeenCalledTimes(evaluations.f);
});

it('accepts correct problems', () => {
  const problem = { ...whole, nextBatch: () => {} };
  for (const solver of [lbfgs(), newtonCG(), slbfgs()]) {
    expect(() => minimize(whole, solver)).not.toThrow();
    expect(() => minimize(problem, solver, { maxIterations: 5 })).not.toThrow();
  }
  expect(hessianVectorProduct(whole, x(), x()).product).toEqual(Float64Array.of(2, 4, 6));
  const fit = leastSquares({ p0: x(), residualCount: 3, residuals: whole.residuals });
  expect(minimize(fit, levenbergMarquardt()).converged).toBe(true);
});
