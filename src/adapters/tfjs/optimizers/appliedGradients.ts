import * as tf from '@tensorflow/tfjs';
import { runUnguarded } from '../../../core/drive.ts';
import { normInf } from '../../../core/vector.ts';
import { fixedStep } from '../../../solvers/linesearch/fixedStep.ts';
import type { Iterate, Solver } from '../../../core/solver.ts';
import type { LineSearch } from '../../../solvers/linesearch/lineSearch.ts';
import { tfGrads } from '../tensors/tfGrads.ts';
import type { TfParamSet } from '../tensors/tfParams.ts';
import type { Filled } from '../../../core/options.ts';

/** Options of `applyGradients`. */
export interface ApplyGradientsOptions {
  /** Bound on the change of a parameter in this step. @defaultValue the optimizer's `learningRate` */
  readonly learningRate?: number | undefined;
  /**
   * Promises that these gradients and those of the previous call belong to one function, so that curvature
   * can be learned from the step between them.
   *
   * @defaultValue `false`
   */
  readonly sameFunction?: boolean | undefined;
}

/** Complete {@link ApplyGradientsOptions}, with the solver's factory. */
export interface AppliedOptions extends Filled<ApplyGradientsOptions> {
  /** Creates the solver with another line search; null if that is impossible. */
  readonly withSearch: ((lineSearch: LineSearch) => Solver) | null;
}

/** A step taken without evaluating the function, as plain data. */
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
 * `state.x ← x + α·d` for gradients at x, with d = −H∇f and no parameter moved by more than the learning
 * rate; x does not move if the gradient is not finite.
 *
 * With learned curvature, α = min(1, learningRate/‖d‖∞): the full step if it is short enough. Without
 * curvature, α = learningRate·min(1, 1/‖d‖∞), because the scale of f is unknown.
 *
 * @param run - its `state.x` is the point where the gradients were computed
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
 * Lets the solver repeat the step that led here, with the gradient found here, so that its memory learns the
 * pair; returns false if the step would lead elsewhere. Since no value of f is known, the search accepts any.
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

/** Thrown if the direction differs from that of the step taken. */
class LedElsewhere extends Error {}

const isEqual = (a: Float64Array, b: Float64Array): boolean => a.every((value, i) => value === b[i]);

/** Gradients as `tf.Optimizer.applyGradients` takes them. */
export type GivenGradients = tf.NamedTensorMap | { name: string; tensor: tf.Tensor }[];

/** Returns gradients by the names of their variables. */
export const gradientsByName = (given: GivenGradients): tf.NamedTensorMap =>
  Array.isArray(given) ? Object.fromEntries(given.map(({ name, tensor }) => [name, tensor])) : given;

/**
 * Returns the variables that gradients belong to.
 *
 * @throws RangeError if there are none, or one is unknown or has another shape
 */
export function variablesOf(gradients: tf.NamedTensorMap): tf.Variable[] {
  const { registeredVariables } = tf.engine();
  const variables = Object.entries(gradients).map(([name, gradient]) => {
    const variable = registeredVariables[name];
    if (!variable) throw new RangeError(`applyGradients: there is no variable named "${name}".`);
    if (gradient && gradient.shape.join() !== variable.shape.join()) {
      throw new RangeError(
        `applyGradients: the gradient of "${name}" has shape [${gradient.shape.join(', ')}]; it must be [${variable.shape.join(', ')}].`,
      );
    }
    return variable;
  });
  if (variables.length === 0) throw new RangeError('applyGradients: there are no gradients.');
  return variables;
}
