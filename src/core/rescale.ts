import { adaptAnswers, type Asks, type Question } from './question.ts';
import { bufferOf, questionKinds } from './questionKinds.ts';
import { dot, normInf, scaleInto } from './vector.ts';
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
 * Between these limits the filter changes nothing. Residuals and their Jacobian are multiplied by the root of the factor,
 * a power of two as well.
 *
 * @param factor - the factor of the run being resumed; NaN to choose it at the first evaluation
 */
export function rescaling(factor = NaN) {
  let scale = Number.isNaN(factor) ? 1 : factor;
  let isFirst = Number.isNaN(factor);

  function adapt(question: Question, answer: number): number {
    if (isFirst && question.kind === 'evaluate' && question.gradient !== null) {
      scale = scaleFor(answer, question.gradient);
      isFirst = false;
    }
    return scale === 1 ? answer : scaled(question, answer, scale);
  }

  return {
    pass: <Result>(asks: Asks<Result>): Asks<Result> => adaptAnswers(asks, adapt),
    /** The factor. */
    factor: () => scale,
    undo: ({ f, gradientNorm }: Measured): Measured => ({
      f: f / scale,
      gradientNorm: gradientNorm / scale,
    }),
  } satisfies Filter & { factor(): number };
}

/** Returns the power of four that brings ‖∇f‖∞ near 1, as far as |f| allows; 1 if squares are safe. */
function scaleFor(f: number, gradient: Float64Array): number {
  const exponent = exponentOf(normInf(gradient));
  if (!Number.isFinite(exponent) || !Number.isFinite(f) || Math.abs(exponent) <= SAFE_EXPONENT) return 1;
  const room = LARGEST_EXPONENT - exponentOf(Math.abs(f));
  return 4 ** Math.floor(Math.max(-LARGEST_EXPONENT, Math.min(-exponent, room, LARGEST_EXPONENT)) / 2);
}

const exponentOf = (value: number): number => Math.floor(Math.log2(value));

/** Scales the outputs of a question, and returns its scaled answer. */
function scaled(question: Question, answer: number, scale: number): number {
  const { degree, outputs, derivative } = questionKinds[question.kind];
  // The root of a power of four is exact.
  const factor = degree === 1 ? scale : Math.sqrt(scale);
  for (const name of outputs) {
    const buffer = bufferOf(question, name);
    if (buffer !== null) scaleInto(factor, buffer, buffer);
  }
  // The squares of the unscaled residuals may have been beyond the numbers.
  if (question.kind === 'residuals') return dot(question.residuals, question.residuals);
  // Only evaluations of f are answered with its value.
  return derivative === 'gradient' ? answer * scale : answer;
}
