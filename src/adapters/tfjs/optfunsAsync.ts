import type * as tf from '@tensorflow/tfjs';
import { checkOptions, nonNegative } from '../../core/options.ts';
import { checkLength } from '../../core/paramSet.ts';
import type { AsyncObjective, AsyncProblem } from '../../core/problem.ts';
import { breather, FRAME } from '../../core/eventLoop.ts';
import { asyncEvaluator, checkLoss } from './tensors/evaluate.ts';
import { secondOrderEnabled } from './internals/secondOrderEnabled.ts';
import { asyncHessianVector } from './secondOrder/hessianVector.ts';
import { paramSet, type TfParamSet } from './tensors/tfParams.ts';

/** A loss over tfjs variables as asynchronous functions of one flat vector. */
export interface AsyncOptFuns extends AsyncProblem {
  /** f(x). */
  readonly lossfun: (x: ArrayLike<number>) => Promise<number>;
  /** ∇f(x), `[n]`, in `out` or a new vector. */
  readonly gradfun: (x: ArrayLike<number>, out?: Float64Array) => Promise<Float64Array>;
  /** f(x), and ∇f(x) into `gradient` unless it is null. */
  readonly fg: AsyncObjective;
  /** The variables' values when `optfunsAsync` was called, `[n]`. */
  readonly p0: Float64Array;
  readonly params: TfParamSet;
  readonly precision: 'float32';
}

/** Options of {@link optfunsAsync}. */
export interface OptFunsAsyncOptions {
  /**
   * Milliseconds after which to yield to the event loop, for timers, clicks and painting; 0 yields after each
   * evaluation.
   *
   * @defaultValue `16`
   */
  readonly yieldEvery?: number | undefined;
}

/**
 * As {@link optfuns}, but asynchronous: for backends that cannot be read synchronously (webgpu), and to keep
 * the page or process responsive. It yields to the event loop between evaluations about every 16 ms, on every
 * backend. Value and gradient of an evaluation are fetched in one read.
 *
 * @param loss - returns a scalar tensor; called for each evaluation, after which its tensors are disposed
 * @param pars - the variables, a model, or a set made by {@link tfParams}
 * @param options - interval between turns of the event loop
 * @throws TypeError or RangeError as {@link optfuns} does
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { lbfgs, minimizeAsync } from 'quasi-newton';
 * import { optfunsAsync } from 'quasi-newton/tfjs';
 *
 * const w = tf.variable(tf.tensor1d([3, -4]));
 * const problem = await optfunsAsync(() => w.square().sum(), [w]);
 * const result = await minimizeAsync(problem, lbfgs());
 * ```
 */
export async function optfunsAsync(
  loss: () => tf.Tensor,
  pars: TfParamSet | readonly tf.Variable[] | tf.LayersModel,
  options: OptFunsAsyncOptions = {},
): Promise<AsyncOptFuns> {
  checkLoss('optfunsAsync', loss);
  checkOptions('optfunsAsync', options, { yieldEvery: nonNegative });
  const params = paramSet(pars);
  const evaluate = asyncEvaluator(loss, params);
  const breathe = breather(options.yieldEvery ?? FRAME);
  const fg = async (x: ArrayLike<number>, gradient: Float64Array | null) => {
    await breathe();
    params.copyFrom(x);
    return evaluate(gradient);
  };
  return {
    fg,
    yieldEvery: Infinity, // fg yields itself
    lossfun: (x) => fg(x, null),
    async gradfun(x, out = params.zeros()) {
      checkLength('gradfun: out', out, params.length);
      await fg(x, out);
      return out;
    },
    p0: await params.read(params.zeros()),
    params,
    precision: 'float32',
    ...(secondOrderEnabled() && { hessianVector: asyncHessianVector(loss, params) }),
  };
}
