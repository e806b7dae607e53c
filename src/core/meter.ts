import type { Asks, Evaluate, EvaluateOverlap, EvaluateResiduals, Question } from './question.ts';
import type { CompleteSolveOptions } from './solveOptions.ts';
import type { Termination } from './termination.ts';

/** Work done since the start, and the limits set to it. */
export interface Meter {
  /** Evaluations of f, with or without its gradient. */
  readonly f: number;
  /** Evaluations that computed the gradient too. */
  readonly gradient: number;
  /** Products with the Hessian. */
  readonly hessianVector: number;
  /** Seconds. */
  elapsed(): number;
  count(question: Question): void;
  /** Returns the limit that forbids another evaluation, or null. */
  exhausted(): Termination | null;
}

/** Starts the clock. */
export function startMeter({ maxEvaluations, maxTime }: CompleteSolveOptions): Meter {
  const start = performance.now();
  const meter = {
    f: 0,
    gradient: 0,
    hessianVector: 0,
    elapsed: () => (performance.now() - start) / 1000,
    count(question: Question) {
      if (question.kind === 'hessianVector') meter.hessianVector++;
      if (!evaluates(question)) return;
      meter.f++;
      if ((question.kind === 'residuals' ? question.jacobian : question.gradient) !== null) meter.gradient++;
    },
    exhausted(): Termination | null {
      if (meter.f >= maxEvaluations) return 'maxEvaluations';
      return maxTime < Infinity && meter.elapsed() >= maxTime ? 'maxTime' : null;
    },
  };
  return meter;
}

const evaluates = (question: Question): question is Evaluate | EvaluateOverlap | EvaluateResiduals =>
  question.kind === 'evaluate' || question.kind === 'overlap' || question.kind === 'residuals';

/**
 * Passes the questions of `asks` on and counts them; ends early if a limit is reached.
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
    const limit = evaluates(turn.value) ? meter.exhausted() : null;
    if (limit !== null) return { kind: 'failed', termination: limit };
    const answer = yield turn.value;
    meter.count(turn.value);
    signal?.throwIfAborted();
    turn = asks.next(answer);
  }
  return turn.value;
}
