import type * as tf from '@tensorflow/tfjs';
import { allLayers } from '../internals/layers.ts';
import type { TensorRole, TensorSpec } from '../../../core/layout.ts';

type Layer = tf.layers.Layer;
type LayerVariable = Layer['trainableWeights'][number];

/** A tensor of the layout, with its variable. */
export interface VariableSpec extends TensorSpec {
  readonly variable: tf.Variable;
}

/** Returns the trainable weights of a model in its own order, each with its role in its layer. */
export function modelWeights(model: tf.LayersModel): VariableSpec[] {
  const owners = new Map<LayerVariable, Layer>();
  for (const layer of allLayers(model.layers)) {
    for (const weight of layer.trainableWeights) owners.set(weight, layer);
  }
  return model.trainableWeights.map((weight) => {
    const owner = owners.get(weight);
    const role = roleOf(weight, owner?.getClassName() ?? '');
    return {
      variable: weight.read() as tf.Variable,
      name: weight.originalName,
      shape: weight.shape.map(Number),
      ...(role && { role }),
    };
  });
}

/**
 * Returns the role of a weight, from its layer's class and its own name; undefined if these do not determine
 * it.
 */
function roleOf(weight: LayerVariable, className: string): TensorRole | undefined {
  const { originalName, shape } = weight;
  const last = shape.length - 1;
  // tfjs appends _1, _2, … to a name that is already taken.
  const name = originalName.slice(originalName.lastIndexOf('/') + 1).replace(/_\d+$/, '');
  switch (name) {
    case 'kernel':
      // Transposed convolutions store [h, w, out, in]; all others have the filters last.
      return { kind: 'weight', filterAxes: [/Conv\dDTranspose/.test(className) ? last - 1 : last] };
    case 'recurrent_kernel':
    case 'pointwise_kernel':
      return { kind: 'weight', filterAxes: [last] };
    case 'depthwise_kernel':
      return { kind: 'weight', filterAxes: [last - 1, last] };
    case 'embeddings':
      return { kind: 'embedding', filterAxes: [0] };
    case 'bias':
      return { kind: 'bias' };
    case 'gamma':
    case 'beta':
      return { kind: 'norm' };
    case 'alpha':
      return { kind: 'slope' };
    default:
      return undefined;
  }
}
