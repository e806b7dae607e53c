import type * as tf from '@tensorflow/tfjs';
import { assignments } from './assignments.ts';
import { withDraws } from './randomness.ts';
import { currentScope, giveToScope, keptScalars } from '../internals/engine.ts';
import { recurrentStates, type RecurrentStates } from '../internals/layerStates.ts';
import { watchingModel, withoutMetrics } from '../internals/model.ts';

/** A training closure that can be run several times without repeated side effects. */
export interface Guard {
  /** Runs the closure, always as the same function of the variables being optimized. */
  readonly loss: () => tf.Scalar;
  /**
   * Returns true if the unguarded closure changes between runs, because it draws random numbers or carries
   * state.
   */
  varies(): boolean;
  /** Returns the model whose training closure it is; null until that is known. */
  model(): tf.LayersModel | null;
  /**
   * Ends the guard and leaves everything as if the closure had run once.
   *
   * @returns tensors without an owner, which the caller of the optimizer may still read
   */
  release(): tf.Tensor[];
}

/** Options of {@link guard}. */
export interface GuardOptions {
  /** The variables being optimized. */
  readonly own: ReadonlySet<tf.Variable>;
  /** The model whose training closure it is, if known. */
  readonly model: tf.LayersModel | null;
  /** Random numbers of earlier runs to repeat. @defaultValue `[]` */
  readonly draws?: number[] | undefined;
  /** True to keep the side effects of the first run. @defaultValue `true` */
  readonly keepFirst?: boolean | undefined;
}

/**
 * Guards a closure that `model.fit` or a user hands to an optimizer.
 *
 * A line search runs a closure several times where tfjs expects one run, but a training closure has side
 * effects. Under the guard, only the first run has them, and all runs see what the first saw: the same random
 * numbers (dropout masks, noise), states of stateful RNNs and other variables. So the loss is one function
 * for the whole step.
 *
 * The first run of a training closure reveals its model, unless it is known. Other closures may keep scalars,
 * as a training closure keeps metrics; those of later runs are disposed at the end.
 */
export function guard(closure: () => tf.Scalar, options: GuardOptions): Guard {
  const { own, draws = [], keepFirst = true } = options;
  let { model } = options;
  const written = assignments(own);
  let states: RecurrentStates | null = model && recurrentStates(model);
  const outer = currentScope();
  const extras: tf.Tensor[] = [];
  let runs = 0;

  const runOnce = () => written.first(closure);
  function runFirst(): tf.Scalar {
    if (model) return runOnce();
    return watchingModel(runOnce, (found) => {
      model = found;
      states = recurrentStates(found, true);
    });
  }

  function runAgain(): tf.Scalar {
    if (model) return withoutMetrics(model, () => states!.again(() => written.again(closure)));
    let value: tf.Scalar | null = null;
    try {
      return (value = written.again(closure));
    } finally {
      extras.push(...keptScalars(value));
    }
  }

  return {
    loss: () => withDraws(draws, runs++ === 0 && keepFirst ? runFirst : runAgain),
    model: () => model,
    varies: () => draws.length > 0 || (states?.some ?? false),
    release() {
      written.release();
      const live = extras.filter(({ isDisposed }) => !isDisposed);
      return outer ? giveToScope(outer, live) : live;
    },
  };
}
