/**
 * Evaluation of a loss at the current variables, synchronous or asynchronous. No tensor is left behind, even
 * if the loss throws.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';
import { show } from '../../../core/options.ts';
import { explainGradientError } from './gradientErrors.ts';
import { discardTape } from '../internals/engine.ts';
import { guardNested } from '../internals/nestedGradients.ts';
import { correctGradients } from '../internals/wrongGradients.ts';
import { readJoined, readNow } from './read.ts';
import { tfGrads } from './tfGrads.ts';
import type { TfParamSet } from './tfParams.ts';

/** Error: the loss depends on other variables than expected. */
export class OtherVariables extends Error {
  readonly variables: tf.Variable[];
  constructor(variables: tf.Variable[]) {
    super('The loss depends on other variables than before.');
    this.variables = variables;
  }
}

/**
 * Returns a function that evaluates `loss`, and writes its gradient unless `gradient` is null.
 *
 * @param among - if given, the variables to watch; among these, the loss must depend on those of `params` and
 *   no others. Watching more costs nothing.
 * @throws OtherVariables if it does not
 */
export function evaluator(
  loss: () => tf.Tensor,
  params: TfParamSet,
  among?: readonly tf.Variable[],
): (gradient: Float64Array | null) => number {
  const { variables } = params;
  const own = new Set(variables);
  const watched = [...(among ?? variables)];
  return (gradient) =>
    tf.tidy(() => {
      if (gradient === null) return readNow(scalarOf(loss()))[0];
      const { value, grads } = gradientsOf(loss, watched);
      if (among && watched.some((variable) => own.has(variable) !== Boolean(grads[variable.name]))) {
        throw new OtherVariables(watched.filter(({ name }) => grads[name]));
      }
      tfGrads(grads, params).copyInto(gradient);
      return readNow(value)[0];
    });
}

/** As {@link evaluator}, but asynchronous: value and gradient are fetched in one read. */
export function asyncEvaluator(
  loss: () => tf.Tensor,
  params: TfParamSet,
): (gradient: Float64Array | null) => Promise<number> {
  const variables = [...params.variables];
  return async (gradient) => {
    const tensors = tf.tidy((): tf.Tensor[] => {
      if (gradient === null) return [scalarOf(loss())];
      const { value, grads } = gradientsOf(loss, variables);
      return [value, ...variables.map((variable) => grads[variable.name] ?? tf.zerosLike(variable))];
    });
    try {
      const values = await readJoined(tensors);
      gradient?.set(values.subarray(1));
      return values[0];
    } finally {
      tf.dispose(tensors);
    }
  };
}

/**
 * As `tf.variableGrads`, but also for a loss that contains gradients; errors say what to do.
 *
 * @throws Error if a part of the gradient cannot be computed
 */
export function gradientsOf(
  loss: () => tf.Tensor,
  variables?: tf.Variable[],
): { value: tf.Scalar; grads: tf.NamedTensorMap } {
  correctGradients();
  try {
    return guardNested(() => tf.variableGrads(() => scalarOf(loss()), variables));
  } catch (error) {
    discardTape();
    throw explainGradientError(error);
  }
}

function scalarOf(value: tf.Tensor): tf.Scalar {
  if (!(value instanceof tf.Tensor)) {
    throw new TypeError(`The loss must return a scalar tensor, got ${show(value)}.`);
  }
  if (value.rank !== 0) {
    throw new TypeError(
      `The loss must return a scalar tensor, got one of shape [${value.shape.join(', ')}]; take its mean() or sum().`,
    );
  }
  return value as tf.Scalar;
}

/** Checks a loss. @throws TypeError if it is not a function */
export function checkLoss(where: string, loss: unknown, name = 'loss'): void {
  if (typeof loss !== 'function')
    throw new TypeError(`${where}: ${name} must be a function, got ${show(loss)}.`);
}
