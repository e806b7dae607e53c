import { breather, FRAME } from './eventLoop.ts';
import { guarded } from './guard.ts';
import { methodOf, type Asks, type Question } from './question.ts';
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

/** Methods that a problem may lack, with the advice for error messages. */
const missing = {
  nextBatch: 'has no mini-batches; give it a method nextBatch().',
  overlap:
    'does not say what its batches share; give it a method overlap(x, gradient) in addition to nextBatch().',
  residuals:
    'has no residuals; leastSquares({ p0, residualCount, residuals }) makes a problem with residuals.',
  jacobianVector:
    'has no products with its Jacobian; give it methods jacobianVector(x, v, product) and vectorJacobian(x, u, product).',
  vectorJacobian:
    'has no products with its Jacobian; give it methods jacobianVector(x, v, product) and vectorJacobian(x, u, product).',
  jacobianGram: 'has no products of its Jacobian with itself; give it a method jacobianGram(x, product).',
  hessianVector: 'has no Hessian-vector products; give it a method hessianVector(x, v, product).',
  valuesAt: 'cannot give many values at once; give it a method valuesAt(points, values).',
};

/** Calls the method that a question asks for; returns its answer, or a promise of it. */
function answerTo(question: Question, problem: AsyncProblem | Problem): unknown {
  const { kind } = question;
  if (kind in missing && problem[kind as keyof typeof missing] === undefined) {
    throw new TypeError(`This problem ${missing[kind as keyof typeof missing]}`);
  }
  switch (kind) {
    case 'evaluate':
      return problem.fg(question.x, question.gradient);
    case 'nextBatch':
      return problem.nextBatch!();
    case 'overlap':
      return problem.overlap!(question.x, question.gradient);
    case 'residuals':
      return problem.residuals!(question.x, question.residuals, question.jacobian);
    case 'jacobianVector':
      return problem.jacobianVector!(question.x, question.v, question.product);
    case 'vectorJacobian':
      return problem.vectorJacobian!(question.x, question.u, question.product);
    case 'jacobianGram':
      return problem.jacobianGram!(question.x, question.product);
    case 'hessianVector':
      return problem.hessianVector!(question.x, question.v, question.product);
    case 'valuesAt':
      return problem.valuesAt!(question.points, question.values);
    case 'compute':
      return question.run();
  }
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
