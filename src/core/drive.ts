import { guarded } from './guard.ts';
import { dot } from './vector.ts';
import type { AsyncProblem, Problem } from './problem.ts';
import type { Asks, Question } from './question.ts';

/**
 * Runs `asks` to its result, answering every question at once from `problem`.
 *
 * An error thrown by the problem is thrown into `asks` first, so that it can put things in order, and
 * then leaves unchanged.
 *
 * @throws TypeError if the problem answers with a promise or with no number, writes into its inputs, leaves an output
 *   unwritten, or has a method that belongs to another `fg`
 */
export function runSync<Result>(asks: Asks<Result>, problem: Problem): Result {
  return runUnguarded(guarded(asks, problem), problem);
}

/**
 * As {@link runSync}, without its checks: for many short runs on a problem of the project's own, where the first
 * question of each would be checked.
 *
 * @throws TypeError if the problem answers with a promise
 */
export function runUnguarded<Result>(questions: Asks<Result>, problem: Problem): Result {
  let turn = questions.next();
  while (!turn.done) {
    let answer: number;
    try {
      answer = answerSync(turn.value, problem);
    } catch (error) {
      turn = questions.throw(error);
      continue;
    }
    turn = questions.next(answer);
  }
  return turn.value;
}

/** As {@link runSync}, awaiting every answer. */
export async function runAsync<Result>(asks: Asks<Result>, problem: AsyncProblem | Problem): Promise<Result> {
  const questions = guarded(asks, problem);
  let turn = questions.next();
  while (!turn.done) {
    let answer: number;
    try {
      answer = await answerAsync(turn.value, problem);
    } catch (error) {
      turn = questions.throw(error);
      continue;
    }
    turn = questions.next(answer);
  }
  return turn.value;
}

function answerSync(question: Question, problem: Problem): number {
  switch (question.kind) {
    case 'evaluate':
      return atOnce('fg', problem.fg(question.x, question.gradient));
    case 'nextBatch':
      atOnce('nextBatch', problem.nextBatch?.());
      return 0;
    case 'overlap':
      if (problem.overlap === undefined) throw noOverlap();
      return atOnce('overlap', problem.overlap(question.x, question.gradient));
    case 'residuals':
      if (problem.residuals === undefined) throw noResiduals();
      atOnce('residuals', problem.residuals(question.x, question.residuals, question.jacobian));
      return dot(question.residuals, question.residuals);
    case 'hessianVector':
      if (problem.hessianVector === undefined) throw noHessianVector();
      atOnce('hessianVector', problem.hessianVector(question.x, question.v, question.product));
      return 0;
    case 'valuesAt':
      if (problem.valuesAt === undefined) throw noValuesAt();
      atOnce('valuesAt', problem.valuesAt(question.points, question.values));
      return 0;
  }
}

/** Refuses a promise: the buffers would be read before it has filled them. */
function atOnce<Answer>(method: string, answer: Answer): Answer {
  if (!(answer instanceof Promise)) return answer;
  answer.catch(() => {}); // Nobody waits for it.
  throw new TypeError(
    `${method} must answer at once here, got a Promise; the function of the same name that ends in Async waits for it.`,
  );
}

async function answerAsync(question: Question, problem: AsyncProblem | Problem): Promise<number> {
  switch (question.kind) {
    case 'evaluate':
      return problem.fg(question.x, question.gradient);
    case 'nextBatch':
      await problem.nextBatch?.();
      return 0;
    case 'overlap':
      if (problem.overlap === undefined) throw noOverlap();
      return problem.overlap(question.x, question.gradient);
    case 'residuals':
      if (problem.residuals === undefined) throw noResiduals();
      await problem.residuals(question.x, question.residuals, question.jacobian);
      return dot(question.residuals, question.residuals);
    case 'hessianVector':
      if (problem.hessianVector === undefined) throw noHessianVector();
      await problem.hessianVector(question.x, question.v, question.product);
      return 0;
    case 'valuesAt':
      if (problem.valuesAt === undefined) throw noValuesAt();
      await problem.valuesAt(question.points, question.values);
      return 0;
  }
}

const noHessianVector = () =>
  new TypeError(
    'This problem has no Hessian-vector products; give it a method hessianVector(x, v, product).',
  );

const noOverlap = () =>
  new TypeError(
    'This problem does not say what its batches share; give it a method overlap(x, gradient) beside nextBatch().',
  );

const noResiduals = () =>
  new TypeError(
    'This problem has no residuals; leastSquares({ p0, residualCount, residuals }) makes one that has.',
  );

const noValuesAt = () =>
  new TypeError('This problem cannot give many values at once; give it a method valuesAt(points, values).');
