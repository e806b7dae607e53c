import * as tf from '@tensorflow/tfjs';
import { checkOptions, oneOf, show } from '../../core/options.ts';
import { dot } from '../../core/vector.ts';
import { checkLoss, evaluator } from './tensors/evaluate.ts';
import { readNow } from './tensors/read.ts';
import { paramSet, type TfParamSet } from './tensors/tfParams.ts';
import type { Problem, Residuals } from '../../core/problem.ts';

/** Options of {@link leastSquaresProblem}. */
export interface LeastSquaresProblemOptions {
  /**
   * Method for the Jacobian: `'rows'` takes one backward pass per residual and is exact to float32;
   * `'differences'` leaves it to the solver, at one forward pass per unknown and with three accurate digits.
   *
   * @defaultValue `'rows'`
   */
  readonly jacobian?: 'rows' | 'differences' | undefined;
}

/** A sum of squares over tfjs variables. Each evaluation sets the variables to x. */
export interface TfLeastSquares extends Problem {
  readonly residuals: Residuals;
  readonly residualCount: number;
  readonly params: TfParamSet;
  readonly precision: 'float32';
}

/**
 * Creates a problem from residuals computed from variables, f = Σ rᵢ², for `levenbergMarquardt()` and every
 * other solver.
 *
 * @param residuals - returns a tensor of any shape, the same each time; called for each evaluation, after
 *   which its tensors are disposed
 * @param pars - the variables, a model, or a set made by {@link tfParams}
 * @throws TypeError or RangeError as {@link tfParams} does; TypeError if `residuals` does not return a
 *   float32 tensor; RangeError, when called, if the number of residuals has changed
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { levenbergMarquardt, minimize } from 'quasi-newton';
 * import { leastSquaresProblem } from 'quasi-newton/tfjs';
 *
 * const t = tf.linspace(0, 3, 20);
 * const y = t.mul(-0.7).exp().mul(2);
 * const [amplitude, rate] = [tf.variable(tf.scalar(1)), tf.variable(tf.scalar(1))];
 * const problem = leastSquaresProblem(() => t.mul(rate).neg().exp().mul(amplitude).sub(y), [amplitude, rate]);
 * const { x } = minimize(problem, levenbergMarquardt()); // 2, 0.7
 * ```
 */
export function leastSquaresProblem(
  residuals: () => tf.Tensor,
  pars: TfParamSet | readonly tf.Variable[] | tf.LayersModel,
  options: LeastSquaresProblemOptions = {},
): TfLeastSquares {
  checkLoss('leastSquaresProblem', residuals, 'residuals');
  checkOptions('leastSquaresProblem', options, { jacobian: oneOf('rows', 'differences') });
  const { jacobian: way = 'rows' } = options;
  const params = paramSet(pars);
  const m = tf.tidy(() => called(residuals).size);
  const n = params.length;
  const r = new Float64Array(m);

  const flat = (): tf.Tensor1D => {
    const tensor = called(residuals);
    if (tensor.size === m) return tensor.reshape([m]);
    throw new RangeError(
      `leastSquaresProblem: residuals returned ${tensor.size} values; at first there were ${m}.`,
    );
  };
  let isFirst = true;
  /** Names a residual that is NaN in the first evaluation. */
  const checkFirst = (): void => {
    if (!isFirst) return;
    isFirst = false;
    const bad = r.findIndex(Number.isNaN);
    if (bad < 0) return;
    throw new RangeError(
      `leastSquaresProblem: residual ${bad} of ${m} is NaN at the first point; the data or the variables make it NaN.`,
    );
  };
  /** Index of the residual to differentiate, or null for the sum of squares. */
  let row: number | null = null;
  let kept: tf.Tensor1D | null = null;
  const differentiate = evaluator(() => {
    const values = flat();
    if (row !== null) return values.slice([row], [1]).sum();
    kept = tf.keep(values.clone());
    return values.square().sum();
  }, params);

  function fg(x: Float64Array, gradient: Float64Array | null): number {
    params.copyFrom(x);
    if (gradient === null) tf.tidy(() => r.set(readNow(flat())));
    else {
      row = null;
      try {
        differentiate(gradient);
        if (kept !== null) r.set(readNow(kept));
      } finally {
        kept?.dispose();
        kept = null;
      }
    }
    checkFirst();
    // In float64, because a sum of squares in float32 would lose digits of the residuals.
    return dot(r, r);
  }

  return {
    p0: params.copyInto(params.zeros()),
    params,
    precision: 'float32',
    residualCount: m,
    fg,
    residuals(x, out, jacobian) {
      params.copyFrom(x);
      tf.tidy(() => out.set(readNow(flat())));
      if (jacobian === null || way === 'differences') return;
      for (let i = 0; i < m; i++) {
        row = i;
        differentiate(jacobian.subarray(i * n, (i + 1) * n));
      }
    },
  };
}

/** Calls the residuals; explains TensorFlow.js's error if they use a disposed tensor. */
function called(residuals: () => tf.Tensor): tf.Tensor {
  try {
    return checked(residuals());
  } catch (error) {
    // The engine finds no data: "Cannot read properties of undefined (reading 'backend')".
    if (!(error instanceof TypeError && error.message.includes("'backend'"))) throw error;
    throw new TypeError(
      'leastSquaresProblem: residuals used a disposed tensor; keep the data alive: tensors made inside tf.tidy need tf.keep.',
      { cause: error },
    );
  }
}

function checked(values: tf.Tensor): tf.Tensor {
  if (values instanceof tf.Tensor && values.isDisposed) {
    throw new TypeError(
      'leastSquaresProblem: residuals returned a disposed tensor; return it without disposing of it, which is done after each evaluation.',
    );
  }
  if (values instanceof tf.Tensor && values.dtype === 'float32' && values.size > 0) return values;
  const got =
    values instanceof tf.Tensor ? `one of ${values.dtype} with ${values.size} values` : show(values);
  throw new TypeError(`leastSquaresProblem: residuals must return a float32 tensor, got ${got}.`);
}
