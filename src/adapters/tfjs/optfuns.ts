import * as tf from '@tensorflow/tfjs';
import { show } from '../../core/options.ts';
import { checkLength } from '../../core/paramSet.ts';
import type { Objective, Problem } from '../../core/problem.ts';
import { discardTape } from './internals.ts';
import { tfGrads } from './tfGrads.ts';
import { tfParams, type TfParamSet } from './tfParams.ts';

/** A loss over tfjs variables as functions of one flat vector. Each call sets the variables to x. */
export interface OptFuns extends Problem {
  /** f(x). */
  readonly lossfun: (x: ArrayLike<number>) => number;
  /** ∇f(x), `[n]`, in `out` or a new vector. */
  readonly gradfun: (x: ArrayLike<number>, out?: Float64Array) => Float64Array;
  /** f(x), and ∇f(x) into `gradient` unless it is null. */
  readonly fg: Objective;
  /** The variables' values when `optfuns` was called, `[n]`. */
  readonly p0: Float64Array;
  readonly params: TfParamSet;
  readonly precision: 'float32';
}

/**
 * A loss over variables as functions of one flat vector, so that any optimizer can train a model.
 *
 * @param loss - returns a scalar tensor; called anew for each evaluation, its tensors are disposed
 * @param pars - the variables, a model, or a set made by {@link tfParams}
 * @throws TypeError or RangeError as {@link tfParams} does; and, when called, a TypeError if `loss` returns
 *   anything but a scalar
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { lbfgs, minimize } from 'quasi-newton';
 * import { optfuns } from 'quasi-newton/tfjs';
 *
 * const x = tf.linspace(-1, 1, 50);
 * const y = x.mul(3).add(0.5);
 * const slope = tf.variable(tf.scalar(0));
 * const offset = tf.variable(tf.scalar(0));
 * const loss = () => x.mul(slope).add(offset).sub(y).square().mean();
 *
 * const result = minimize(optfuns(loss, [slope, offset]), lbfgs());
 * console.log(String(result)); // slope and offset now hold result.x
 * ```
 */
export function optfuns(
  loss: () => tf.Tensor,
  pars: TfParamSet | readonly tf.Variable[] | tf.LayersModel,
): OptFuns {
  if (typeof loss !== 'function') throw new TypeError(`optfuns: loss must be a function, got ${show(loss)}.`);
  const params = isParamSet(pars) ? pars : tfParams(pars);
  const { length } = params;
  const evaluate = evaluator(loss, params);

  const fg: Objective = (x, gradient) => {
    params.copyFrom(x);
    return evaluate(gradient);
  };
  return {
    fg,
    lossfun(x) {
      params.copyFrom(x);
      return evaluate(null);
    },
    gradfun(x, out = params.zeros()) {
      checkLength('gradfun: out', out, length);
      params.copyFrom(x);
      evaluate(out);
      return out;
    },
    p0: params.copyInto(params.zeros()),
    params,
    precision: 'float32',
  };
}

function isParamSet(pars: object): pars is TfParamSet {
  return 'copyInto' in pars && 'variables' in pars;
}

/**
 * Evaluates `loss` at the variables as they are: returns its value, and writes its gradient unless
 * `gradient` is null. Leaves no tensor behind, also when `loss` throws.
 */
export function evaluator(
  loss: () => tf.Tensor,
  params: TfParamSet,
): (gradient: Float64Array | null) => number {
  const variables = [...params.variables];
  return (gradient) =>
    tf.tidy(() => {
      if (gradient === null) return scalarOf(loss()).dataSync()[0];
      try {
        const { value, grads } = tf.variableGrads(() => scalarOf(loss()), variables);
        tfGrads(grads, params).copyInto(gradient);
        return value.dataSync()[0];
      } catch (error) {
        discardTape();
        throw error;
      }
    });
}

function scalarOf(value: tf.Tensor): tf.Scalar {
  if (!(value instanceof tf.Tensor))
    throw new TypeError(`The loss must return a scalar tensor, got ${show(value)}.`);
  if (value.rank !== 0) {
    throw new TypeError(
      `The loss must return a scalar tensor, got one of shape [${value.shape.join(', ')}]; take its mean() or sum().`,
    );
  }
  return value as tf.Scalar;
}
