import * as tf from '@tensorflow/tfjs';
import { checkLength, type GradSet } from '../../../core/paramSet.ts';
import { readNow } from './read.ts';
import type { TfParamSet } from './tfParams.ts';

/**
 * Returns the gradients from `tf.variableGrads` as one flat vector, in the order of `params`.
 *
 * A variable that the loss does not depend on has no gradient and counts as zeros. The tensors are
 * referenced, not copied; `copyFrom` replaces those in `namedGrads` and disposes the old ones.
 *
 * @param namedGrads - gradient by variable name
 * @throws RangeError if the shape of a gradient differs from that of its variable
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { tfGrads, tfParams } from 'quasi-newton/tfjs';
 *
 * const w = tf.variable(tf.tensor1d([3, -4]));
 * const params = tfParams([w]);
 * const { value, grads } = tf.variableGrads(() => w.square().sum());
 * tfGrads(grads, params).copyInto(params.zeros()); // [6, -8]
 * tf.dispose([value, grads]);
 * ```
 */
export function tfGrads(namedGrads: tf.NamedTensorMap, params: TfParamSet): GradSet {
  const { length, layout, variables } = params;
  for (const { name, shape } of variables) {
    const gradient = namedGrads[name];
    if (gradient && gradient.shape.join() !== shape.join()) {
      throw new RangeError(
        `tfGrads: the gradient of "${name}" has shape [${gradient.shape.join(', ')}]; it must be [${shape.join(', ')}].`,
      );
    }
  }
  return {
    length,
    layout,
    zeros: () => new Float64Array(length),
    copyInto(vector) {
      checkLength('copyInto: vector', vector, length);
      for (let i = 0; i < variables.length; i++) {
        const { offset, size } = layout.tensors[i];
        const gradient = namedGrads[variables[i].name];
        if (gradient) vector.set(readNow(gradient), offset);
        else vector.fill(0, offset, offset + size);
      }
      return vector;
    },
    copyFrom(vector) {
      checkLength('copyFrom: vector', vector, length);
      for (let i = 0; i < variables.length; i++) {
        const { offset, size, shape } = layout.tensors[i];
        const values = Float32Array.from({ length: size }, (_, j) => vector[offset + j]);
        namedGrads[variables[i].name]?.dispose();
        namedGrads[variables[i].name] = tf.tensor(values, [...shape], 'float32');
      }
    },
  };
}
