import { breather, FRAME } from './eventLoop.ts';
import { differencedBy } from './differenced.ts';
import { guarded } from './guard.ts';
import { methodOf, type Asks, type Evaluate, type Question } from './question.ts';
import { bufferOf, questionKinds } from './questionKinds.ts';
import { dot } from './vector.ts';
import type { AsyncProblem, Problem } from './problem.ts';

/**
 * Runs `asks` to its result, answering every question synchronously from `problem`.
 *
 * An error of the problem is thrown into `asks` first, so that it can clean up, and then leaves unchanged.
 *
 * @throws TypeError if the problem returns a promise or something that is not a number, writes into its
 *   inputs, leaves an output unwritten, or has a method that contradicts `fg`
 */
export function runSync<Result>(asks: Asks<Result>, problem: Problem): Result {
  return runUnguarded(guarded(asks, problem), problem);
}

/**
 * Runs `asks` as {@link runSync} does, without its checks. For many short runs on internal problems, where
 * the first question of each run would be checked again.
 *
 * @throws TypeError if the problem answers with a promise
 */
export function runUnguarded<Result>(asks: Asks<Result>, problem: Problem): Result {
  let turn = asks.next();
  while (!turn.done) {
    let answer: number;
    try {
      answer = numberOf(turn.value, atOnce(turn.value, answerTo(turn.value, problem)));
    } catch (error) {
      turn = asks.throw(error);
      continue;
    }
    turn = asks.next(answer);
  }
  return turn.value;
}

/**
 * Runs `asks` as {@link runSync} does, awaiting every answer. The event loop gets a turn every 16 ms, or as the problem's
 * `yieldEvery` says, so that timers and signals work even if every answer is immediate.
 */
export async function runAsync<Result>(asks: Asks<Result>, problem: AsyncProblem | Problem): Promise<Result> {
  return runUnguardedAsync(guarded(asks, problem), problem);
}

/** As {@link runUnguarded}, awaiting every answer. */
export async function runUnguardedAsync<Result>(
  questions: Asks<Result>,
  problem: AsyncProblem | Problem,
): Promise<Result> {
  let turn = questions.next();
  const breathe = breather(problem.yieldEvery ?? FRAME);
  while (!turn.done) {
    let answer: number;
    const pause = breathe();
    if (pause) await pause;
    try {
      answer = numberOf(turn.value, await answerTo(turn.value, problem));
    } catch (error) {
      turn = questions.throw(error);
      continue;
    }
    turn = questions.next(answer);
  }
  return turn.value;
}

/** Calls the method that a question asks for; returns its answer, or a promise of it. */
function answerTo(question: Question, problem: AsyncProblem | Problem): unknown {
  const { kind } = question;
  if (kind === 'evaluate') return evaluated(question, problem);
  if (kind === 'compute') return question.run();
  const { inputs, outputs, missing } = questionKinds[kind];
  if (problem[kind] === undefined) throw new TypeError(`This problem ${missing}`);
  const method = problem[kind] as (...buffers: (Float64Array | null)[]) => unknown;
  return method.apply(
    problem,
    [...inputs, ...outputs].map((name) => bufferOf(question, name)),
  );
}

/** Calls `fg`; where it takes differences, within the bounds of the solver. */
function evaluated({ x, gradient, bounds }: Evaluate, problem: AsyncProblem | Problem): unknown {
  const differenced = bounds && differencedBy(problem.fg);
  return differenced ? differenced.evaluate(x, gradient, bounds) : problem.fg(x, gradient);
}

/** Refuses a promise: the buffers would be read before it has filled them. */
function atOnce(question: Question, answer: unknown): unknown {
  if (!(answer instanceof Promise)) return answer;
  answer.catch(() => {}); // Nobody waits for it.
  throw new TypeError(
    `${methodOf(question)} must be synchronous here; it returned a Promise. The function of the same name that ends in Async awaits it.`,
  );
}

/** Returns the number that resumes the computation: the value of f, or 0 if the question has no value. */
function numberOf(question: Question, answer: unknown): number {
  if (question.kind === 'evaluate' || question.kind === 'overlap') return answer as number;
  return question.kind === 'residuals' ? dot(question.residuals, question.residuals) : 0;
}
