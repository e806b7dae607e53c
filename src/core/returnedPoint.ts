import type { BestPoint } from './best.ts';
import type { Meter } from './meter.ts';
import { evaluate, type Asks } from './question.ts';
import type { Iterate, Measured, Solver } from './solver.ts';

/**
 * Evaluates the point that a solver returns instead of its iterate (an average, say), and makes it the best
 * point: on mini-batches if f is finite there, otherwise if f is lower there than at any iterate.
 */
export function* takeAnswer(
  solver: Solver,
  state: Iterate,
  best: BestPoint,
  meter: Meter,
  options: { readonly batches: boolean; readonly measure: (at: Iterate) => Measured },
): Asks<void> {
  if (!solver.answer) return;
  const x = new Float64Array(state.x.length);
  if (!solver.answer(state, x)) return;
  const answer = { ...state, x, gradient: new Float64Array(x.length) };
  const question = evaluate(x, answer.gradient);
  answer.f = yield question;
  meter.count(question);
  const measured = options.measure(answer);
  const isFinite = Number.isFinite(measured.f) && Number.isFinite(measured.gradientNorm);
  if (isFinite && (options.batches || measured.f < best.f)) best.keep(x, measured);
}
