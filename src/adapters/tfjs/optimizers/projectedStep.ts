import { addScaled, normInf } from '../../../core/vector.ts';
import type { Asks } from '../../../core/question.ts';
import type { Iterate } from '../../../core/solver.ts';

/** Functions that bring a step back into the feasible set. */
export interface Projection {
  /** `x ← P(x)`; returns true if x has moved. */
  readonly project: (x: Float64Array) => boolean;
  /** Sets `state.f` and `state.gradient` to those at `state.x`. */
  readonly evaluate: () => Asks<void>;
}

/** Trials along the solver's step, then along the gradient; each shortens the step by the given factor. */
const ARCS = [
  { tries: 4, shrink: 0.5 },
  { tries: 8, shrink: 0.2 },
] as const;

/**
 * After a step from `start` to `state.x`, moves the state to a feasible point with a lower f.
 *
 * f may be higher at P(x₁) than at x₀, because quasi-Newton steps keep leaving the feasible set. So the path
 * P(x₀ + t(x₁ − x₀)) is followed back until f is lower, then P(x₀ − t∇f(x₀)), along which f falls for small t
 * if the set is convex, unless x₀ is a solution.
 *
 * @returns true if such a point was found; otherwise, and after an error, the state is `start` again
 * @see Bertsekas (1976), On the Goldstein-Levitin-Polyak gradient projection method, IEEE TAC 21(2),
 *   doi:10.1109/TAC.1976.1101194
 */
export function* projectStep(
  state: Iterate,
  start: Readonly<Iterate>,
  projection: Projection,
): Asks<boolean> {
  let isFound = false;
  try {
    isFound = yield* projectedStep(state, start, projection);
  } finally {
    if (!isFound) {
      state.x.set(start.x);
      state.gradient.set(start.gradient);
      state.f = start.f;
    }
  }
  return isFound;
}

/** As {@link projectStep}, but leaves the state at the last trial if no point is lower. */
function* projectedStep(
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
  return false;
}
