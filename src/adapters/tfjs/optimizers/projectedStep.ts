import { addScaled, normInf } from '../../../core/vector.ts';
import type { Asks } from '../../../core/question.ts';
import type { Iterate } from '../../../core/solver.ts';

/** Functions that bring a step back to where the parameters may be. */
export interface Projection {
  /** `x ← P(x)`; whether that has moved it. */
  readonly project: (x: Float64Array) => boolean;
  /** Sets `state.f` and `state.gradient` to those at `state.x`. */
  readonly evaluate: () => Asks<void>;
}

/** Tries along the solver's step, and then along the gradient; each a shorter step by the factor given. */
const ARCS = [
  { tries: 4, shrink: 0.5 },
  { tries: 8, shrink: 0.2 },
] as const;

/**
 * After a step from `start` to `state.x`: brings the state to where the parameters may be and f is lower.
 *
 * P(x₁) alone may well lie higher than x₀: a quasi-Newton step leads out of the allowed set again and again.
 * So the path P(x₀ + t(x₁ − x₀)) is followed back to where f falls, and after it P(x₀ − t∇f(x₀)), along
 * which f falls for small t where the set is convex, unless x₀ is a solution.
 *
 * @returns whether such a point was found; if not, the state is `start` again
 * @see Bertsekas (1976), On the Goldstein-Levitin-Polyak gradient projection method, IEEE TAC 21(2),
 *   doi:10.1109/TAC.1976.1101194
 */
export function* projectStep(
  state: Iterate,
  start: Readonly<Iterate>,
  { project, evaluate }: Projection,
): Asks<boolean> {
  const reached = Float64Array.from(state.x);
  if (!project(state.x)) return true;
  const step = reached.map((value, i) => value - start.x[i]);
  const length = Math.min(1, 1 / normInf(start.gradient));
  const steepest = start.gradient.map((value) => -length * value);
  for (const [arc, direction] of [step, steepest].entries()) {
    const { tries, shrink } = ARCS[arc];
    for (let k = 0, t = 1; k < tries; k++, t *= shrink) {
      addScaled(start.x, t, direction, state.x);
      for (let i = 0; i < reached.length; i++) state.x[i] = Math.fround(state.x[i]);
      project(state.x);
      yield* evaluate();
      if (state.f < start.f) return true;
    }
  }
  state.x.set(start.x);
  state.gradient.set(start.gradient);
  state.f = start.f;
  return false;
}
