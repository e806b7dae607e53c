import * as tf from '@tensorflow/tfjs';
import { atFloor, noFloor, type Floor } from '../../../core/convergence.ts';
import { runSync } from '../../../core/drive.ts';
import { normInf } from '../../../core/vector.ts';
import type { Iterate, Solver } from '../../../core/solver.ts';
import { guard } from '../guard/guard.ts';
import { projectStep, type Start } from './projectedStep.ts';
import { evaluator } from '../evaluate.ts';
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
  /** Where the variables were found by what the loss depends on: those it might depend on. */
  readonly among?: readonly tf.Variable[] | undefined;
  /** How many iterations to run. */
  readonly iterations: number;
  /** Whether it is the function of the call before, so that f and ∇f are known at the start. */
  readonly fullBatch: boolean;
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
  /** How long f has gained nothing, where every call sees the same function. */
  floor: Floor;
  /** Whether f has been seen to change from call to call, with the mini-batch. */
  stochastic: boolean;
}

/** A solver at work on one list of variables, through any number of closures. */
export interface TrainingRun {
  readonly params: TfParamSet;
  readonly knowledge: Knowledge;
  /** Runs solver iterations on one closure; tensors in `stash` are to be disposed of later. */
  minimize(call: Call): { progress: Progress; stash: tf.Tensor[] };
  /** x ← x − α·H∇f for a gradient that somebody else computed; H is what earlier calls have learned. */
  applyGradients(gradients: tf.NamedTensorMap, learningRate: number, project: Call['project']): void;
}

/**
 * A projection that moves no parameter by more than this, relative to the largest, has moved none: the
 * constraints of tfjs divide by a norm plus 1e-7, and so change weights that are well within.
 */
const PROJECTION_TOLERANCE = 1e-6;

/** Two losses at one point that differ by more than this, relatively, are taken for those of different functions. */
const SAME_LOSS = 1e-4;

/** By more than this, and more than {@link ROUNDING} of the largest there was, they are: it is no rounding. */
const OTHER_LOSS = 1e-2;
const ROUNDING = 1e-6;

const startOf = ({ x, f, gradient }: Iterate): Start => ({
  x: Float64Array.from(x),
  f,
  gradient: Float64Array.from(gradient),
});

/** Mini-batches under `fullBatch` soon allow no step from values that are another batch's; then this is called. */
function checkSame(f: number, known: number, largest: number): void {
  if (!(Math.abs(f - known) > Math.max(OTHER_LOSS * Math.abs(known), ROUNDING * largest))) return;
  throw new Error(
    `fullBatch: every batch must be all the data, but at the same weights the loss of this one is ${f}, and that of an earlier one was ${known}. Give fit a batchSize of all samples that it trains on, or leave fullBatch out.`,
  );
}

/** @param knowledge - of an earlier run on variables of the same shapes, to go on from */
export function trainingRun(
  solver: Solver,
  variables: readonly tf.Variable[],
  knowledge?: Knowledge,
): TrainingRun {
  const params = tfParams(variables);
  const { length: n } = params;
  const own = new Set(variables);
  const init = (stochastic: boolean) => solver.init({ n, precision: 'float32', stochastic });
  const run = knowledge ?? {
    state: init(false),
    known: false,
    stalled: false,
    floor: noFloor(),
    stochastic: false,
  };
  const current = params.zeros();
  /** The largest |f| that a call has begun with; not known, and nothing compared with it, in a run that was loaded. */
  let largest = Infinity;

  /** Takes over what somebody else may have written into the variables. */
  function readVariables(): void {
    const { x } = run.state;
    params.copyInto(current);
    if (current.every((value, i) => value === x[i])) return;
    x.set(current);
    run.known = false;
  }

  /** Begins again as a solver on mini-batches, at the point and with the values that are known. */
  function becomeStochastic(): void {
    const { x, f, gradient } = run.state;
    run.state = init(true);
    run.state.x.set(x);
    run.state.gradient.set(gradient);
    run.state.f = f;
    run.stochastic = true;
  }

  /** `x ← P(x)`, by way of the variables; whether it has moved. */
  function projected(x: Float64Array, project: () => void): boolean {
    params.copyFrom(x);
    project();
    params.copyInto(current);
    let moved = 0;
    for (let i = 0; i < n; i++) moved = Math.max(moved, Math.abs(current[i] - x[i]));
    if (!(moved > PROJECTION_TOLERANCE * normInf(x))) return false;
    x.set(current);
    return true;
  }

  function minimize({
    loss,
    among,
    iterations,
    fullBatch,
    model,
    project,
  }: Call): ReturnType<TrainingRun['minimize']> {
    readVariables();
    if (project && projected(run.state.x, project)) run.known = false;
    const guarded = guard(loss, { own, model });
    const evaluate = evaluator(guarded.loss, params, among);
    let evaluations = 0;
    const problem = {
      p0: run.state.x,
      fg(x: Float64Array, gradient: Float64Array | null) {
        params.copyFrom(x);
        evaluations++;
        return evaluate(gradient);
      },
    };
    function evaluateHere(): void {
      const { state } = run;
      state.f = problem.fg(state.x, state.gradient);
      run.known = true;
      run.stalled = false;
      largest = Math.max(largest === Infinity ? 0 : largest, Math.abs(state.f));
    }
    /** Whether steps have become a waste: neither f nor its gradient gains anything more in float32. */
    function exhausted(): boolean {
      const { f, gradient } = run.state;
      return fullBatch && solver.descends && atFloor(run.floor, 'float32', f, normInf(gradient));
    }

    let step = 0;
    let stash: tf.Tensor[];
    let startLoss: number;
    try {
      const expected = run.known ? run.state.f : NaN;
      if (!(fullBatch && run.known)) {
        evaluateHere();
        run.floor = noFloor();
        const surprise = Math.abs(run.state.f - expected) > SAME_LOSS * Math.abs(expected);
        if (surprise && !run.stochastic) becomeStochastic();
      }
      startLoss = run.state.f;
      // A start that is not finite leaves no direction to go in: the variables stay as they are.
      if (!Number.isFinite(startLoss + normInf(run.state.gradient))) run.stalled = true;
      for (let k = 0; k < iterations && !run.stalled; k++) {
        const { state } = run;
        const start = project && startOf(state);
        const outcome = runSync(solver.step(state), problem);
        const within =
          outcome.kind === 'accepted' &&
          (!start ||
            projectStep(state, start, { project: (x) => projected(x, project), evaluate: evaluateHere }));
        if (within) step = outcome.alpha;
        run.stalled = !within || exhausted();
      }
      // The closure is owed one run in each call: it is what fills in the metrics.
      if (evaluations === 0) checkSame(problem.fg(run.state.x, null), run.state.f, largest);
    } catch (error) {
      run.known = false;
      tf.dispose(guarded.release());
      throw error;
    } finally {
      stash = guarded.release();
      params.copyFrom(run.state.x);
    }
    if (fullBatch && guarded.varies()) run.known = false;
    const { f, gradient } = run.state;
    return { progress: { startLoss, loss: f, gradientNorm: normInf(gradient), step, evaluations }, stash };
  }

  function applyGradients(
    gradients: tf.NamedTensorMap,
    learningRate: number,
    project: Call['project'],
  ): void {
    readVariables();
    const { state } = run;
    tfGrads(gradients, params).copyInto(state.gradient);
    const direction = current;
    if (solver.direction) solver.direction(state, direction);
    else for (let i = 0; i < n; i++) direction[i] = -state.gradient[i];
    // No line search guards this step: no parameter may move by more than the learning rate.
    const alpha = learningRate * Math.min(1, 1 / normInf(direction));
    if (Number.isFinite(alpha)) {
      for (let i = 0; i < n; i++) state.x[i] = Math.fround(state.x[i] + alpha * direction[i]);
      if (project) projected(state.x, project);
      params.copyFrom(state.x);
    }
    run.known = false;
  }

  return { params, knowledge: run, minimize, applyGradients };
}
