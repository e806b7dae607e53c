import type * as tf from '@tensorflow/tfjs';
import { runSync } from '../../../core/drive.ts';
import { normInf } from '../../../core/vector.ts';
import type { Iterate, Solver } from '../../../core/solver.ts';
import { guard } from '../guard/guard.ts';
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

/** One call of `minimize`, as a {@link TrainingRun} takes it. */
export interface Call {
  /** Evaluated several times under a guard. */
  readonly loss: () => tf.Scalar;
  /** How many iterations to run. */
  readonly iterations: number;
  /** Whether it is the function of the call before, so that f and ∇f are known at the start. */
  readonly reuse: boolean;
  /** The model whose closure it is, where that is known. */
  readonly model: tf.LayersModel | null;
  /** Moves the variables to where they may be, after each accepted step. */
  readonly project: (() => void) | null;
}

/** What a run knows, as plain data. */
export interface Knowledge {
  /** The solver's state. */
  state: Iterate;
  /** Whether `state.f` and `state.gradient` are those of `state.x` under the last closure. */
  known: boolean;
  /** Whether the last step at `state.x` found nothing to gain under the last closure. */
  stalled: boolean;
}

/** A solver at work on one list of variables, through any number of closures. */
export interface TrainingRun {
  readonly params: TfParamSet;
  readonly knowledge: Knowledge;
  /** Runs solver iterations on one closure; tensors in `stash` are to be disposed of later. */
  minimize(call: Call): { progress: Progress; stash: tf.Tensor[] };
  /** x ← x − α·H∇f for a gradient that somebody else computed; H is what earlier calls have learned. */
  applyGradients(gradients: tf.NamedTensorMap, learningRate: number): void;
}

/**
 * A projection that moves no parameter by more than this, relative to the largest, has moved none: the
 * constraints of tfjs divide by a norm plus 1e-7, and so change weights that are well within.
 */
const PROJECTION_TOLERANCE = 1e-6;

/** @param knowledge - of an earlier run on variables of the same shapes, to go on from */
export function trainingRun(
  solver: Solver,
  variables: readonly tf.Variable[],
  knowledge?: Knowledge,
): TrainingRun {
  const params = tfParams(variables);
  const { length: n } = params;
  const own = new Set(variables);
  const run = knowledge ?? {
    state: solver.init({ n, precision: 'float32' }),
    known: false,
    stalled: false,
  };
  const { state } = run;
  const current = params.zeros();

  /** Takes over what somebody else may have written into the variables. */
  function readVariables(): void {
    params.copyInto(current);
    if (current.every((value, i) => value === state.x[i])) return;
    state.x.set(current);
    run.known = false;
  }

  /** Moves `state.x` to where the projection leaves it; says whether that is elsewhere. */
  function projected(project: () => void): boolean {
    params.copyFrom(state.x);
    project();
    params.copyInto(current);
    let moved = 0;
    for (let i = 0; i < n; i++) moved = Math.max(moved, Math.abs(current[i] - state.x[i]));
    if (!(moved > PROJECTION_TOLERANCE * normInf(state.x))) return false;
    state.x.set(current);
    return true;
  }

  function minimize({ loss, iterations, reuse, model, project }: Call): ReturnType<TrainingRun['minimize']> {
    readVariables();
    const guarded = guard(loss, { own, model });
    const evaluate = evaluator(guarded.loss, params);
    let evaluations = 0;
    const problem = {
      p0: state.x,
      fg(x: Float64Array, gradient: Float64Array | null) {
        params.copyFrom(x);
        evaluations++;
        return evaluate(gradient);
      },
    };
    /** Evaluates at `state.x`, unless that has been done. */
    function know(): void {
      if (run.known) return;
      state.f = problem.fg(state.x, state.gradient);
      run.known = true;
      run.stalled = false;
    }

    let step = 0;
    let stash: tf.Tensor[];
    let startLoss: number;
    try {
      run.known &&= reuse;
      know();
      startLoss = state.f;
      // A start that is not finite leaves no direction to go in: the variables stay as they are.
      if (!Number.isFinite(startLoss + normInf(state.gradient))) run.stalled = true;
      for (let k = 0; k < iterations && !run.stalled; k++) {
        const outcome = runSync(solver.step(state), problem);
        if (outcome.kind === 'accepted') {
          step = outcome.alpha;
          if (project && projected(project)) {
            run.known = false;
            if (k + 1 < iterations) know();
          }
        } else run.stalled = true;
      }
      // The closure is owed one run in each call: it is what fills in the metrics.
      if (evaluations === 0) problem.fg(state.x, null);
      run.known &&= !guarded.varies();
    } finally {
      stash = guarded.release();
      params.copyFrom(state.x);
    }
    const { f, gradient } = state;
    return { progress: { startLoss, loss: f, gradientNorm: normInf(gradient), step, evaluations }, stash };
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
    run.known = false;
  }

  return { params, knowledge: run, minimize, applyGradients };
}
