import { asksForDerivative, questionKinds } from './questionKinds.ts';
import type { Asks, HessianVector, JacobianVector, Question, VectorJacobian } from './question.ts';
import type { CompleteSolveOptions } from './solveOptions.ts';
import type { Termination } from './termination.ts';

/** Work done since the start, and the limits set to it. */
export interface Meter {
  /** Evaluations of f, with or without its gradient. */
  readonly f: number;
  /** Evaluations that also computed the gradient. */
  readonly gradient: number;
  /** Products with the Hessian. */
  readonly hessianVector: number;
  /** Products Jv and Jᵀu with the Jacobian of residuals. */
  readonly jacobianVector: number;
  readonly vectorJacobian: number;
  /** Seconds. */
  elapsed(): number;
  count(question: Question): void;
  /** Returns the limit that forbids another evaluation, or null. */
  exhausted(): Termination | null;
  /** Returns the limit that forbids this question, or null. */
  forbids(question: Question): Termination | null;
}

/** Starts the clock. */
export function startMeter({ maxEvaluations, maxProducts, maxTime }: CompleteSolveOptions): Meter {
  const start = performance.now();
  const isLate = (): boolean => maxTime < Infinity && meter.elapsed() >= maxTime;
  const meter = {
    f: 0,
    gradient: 0,
    hessianVector: 0,
    jacobianVector: 0,
    vectorJacobian: 0,
    elapsed: () => (performance.now() - start) / 1000,
    count(question: Question) {
      if (isProduct(question)) meter[question.kind]++;
      if (!isEvaluation(question)) return;
      meter.f++;
      if (asksForDerivative(question)) meter.gradient++;
    },
    exhausted(): Termination | null {
      if (meter.f >= maxEvaluations) return 'maxEvaluations';
      return isLate() ? 'maxTime' : null;
    },
    forbids(question: Question): Termination | null {
      if (isEvaluation(question)) return meter.exhausted();
      if (!isProduct(question)) return null;
      const products = meter.hessianVector + meter.jacobianVector + meter.vectorJacobian;
      if (products >= maxProducts) return 'maxProducts';
      return isLate() ? 'maxTime' : null;
    },
  };
  return meter;
}

const isEvaluation = ({ kind }: Question): boolean => questionKinds[kind].derivative !== null;

/** True if a question is for a product, which the meter counts under its name. */
const isProduct = (question: Question): question is HessianVector | JacobianVector | VectorJacobian =>
  questionKinds[question.kind].isProduct;

/**
 * Passes on the questions of `asks` and counts them; ends early if a limit is reached.
 *
 * @throws the reason of `signal`, once aborted
 */
export function* metered<Result>(
  asks: Asks<Result>,
  meter: Meter,
  signal: AbortSignal | undefined,
): Asks<Result | { readonly kind: 'failed'; readonly termination: Termination }> {
  let turn = asks.next();
  while (!turn.done) {
    const limit = meter.forbids(turn.value);
    if (limit !== null) return { kind: 'failed', termination: limit };
    const answer = yield turn.value;
    meter.count(turn.value);
    signal?.throwIfAborted();
    turn = asks.next(answer);
  }
  return turn.value;
}
