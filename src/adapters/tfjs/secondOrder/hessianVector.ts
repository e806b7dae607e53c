import * as tf from '@tensorflow/tfjs';
import { discardTape } from '../internals/engine.ts';
import { correctGradients } from '../internals/wrongGradients.ts';
import { explainGradientError } from '../tensors/gradientErrors.ts';
import { readJoined, readNow } from '../tensors/read.ts';
import type { TfParamSet } from '../tensors/tfParams.ts';

/** `product ← ∇²f(x)·v` of a loss; x, v and product are `[n]`. */
export function hessianVector(
  loss: () => tf.Tensor,
  params: TfParamSet,
): (x: Float64Array, v: Float64Array, product: Float64Array) => void {
  return (x, v, product) => {
    params.copyFrom(x);
    tf.tidy(() => {
      productTensors(loss, params, v).forEach((tensor, i) =>
        product.set(readNow(tensor), params.layout.tensors[i].offset),
      );
    });
  };
}

/** As {@link hessianVector}, but asynchronous. */
export function asyncHessianVector(
  loss: () => tf.Tensor,
  params: TfParamSet,
): (x: Float64Array, v: Float64Array, product: Float64Array) => Promise<void> {
  return async (x, v, product) => {
    params.copyFrom(x);
    const tensors = tf.tidy(() => productTensors(loss, params, v));
    try {
      product.set(await readJoined(tensors));
    } finally {
      tf.dispose(tensors);
    }
  };
}

/** Returns the gradient of ∇f·v, one tensor for each variable. */
function productTensors(loss: () => tf.Tensor, params: TfParamSet, v: Float64Array): tf.Tensor[] {
  correctGradients();
  const variables = [...params.variables];
  const { tensors } = params.layout;
  const parts = variables.map(({ shape }, i) => {
    const { offset, size } = tensors[i];
    return tf.tensor(Float32Array.from(v.subarray(offset, offset + size)), shape);
  });
  const along = (): tf.Scalar => {
    const { grads } = tf.variableGrads(() => loss() as tf.Scalar, variables);
    const products = variables.flatMap(({ name }, i) =>
      grads[name] ? [grads[name].mul(parts[i]).sum()] : [],
    );
    return tf.addN(products) as tf.Scalar;
  };
  try {
    const { grads } = tf.variableGrads(along, variables);
    return variables.map((variable) => grads[variable.name] ?? tf.zerosLike(variable));
  } catch (cause) {
    discardTape();
    const [, kernel] = /gradient function not found for (\w+)/.exec(String(cause)) ?? [];
    if (!kernel) throw explainGradientError(cause);
    throw new Error(
      `The loss uses ${kernel}, which has no second derivative. Use differences of gradients: give the problem without its hessianVector, { ...problem, hessianVector: undefined }, or hessianVectorProduct the method 'differences'.`,
      { cause },
    );
  }
}
