import type * as tf from '@tensorflow/tfjs';
import { checkLength } from '../../core/paramSet.ts';
import type { Objective, Problem } from '../../core/problem.ts';
import { checkLoss, evaluator } from './tensors/evaluate.ts';
import { secondOrderEnabled } from './internals/secondOrderEnabled.ts';
import { hessianVector } from './secondOrder/hessianVector.ts';
import { paramSet, type TfParamSet } from './tensors/tfParams.ts';

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
 * Turns a loss over variables into functions of one flat vector, so that any optimizer can train a model.
 *
 * @param loss - returns a scalar tensor; called for each evaluation, after which its tensors are disposed
 * @param pars - the variables, a model, or a set made by {@link tfParams}
 * @throws TypeError or RangeError as {@link tfParams} does; TypeError, when called, if `loss` does not return
 *   a scalar
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
  checkLoss('optfuns', loss);
  const params = paramSet(pars);
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
    ...(secondOrderEnabled() && { hessianVector: hessianVector(loss, params) }),
  };
}
