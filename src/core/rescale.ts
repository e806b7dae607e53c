import { normInf } from './vector.ts';
import type { Asks, Question } from './question.ts';
import type { Measured } from './solver.ts';
import type { Filter } from './transform.ts';

/** Gradients within [2⁻³⁰⁰, 2³⁰⁰] have squares that neither overflow nor underflow. */
const SAFE_EXPONENT = 300;
/** |f| and the factor stay below 2⁹⁰⁰. */
const LARGEST_EXPONENT = 900;

/**
 * Returns a filter that multiplies f by a power of two if ‖∇f‖∞ at the start is below 1e-90 or above 1e90, so
 * that squares of the gradient stay in the range of float64. All values shown and returned are exactly those
 * of f itself.
 *
 * Between these limits the filter changes nothing.
 *
 * @param factor - the factor of the run being resumed; NaN to choose it at the first evaluation
 */
export function rescaling(factor = NaN) {
  let scale = Number.isNaN(factor) ? 1 : factor;
  let isFirst = Number.isNaN(factor);

  function* pass<Result>(asks: Asks<Result>): Asks<Result> {
    let turn = asks.next();
    while (!turn.done) {
      const question: Question = turn.value;
      let answer: number;
      try {
        answer = yield question;
      } catch (error) {
        turn = asks.throw(error);
        continue;
      }
      if (isFirst && question.kind === 'evaluate' && question.gradient !== null) {
        scale = scaleFor(answer, question.gradient);
        isFirst = false;
      }
      if (scale !== 1) answer = scaled(question, answer, scale);
      turn = asks.next(answer);
    }
    return turn.value;
  }

  return {
    pass,
    /** The factor. */
    factor: () => scale,
    undo: ({ f, gradientNorm }: Measured): Measured => ({
      f: f / scale,
      gradientNorm: gradientNorm / scale,
    }),
  } satisfies Filter & { factor(): number };
}

/** Returns the power of two that brings ‖∇f‖∞ near 1, as far as |f| allows; 1 if squares are safe. */
function scaleFor(f: number, gradient: Float64Array): number {
  const exponent = exponentOf(normInf(gradient));
  if (!Number.isFinite(exponent) || !Number.isFinite(f) || Math.abs(exponent) <= SAFE_EXPONENT) return 1;
  const room = f === 0 ? LARGEST_EXPONENT : LARGEST_EXPONENT - exponentOf(Math.abs(f));
  return 2 ** Math.max(-LARGEST_EXPONENT, Math.min(-exponent, room, LARGEST_EXPONENT));
}

const exponentOf = (value: number): number => Math.floor(Math.log2(value));

/** Scales the outputs of a question, and returns its scaled answer. */
function scaled(question: Question, answer: number, scale: number): number {
  switch (question.kind) {
    case 'evaluate':
    case 'overlap':
      if (question.gradient !== null) multiply(question.gradient, scale);
      return answer * scale;
    case 'hessianVector':
      multiply(question.product, scale);
      return answer;
    case 'valuesAt':
      multiply(question.values, scale);
      return answer;
    case 'nextBatch':
    case 'residuals':
    case 'jacobianVector':
    case 'vectorJacobian':
    case 'jacobianGram':
    case 'compute':
      return answer;
  }
}

function multiply(values: Float64Array, scale: number): void {
  for (let i = 0; i < values.length; i++) values[i] *= scale;
}
