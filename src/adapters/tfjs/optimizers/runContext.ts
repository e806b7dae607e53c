import type * as tf from '@tensorflow/tfjs';
import type { Floor } from '../../../core/runState.ts';
import type { ParamSet } from '../../../core/paramSet.ts';
import type { Iterate, Solver } from '../../../core/solver.ts';
import type { FitWatch } from '../internals/model.ts';
import type { Applied } from './appliedGradients.ts';

/** One call of `minimize`, as a run takes it: a function, whose evaluations it asks for. */
export interface Call {
  /** Number of iterations to run. */
  readonly iterations: number;
  /** True if it is the function of the call before, so that f and ∇f are known at the start. */
  readonly fullBatch: boolean;
  /** Moves the variables to where they may be, after each accepted step. */
  readonly project: (() => void) | null;
  /** The model whose training loss it is, or null as long as that is not known. */
  readonly model: () => tf.LayersModel | null;
  /** True if the function draws random numbers, or carries state on. */
  readonly varies: () => boolean;
}

/** State of a run, as plain data. */
export interface Knowledge {
  /** The solver's state. */
  state: Iterate;
  /** True if `state.f` and `state.gradient` are those of `state.x` under the last closure. */
  known: boolean;
  /** Sentence that says why no step from `state.x` gains anything under the last closure, or null. */
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

/** Data and functions that the calls of a run share. */
export interface RunContext extends RunSettings {
  readonly params: ParamSet;
  readonly run: Knowledge;
  readonly fit: FitWatch;
  /** Point at which the last call began, `[n]`; null before the first of this process. */
  previous: Float64Array | null;
  /** The solver that `run.state` belongs to. */
  solver(): Solver;
  /** Takes over what somebody else may have written into the variables, and moves it to where the solver may begin. */
  readVariables(): void;
  /** Point that the variables hold between calls: the solver's answer, or its iterate. Read it before the next call. */
  answer(): Float64Array;
  /** Begins again with an empty memory, at the point and with the values that are known. */
  restart(changes: Knowledge['changes']): void;
  /** `x ← P(x)`, by way of the variables; true if it has moved. */
  projected(x: Float64Array, project: () => void): boolean;
}
