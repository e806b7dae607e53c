import type * as tf from '@tensorflow/tfjs';
import { assignments } from './assignments.ts';
import { withDraws } from './randomness.ts';
import { currentScope, giveToScope, keptScalars } from '../internals/engine.ts';
import { recurrentStates, type RecurrentStates } from '../internals/layerStates.ts';
import { watchingModel, withoutMetrics } from '../internals/model.ts';

/** A closure made fit for being run many times. */
export interface Guard {
  /** Runs the closure: always the same function of the variables being optimized. */
  readonly loss: () => tf.Scalar;
  /** True if the closure, unguarded, is another function each time: it draws random numbers or carries state on. */
  varies(): boolean;
  /** The model whose training closure it is, once that is known. */
  model(): tf.LayersModel | null;
  /**
   * Ends it; from here on the world is as if the closure had run once.
   *
   * @returns tensors that are nobody's now, but may still be read by whoever called
   */
  release(): tf.Tensor[];
}

/** Options of {@link guard}. */
export interface GuardOptions {
  /** The variables being optimized. */
  readonly own: ReadonlySet<tf.Variable>;
  /** The model whose training closure it is, where that is known. */
  readonly model: tf.LayersModel | null;
  /** Random numbers of earlier runs, to be repeated. @defaultValue `[]` */
  readonly draws?: number[];
  /** True if the side effects of the first run are to stay. @defaultValue `true` */
  readonly keepFirst?: boolean;
}

/**
 * Guards a closure that `model.fit` or a user hands to an optimizer.
 *
 * A line search runs it several times where tfjs expects one run, and a training closure has side effects.
 * Under the guard the first run has them and no other has; and all runs see what the first saw: the same
 * random numbers (dropout masks, noise), the same states of stateful RNNs, the same other variables. So
 * the loss is one function for all of a step.
 *
 * The first run of a training closure tells whose it is, unless that is known. A closure of another kind may keep
 * scalars as a training closure keeps metrics: those of later runs are disposed of in the end.
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
