import type * as tf from '@tensorflow/tfjs';
import { noFloor, type Floor } from '../../../core/convergence.ts';
import { normInf } from '../../../core/vector.ts';
import { adam } from '../../../solvers/adam.ts';
import type { Iterate, Solver } from '../../../core/solver.ts';
import { fitWatch, type FitWatch } from '../internals/model.ts';
import { tfParams, type TfParamSet } from '../tfParams.ts';
import { applyGradients, type Applied, type AppliedOptions } from './appliedGradients.ts';
import type { Progress } from './progress.ts';
import { runCall } from './trainingCall.ts';

/** One call of `minimize`, as a {@link TrainingRun} takes it. */
export interface Call {
  /** Evaluated several times under a guard. */
  readonly loss: () => tf.Scalar;
  /** Where the variables were found by what the loss depends on: those it might depend on. */
  readonly among?: readonly tf.Variable[] | undefined;
  /** Number of iterations to run. */
  readonly iterations: number;
  /** True if it is the function of the call before, so that f and ∇f are known at the start. */
  readonly fullBatch: boolean;
  /** Moves the variables to where they may be, after each accepted step. */
  readonly project: (() => void) | null;
}

/** What a run knows, as plain data. */
export interface Knowledge {
  /** The solver's state. */
  state: Iterate;
  /** True if `state.f` and `state.gradient` are those of `state.x` under the last closure. */
  known: boolean;
  /** Why no step from `state.x` gains anything under the last closure, or null. */
  stopped: string | null;
  /** Number of iterations that have gained nothing, where every call sees the same function. */
  floor: Floor;
  /**
   * `'same'` until f is seen to change: `'batches'` from call to call, `'evaluations'` from one evaluation to the
   * next.
   */
  changes: 'same' | 'batches' | 'evaluations';
  /** True once the closure has been evaluated twice at one point. */
  checked: boolean;
  /** True if the last call met another function than the one before, and took it for a lasting one. */
  replaced: boolean;
  /** Number of mini-batches in a row that allowed no step. */
  idle: number;
  /** The largest |f| that a call has begun with. */
  largest: number;
  /** The last step of `applyGradients`, whose pair can still be learned. */
  applied: Applied | null;
}

/** The options of an optimizer that its runs need. */
export interface RunSettings {
  readonly learningRate: number;
  /** Called with a sentence that its user should read. */
  readonly warn: (sentence: string) => void;
}

/** What the calls of a run share. */
export interface RunContext extends RunSettings {
  readonly params: TfParamSet;
  readonly run: Knowledge;
  readonly fit: FitWatch;
  /** Where the last call began, `[n]`; null before the first of this process. */
  previous: Float64Array | null;
  /** The solver that `run.state` belongs to. */
  solver(): Solver;
  /** Takes over what somebody else may have written into the variables, and moves it to where the solver may begin. */
  readVariables(): void;
  /** Begins again with an empty memory, at the point and with the values that are known. */
  restart(changes: Knowledge['changes']): void;
  /** `x ← P(x)`, by way of the variables; true if it has moved. */
  projected(x: Float64Array, project: () => void): boolean;
}

/** A solver at work on one list of variables, through any number of closures. */
export interface TrainingRun {
  readonly params: TfParamSet;
  readonly knowledge: Knowledge;
  /** Runs solver iterations on one closure; tensors in `stash` are to be disposed of later. */
  minimize(call: Call): { progress: Progress; stash: tf.Tensor[] };
  /** Takes a bounded step along −H∇f for gradients that somebody else computed. */
  applyGradients(gradients: tf.NamedTensorMap, options: AppliedOptions, project: Call['project']): void;
}

/**
 * A projection that moves no parameter by more than this, relative to the largest, has moved none: the
 * constraints of tfjs divide by a norm plus 1e-7, and so change weights that are well within.
 */
const PROJECTION_TOLERANCE = 1e-6;

/** Steps of Adam on closures that draw another batch at each evaluation, as a part of the learning rate. */
const ADAM_RATE = 0.1;

/** @param knowledge - of an earlier run on variables of the same shapes, to go on from */
export function trainingRun(
  solver: Solver,
  variables: readonly tf.Variable[],
  settings: RunSettings,
  knowledge?: Knowledge,
): TrainingRun {
  const params = tfParams(variables);
  const { length: n } = params;
  const plain = adam({ learningRate: ADAM_RATE * settings.learningRate });
  const solverFor = (changes: Knowledge['changes']) => (changes === 'evaluations' ? plain : solver);
  const init = (changes: Knowledge['changes']) =>
    solverFor(changes).init({ n, precision: 'float32', stochastic: changes !== 'same' });
  const run: Knowledge = knowledge ?? {
    state: init('same'),
    known: false,
    stopped: null,
    floor: noFloor(),
    changes: 'same',
    checked: false,
    replaced: false,
    idle: 0,
    largest: 0,
    applied: null,
  };
  const current = params.zeros();
  const context: RunContext = {
    ...settings,
    params,
    run,
    fit: fitWatch(),
    previous: null,
    solver: () => solverFor(run.changes),
    readVariables() {
      params.copyInto(current);
      solver.admit?.(current);
      const { x } = run.state;
      if (current.every((value, i) => value === x[i])) return;
      x.set(current);
      run.known = false;
    },
    restart(changes) {
      const { x, f, gradient } = run.state;
      run.state = init(changes);
      run.state.x.set(x);
      run.state.gradient.set(gradient);
      run.state.f = f;
      Object.assign(run, { changes, stopped: null, floor: noFloor() });
    },
    projected(x, project) {
      params.copyFrom(x);
      project();
      params.copyInto(current);
      let moved = 0;
      for (let i = 0; i < n; i++) moved = Math.max(moved, Math.abs(current[i] - x[i]));
      if (!(moved > PROJECTION_TOLERANCE * normInf(x))) return false;
      x.set(current);
      return true;
    },
  };
  return {
    params,
    knowledge: run,
    minimize: (call) => runCall(context, call),
    applyGradients(gradients, options, project) {
      context.readVariables();
      // Adam's memory is not the solver's.
      const withSearch = run.changes === 'evaluations' ? null : options.withSearch;
      applyGradients(run, params, gradients, { ...options, withSearch, solver: context.solver() });
      if (project) context.projected(run.state.x, project);
      params.copyFrom(run.state.x);
      run.known = false;
    },
  };
}
