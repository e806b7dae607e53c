/**
 * Checks that a problem follows the protocol, at little cost: at the first question of each kind, its inputs must be
 * unchanged, its outputs written, and its values equal to those of `fg`; every value must be a number.
 *
 * @module
 */
import { AGREEMENT } from './epsilon.ts';
import { ofTensor } from './layout.ts';
import { show } from './options.ts';
import { evaluate, methodOf, type Asks, type Question } from './question.ts';
import { asksForDerivative, bufferOf, questionKinds } from './questionKinds.ts';
import { firstUnwritten, markUnwritten } from './unwritten.ts';
import { wroteInto } from './userAnswers.ts';
import { sameNumbers } from './vector.ts';
import type { AsyncProblem, Problem, ProblemFacts } from './problem.ts';

/** A buffer of a question, with its name in {@link Problem}. */
interface Named {
  readonly name: string;
  readonly buffer: Float64Array;
}

/**
 * Passes on the questions of `asks`, and throws into it if an answer breaks the protocol.
 *
 * Computations that fill a gradient or Jacobian with NaN before they ask do this check themselves.
 *
 * @throws TypeError naming the method, the element and what to do
 */
export function* guarded<Result>(asks: Asks<Result>, problem: AsyncProblem | Problem): Asks<Result> {
  const guard = guardOf(problem);
  let turn = asks.next();
  while (!turn.done) {
    let answer: number;
    try {
      answer = guard.isKnown(turn.value) ? yield turn.value : yield* guard.meet(turn.value);
      if (typeof answer !== 'number') throw noNumber(turn.value, answer);
      guard.note(turn.value, answer);
    } catch (error) {
      turn = asks.throw(error);
      continue;
    }
    turn = asks.next(answer);
  }
  return turn.value;
}

function guardOf(problem: AsyncProblem | Problem) {
  const known = new Set<string>();
  const compared = new Set<string>();
  /** f at the last point; null once residuals have been compared with it. */
  let last: { readonly x: Float64Array; readonly f: number } | null = null;

  /** Compares a value with that of fg at the same point. */
  function* compare(method: 'residuals' | 'valuesAt', x: Float64Array, value: number): Asks<void> {
    if (compared.has(method)) return;
    compared.add(method);
    const f = last?.x.every((element, i) => element === x[i]) ? last.f : yield evaluate(x, null);
    if (agree(value, f, problem)) return;
    // With dropout or a random batch, fg does not agree with itself either.
    if (!agree(yield evaluate(x, null), f, problem)) return;
    throw otherFunction(method, value, f);
  }

  return {
    isKnown: (question: Question): boolean => known.has(kindOf(question)),
    /** Asks a question whose kind is new. */
    *meet(question: Question): Asks<number> {
      known.add(kindOf(question));
      const method = methodOf(question);
      const kind = questionKinds[question.kind];
      const inputs = buffersOf(question, kind.inputs).map(({ name, buffer }) => ({
        name,
        buffer,
        sent: sentOf(buffer, problem),
      }));
      const outputs = buffersOf(question, kind.outputs).filter(
        ({ buffer }) => !isJudgedByAsker(question, buffer),
      );
      for (const { buffer } of outputs) markUnwritten(buffer);
      const answer = yield question;
      for (const { name, buffer, sent } of inputs) {
        const changed = firstChange(buffer, sent);
        if (changed >= 0) throw wroteInto(method, name, changed, sent[changed], buffer[changed]);
      }
      for (const { name, buffer } of outputs) {
        const unwritten = firstUnwritten(buffer);
        if (unwritten >= 0) throw leftUnwritten(method, name, unwritten, buffer.length, problem);
      }
      if (question.kind === 'residuals') yield* compare('residuals', question.x, answer);
      if (question.kind === 'valuesAt' && question.values.length > 0) {
        // At the first point, so that the problem's side effects are those of its last evaluation.
        yield* compare('valuesAt', question.points.slice(0, problem.p0.length), question.values[0]);
      }
      return answer;
    },
    /** Remembers f if residuals may have to be compared with it. */
    note(question: Question, f: number): void {
      if (problem.residuals === undefined || compared.has('residuals')) return;
      if (question.kind === 'evaluate') last = { x: question.x.slice(), f };
    },
  };
}

/** Returns what an input holds: p0 itself if it is that, as at the first evaluation, otherwise a copy. */
const sentOf = (buffer: Float64Array, { p0 }: ProblemFacts): Float64Array =>
  buffer.buffer !== p0.buffer && sameNumbers(buffer, p0) ? p0 : buffer.slice();

/** Returns the kind of a question; questions with and without a derivative are of different kinds. */
const kindOf = (question: Question): string =>
  asksForDerivative(question) ? question.kind : aloneKinds[question.kind];

const aloneKinds = Object.fromEntries(
  Object.keys(questionKinds).map((kind) => [kind, `${kind} alone`]),
) as Readonly<Record<Question['kind'], string>>;

/** Returns the buffers of a question that have these names, without those that are not wanted. */
const buffersOf = (question: Question, names: readonly string[]): Named[] =>
  names.flatMap((name) => {
    const buffer = bufferOf(question, name);
    return buffer ? [{ name, buffer }] : [];
  });

const isJudgedByAsker = ({ kind }: Question, buffer: Float64Array): boolean =>
  (kind === 'evaluate' || kind === 'residuals') && buffer.every(Number.isNaN);

/** Returns the index of the first element that has changed, or -1. */
const firstChange = (buffer: Float64Array, sent: Float64Array): number =>
  buffer.findIndex((is, i) => is !== sent[i] && !(Number.isNaN(is) && Number.isNaN(sent[i])));

/** Returns true if two values agree to rounding, or if one is not finite, which the protocol allows. */
const agree = (value: number, f: number, { precision = 'float64' }: ProblemFacts): boolean =>
  !(Math.abs(value - f) > AGREEMENT[precision] * Math.max(Math.abs(value), Math.abs(f)));

/** Returns the error for an answer that is no number, such as [f, gradient], the form of SciPy's `jac=True`. */
const noNumber = (question: Question, answer: unknown) =>
  new TypeError(
    `${methodOf(question)} must return a number, got ${show(answer)}${Array.isArray(answer) ? '; set the elements of gradient' : ''}.`,
  );

function leftUnwritten(
  method: string,
  name: string,
  index: number,
  length: number,
  { params, p0 }: ProblemFacts,
) {
  const tensor = length === p0.length ? ofTensor(params?.layout, index) : '';
  return new TypeError(
    `${method} left element ${index}${tensor} of ${name} unwritten, or added to what was there: buffers are not cleared, so it must set every element, also those that are 0 (${name}[i] = …, not +=).`,
  );
}

const otherFunction = (method: string, value: number, f: number) =>
  new TypeError(
    `${method} gives ${value} where fg gives ${f} at the same point: they are two functions. ${
      method === 'residuals' ? 'fg must return the sum of the squared residuals. ' : ''
    }A problem made by { ...problem, fg } keeps the other methods of the old one: give it its own ${method}, or ${method}: undefined.`,
  );
