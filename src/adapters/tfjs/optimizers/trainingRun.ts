import type * as tf from '@tensorflow/tfjs';
import { runSync } from '../../../core/drive.ts';
import { normInf } from '../../../core/vector.ts';
import type { Iterate, Solver } from '../../../core/solver.ts';
import { evaluator } from '../optfuns.ts';
import { tfGrads } from '../tfGrads.ts';
import { tfParams, type TfParamSet } from '../tfParams.ts';

/** What one `minimize` did. */
export interface Progress {
  /** The loss where the call began. */
  readonly startLoss: number;
  /** The loss where it ended, on the same closure. */
  readonly loss: number;
  /** ‖∇f‖∞ where it ended. */
  readonly gradientNorm: number;
  /** Step length of the last iteration; 0 if none was accepted. */
  readonly step: number;
  /** Evaluations of the closure. */
  readonly evaluations: number;
}

/** A solver at work on one list of variables, through any number of closures. */
export interface TrainingRun {
  readonly params: TfParamSet;
  readonly state: Iterate;
  /**
   * Runs solver iterations on one closure.
   *
   * @param loss - evaluated several times, always the same function
   * @param iterations - how many
   * @param reuse - whether it is the closure of the call before, so that f and ∇f are known at the start
   */
  minimize(loss: () => tf.Scalar, iterations: number, reuse: boolean): Progress;
  /** x ← x − α·H∇f for a gradient that somebody else computed; H is what earlier calls have learned. */
  applyGradients(gradients: tf.NamedTensorMap, learningRate: number): void;
}

export function trainingRun(solver: Solver, variables: readonly tf.Variable[]): TrainingRun {
  const params = tfParams(variables);
  const { length: n } = params;
  const state = solver.init({ n, precision: 'float32' });
  const current = params.zeros();
  /** Whether `state.f` and `state.gradient` are those of `state.x` under the last closure. */
  let known = false;
  /** Whether the last step at `state.x` found nothing to gain under the last closure. */
  let stalled = false;

  /** Takes over what somebody else may have written into the variables. */
  function readVariables(): void {
    params.copyInto(current);
    if (current.every((value, i) => value === state.x[i])) return;
    state.x.set(current);
    known = false;
  }

  function minimize(loss: () => tf.Scalar, iterations: number, reuse: boolean): Progress {
    const evaluate = evaluator(loss, params);
    let evaluations = 0;
    const problem = {
      p0: state.x,
      fg(x: Float64Array, gradient: Float64Array | null) {
        params.copyFrom(x);
        evaluations++;
        return evaluate(gradient);
      },
    };
    readVariables();
    if (!(reuse && known)) {
      known = false;
      stalled = false;
      state.f = problem.fg(state.x, state.gradient);
      known = true;
    }
    const startLoss = state.f;
    let step = 0;
    try {
      // A start that is not finite leaves no direction to go in: the variables stay as they are.
      if (!Number.isFinite(startLoss + normInf(state.gradient))) stalled = true;
      for (let k = 0; k < iterations && !stalled; k++) {
        const outcome = runSync(solver.step(state), problem);
        if (outcome.kind === 'accepted') step = outcome.alpha;
        else stalled = true;
      }
      // The closure is owed one run in each call: it is what fills in the metrics.
      if (evaluations === 0) problem.fg(state.x, null);
    } finally {
      params.copyFrom(state.x);
    }
    return { startLoss, loss: state.f, gradientNorm: normInf(state.gradient), step, evaluations };
  }

  function applyGradients(gradients: tf.NamedTensorMap, learningRate: number): void {
    readVariables();
    tfGrads(gradients, params).copyInto(state.gradient);
    const direction = current;
    if (solver.direction) solver.direction(state, direction);
    else for (let i = 0; i < n; i++) direction[i] = -state.gradient[i];
    // No line search guards this step: no parameter may move by more than the learning rate.
    const alpha = learningRate * Math.min(1, 1 / normInf(direction));
    if (Number.isFinite(alpha)) {
      for (let i = 0; i < n; i++) state.x[i] = Math.fround(state.x[i] + alpha * direction[i]);
      params.copyFrom(state.x);
    }
    known = false;
  }

  return { params, state, minimize, applyGradients };
}
