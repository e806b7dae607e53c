import { describe, expect, it } from 'vitest';
import { rescaling } from '../../src/core/rescale.ts';
import type { Asks, Question } from '../../src/core/question.ts';
import { auto, bfgs, conjugateGradient, lbfgs, minimize, ssbroyden, type Problem } from 'quasi-newton';
import { rosenbrock } from './functions.ts';

/** What an asker is told where its first evaluation gives this f and gradient. */
function told(f: number, slope: number) {
  const filter = rescaling();
  const gradient = Float64Array.of(0, 0);
  function* asks(): Asks<number> {
    return yield { kind: 'evaluate', x: gradient, gradient };
  }
  const run = filter.pass(asks());
  run.next();
  gradient.set([slope / 4, -slope]);
  const { value } = run.next(f);
  return { f: value as number, gradient: [...gradient], filter };
}

describe('rescaling', () => {
  it.each([
    [1, 1],
    [1e200, 2 ** 300],
    [1e-200, -(2 ** -300)],
    [5, 0],
    [5, NaN],
    [5, Infinity],
  ])('passes f = %d with a slope of %d on as they are', (f, slope) => {
    const { f: seen, gradient, filter } = told(f, slope);
    expect([seen, ...gradient]).toEqual([f, slope / 4, -slope]);
    expect(filter.undo({ f: 3, gradientNorm: 4 })).toEqual({ f: 3, gradientNorm: 4 });
  });

  it.each([
    [1.5 * 2 ** 500, 2 ** 401, 2 ** -402],
    [-3, 1.99 * 2 ** 350, 2 ** -350],
    [3, -1.5 * 2 ** -400, 2 ** 400],
    [0, 2 ** -1000, 2 ** 900],
    // |f| has room for 2⁹⁰⁰ alone.
    [1.5 * 2 ** 600, 2 ** -500, 2 ** 300],
    [-1.5 * 2 ** 1000, 2 ** -500, 2 ** -100],
    [Infinity, 2 ** -500, 1],
    [NaN, 2 ** -500, 1],
  ])('multiplies f = %d with a slope of %d by %d, and undoes it exactly', (f, slope, scale) => {
    const { f: seen, gradient, filter } = told(f, slope);
    expect([seen, ...gradient]).toEqual([f * scale, (slope / 4) * scale, -slope * scale]);
    expect(filter.undo({ f: 3 * scale, gradientNorm: 4 * scale })).toEqual({ f: 3, gradientNorm: 4 });
    expect(filter.factor()).toBe(scale);
  });

  it('scales all that follows by the first gradient, and nothing before it', () => {
    const filter = rescaling();
    const buffer = new Float64Array(1);
    const other = new Float64Array(1);
    const root = new Float64Array(1);
    const questions: [Question, Float64Array | null, number][] = [
      [{ kind: 'evaluate', x: buffer, gradient: null }, null, 7],
      [{ kind: 'hessianVector', x: buffer, v: buffer, product: other }, other, 7],
      [{ kind: 'evaluate', x: buffer, gradient: other }, other, 7 * 2 ** 400],
      [{ kind: 'evaluate', x: buffer, gradient: null }, null, 7 * 2 ** 400],
      [{ kind: 'evaluate', x: buffer, gradient: other }, other, 7 * 2 ** 400],
      [{ kind: 'overlap', x: buffer, gradient: other }, other, 7 * 2 ** 400],
      [{ kind: 'overlap', x: buffer, gradient: null }, null, 7 * 2 ** 400],
      [{ kind: 'hessianVector', x: buffer, v: buffer, product: other }, other, 7],
      [{ kind: 'valuesAt', points: buffer, values: other }, other, 7],
      [{ kind: 'nextBatch' }, null, 7],
      [{ kind: 'jacobianVector', x: buffer, v: buffer, product: root }, root, 7],
      [{ kind: 'vectorJacobian', x: buffer, u: buffer, product: root }, root, 7],
      [{ kind: 'jacobianGram', x: buffer, product: other }, other, 7],
      [{ kind: 'residuals', x: buffer, residuals: root, jacobian: null }, root, 1],
      [{ kind: 'residuals', x: buffer, residuals: buffer, jacobian: root }, root, 0],
    ];
    const answers: number[] = [];
    function* asks(): Asks<string> {
      for (const [question] of questions) answers.push(yield question);
      return 'done';
    }
    const run = filter.pass(asks());
    run.next();
    questions.forEach(([, output], k) => {
      other[0] = 2 ** -400;
      root[0] = 2 ** -200;
      const { value } = run.next(7);
      // Seen by the asker once the answer has passed.
      const scaled = output !== null && k >= 2;
      expect([k, other[0]]).toEqual([k, scaled && output === other ? 1 : 2 ** -400]);
      expect([k, root[0]]).toEqual([k, scaled && output === root ? 1 : 2 ** -200]);
      expect(k === questions.length - 1 ? value : 'done').toBe('done');
    });
    expect(answers).toEqual(questions.map(([, , answer]) => answer));
  });

  it('throws the errors of answers into what asks', () => {
    const filter = rescaling();
    const buffer = new Float64Array(1);
    const failure = new Error('broken');
    const seen: unknown[] = [];
    function* asks(): Asks<string> {
      try {
        yield { kind: 'evaluate', x: buffer, gradient: null };
      } catch (error) {
        seen.push(error);
      }
      yield { kind: 'nextBatch' };
      return 'mended';
    }
    const run = filter.pass(asks());
    run.next();
    expect(run.throw(failure).value).toEqual({ kind: 'nextBatch' });
    expect(seen).toEqual([failure]);
    expect(run.next(0)).toEqual({ done: true, value: 'mended' });
  });
});

describe.each([-530, -400, 400, 530])('a run on f times 2^%d', (exponent) => {
  const { p0, fg } = rosenbrock();
  const unit = 2 ** exponent;
  const scaled: Problem = {
    p0,
    fg(x, gradient) {
      const f = fg(x, gradient);
      gradient?.forEach((value, i) => (gradient[i] = unit * value));
      return unit * f;
    },
  };

  it.each([lbfgs(), bfgs(), ssbroyden(), conjugateGradient(), auto()])(
    'comes to the minimum as that on f does, and speaks of f itself: $name',
    (solver) => {
      const options = { gtol: 0, gRel: 1e-9 };
      const seen: [number, number][] = [];
      const result = minimize(scaled, solver, {
        ...options,
        callback({ x, f, gradientNorm }) {
          const gradient = new Float64Array(2);
          expect(f).toBe(scaled.fg(x, gradient));
          seen.push([gradientNorm, Math.max(...gradient.map(Math.abs))]);
        },
      });
      const plain = minimize({ p0, fg }, solver, options);
      expect(result).toMatchObject({ converged: true, termination: 'gradientTolerance' });
      expect([...result.x]).toEqual([...plain.x].map((value) => expect.closeTo(value, 6) as number));
      expect(result.evaluations.f).toBeLessThan(1.5 * plain.evaluations.f);
      expect(result.f).toBe(scaled.fg(result.x, null));
      for (const [shown, own] of seen) expect(shown).toBe(own);
    },
  );
});
