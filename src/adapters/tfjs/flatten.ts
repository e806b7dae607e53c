import * as tf from '@tensorflow/tfjs';
import { flatten as flattenTree, type Flattened } from '../../core/flatten.ts';

/**
 * As `flatten` of `quasi-newton`, but restores tfjs tensors with their dtype and shape. The caller must
 * dispose them.
 *
 * @throws TypeError naming the path to a value that contains no numbers
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { flatten } from 'quasi-newton/tfjs';
 *
 * const { vector, unflatten } = flatten({ kernel: tf.ones([2, 2]), scale: 3 });
 * const doubled = unflatten(vector.map((v) => 2 * v)); // { kernel: a tensor of twos, scale: 6 }
 * ```
 */
export function flatten<Tree>(tree: Tree): Flattened<Tree> {
  return flattenTree(tree, {
    tensor: (data, shape, original) =>
      tf.tensor(Float32Array.from(data), [...shape], (original as tf.Tensor).dtype),
  });
}
