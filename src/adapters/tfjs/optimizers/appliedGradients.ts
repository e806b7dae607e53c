import type * as tf from '@tensorflow/tfjs';
import { runUnguarded } from '../../../core/drive.ts';
import { normInf } from '../../../core/vector.ts';
import { fixedStep } from '../../../solvers/linesearch/fixedStep.ts';
import type { Iterate, Solver } from '../../../core/solver.ts';
import type { LineSearch } from '../../../solvers/linesearch/lineSearch.ts';
import { tfGrads } from '../tensors/tfGrads.ts';
import type { TfParamSet } from '../tensors/tfParams.ts';

/** Options of `applyGradients`. */
export interface ApplyGradientsOptions {
  /** The bound of this step. @defaultValue the optimizer's `learningRate` */
  readonly learningRate?: number;
  /**
   * Says that these gradients and those of the call before belong to one function, so that the step between them
   * tells its curvature.
   *
   * @defaultValue `false`
   */
  readonly sameFunction?: boolean;
}

/** {@link ApplyGradientsOptions} as a run takes them. */
export interface AppliedOptions extends Required<ApplyGradientsOptions> {
  /** Makes the solver with another line search; null where it cannot be made. */
  readonly withSearch: ((lineSearch: LineSearch) => Solver) | null;
}

/** A step that was taken without a look at the function, as plain data. */
export interface Applied {
  /** Its start, `[n]`. */
  readonly from: Float64Array;
  /** ∇f there, `[n]`. */
  readonly gradient: Float64Array;
  /** Step length along the solver's direction. */
  readonly alpha: number;
  /** Its end, `[n]`. */
  readonly x: Float64Array;
}

/**
 * `state.x ← x + α·d` for gradients at x, with d = −H∇f and no parameter moved by more than the learning rate; x stays
 * where the gradient is not finite.
 *
 * Along curvature that was learned α = min(1, learningRate/‖d‖∞), the full step if it is short enough; along a gradient
 * alone α = learningRate·min(1, 1/‖d‖∞), as nothing is known of the scale of f.
 *
 * @param run - `state.x` is where the gradients were computed
 */
export function applyGradients(
  run: { state: Iterate; applied: Applied | null },
  params: TfParamSet,
  gradients: tf.NamedTensorMap,
  { solver, learningRate, sameFunction, withSearch }: AppliedOptions & { readonly solver: Solver },
): void {
  const gradient = tfGrads(gradients, params).copyInto(params.zeros());
  const { applied } = run;
  run.applied = null;
  if (!Number.isFinite(normInf(gradient))) return;
  const follows = sameFunction && applied !== null && isEqual(applied.x, run.state.x);
  const learned = follows && withSearch !== null && learn(run.state, applied, gradient, withSearch);
  const { state } = run;
  state.gradient.set(gradient);
  const direction = params.zeros();
  if (solver.direction) solver.direction(state, direction);
  else for (let i = 0; i < direction.length; i++) direction[i] = -gradient[i];
  const norm = normInf(direction);
  const alpha = learned ? Math.min(1, learningRate / norm) : learningRate * Math.min(1, 1 / norm);
  if (!Number.isFinite(alpha) || norm === 0) return;
  const from = Float64Array.from(state.x);
  const x = from.map((value, i) => Math.fround(value + alpha * direction[i]));
  run.applied = { from, gradient, alpha, x };
  state.x.set(x);
}

/**
 * Has the solver take the step again that led here, with the gradient that was found here, so that its memory learns the
 * pair; false if it would have led elsewhere. No value of f is known: the search takes any.
 */
function learn(
  state: Iterate,
  { from, gradient, alpha, x: here }: Applied,
  gradientHere: Float64Array,
  withSearch: (lineSearch: LineSearch) => Solver,
): boolean {
  state.x.set(from);
  state.gradient.set(gradient);
  state.f = 0;
  const problem = {
    p0: from,
    fg(x: Float64Array, out: Float64Array | null) {
      if (!isEqual(x, here)) throw new LedElsewhere();
      out?.set(gradientHere);
      return 0;
    },
  };
  try {
    return runUnguarded(withSearch(fixedStep({ alpha })).step(state), problem).kind === 'accepted';
  } catch (error) {
    if (!(error instanceof LedElsewhere)) throw error;
    return false;
  } finally {
    state.x.set(here);
  }
}

/** The direction is not what it was when the step was taken. */
class LedElsewhere extends Error {}

const isEqual = (a: Float64Array, b: Float64Array): boolean => a.every((value, i) => value === b[i]);
