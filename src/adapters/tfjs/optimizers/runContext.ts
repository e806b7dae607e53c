import type * as tf from '@tensorflow/tfjs';
import type { Floor } from '../../../core/runState.ts';
import type { ParamSet } from '../../../core/paramSet.ts';
import type { Iterate, Solver } from '../../../core/solver.ts';
import type { FitWatch } from '../internals/model.ts';
import type { Applied } from './appliedGradients.ts';

/** One call of `minimize` on a function, whose evaluations the run asks for. */
export interface Call {
  /** Number of iterations to run. */
  readonly iterations: number;
  /** True if it is the function of the previous call, so that f and ∇f are known at the start. */
  readonly fullBatch: boolean;
  /** Projects the variables onto the feasible set after each accepted step; null without constraints. */
  readonly project: (() => void) | null;
  /** The model whose training loss it is; null if not known yet. */
  readonly model: () => tf.LayersModel | null;
  /** Returns true if the function draws random numbers or carries state. */
  readonly varies: () => boolean;
}

/** State of a run, as plain data. */
export interface Knowledge {
  /** The solver's state. */
  state: Iterate;
  /** True if `state.f` and `state.gradient` are those of `state.x` under the last closure. */
  known: boolean;
  /** Message that says why no step from `state.x` lowers the last closure, or null. */
  stopped: string | null;
  /** Detects a standstill, if every call sees the same function. */
  floor: Floor;
  /**
   * Kind of change of f: `'same'` until a change is seen, then `'batches'` (from call to call) or `'evaluations'`
   * (from one evaluation to the next).
   */
  changes: 'same' | 'batches' | 'evaluations';
  /** True once the closure has been evaluated twice at one point. */
  checked: boolean;
  /** True if the last call met another function than the previous one and assumed that it will stay. */
  replaced: boolean;
  /** Number of consecutive mini-batches that allowed no step. */
  idle: number;
  /** The largest |f| at the start of a call. */
  largest: number;
  /** The last step of `applyGradients`, whose pair can still be learned. */
  applied: Applied | null;
}

/** The options of an optimizer used by its runs. */
export interface RunSettings {
  /** Class name of the optimizer, for messages. */
  readonly name: string;
  /** Largest change of a parameter per mini-batch. */
  maxChange: number;
  /** Called with a warning for the user. */
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
  /**
   * Reads the variables, which other code may have changed, and moves the point into the solver's feasible
   * set.
   */
  readVariables(): void;
  /**
   * Returns the point that the variables hold between calls: the solver's answer, or its iterate. Valid until
   * the next call.
   */
  answer(): Float64Array;
  /** Restarts with an empty memory, keeping the current point and its values. */
  restart(changes: Knowledge['changes']): void;
  /** `x ← P(x)`, through the variables, which are as before if that fails; returns true if x has moved. */
  projected(x: Float64Array, project: () => void): boolean;
}
