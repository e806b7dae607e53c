import { sizeOf } from '../../../../core/layout.ts';
import {
  numbers,
  plainWeight,
  refuseLayer,
  weightOf,
  type LayerCall,
  type LayerTable,
} from '../graph/layer.ts';

/** Returns a weight, or a constant if the layer has none of that name. */
function weightOr(call: LayerCall, name: string, size: number, value: number): string {
  return plainWeight(call, name) ?? call.graph.constant(Array.from({ length: size }, () => value));
}

/**
 * Checks that a BatchNorm is applied once.
 *
 * @throws LayerRefusal if TensorFlow.js would compute statistics of several batches in one step
 */
function checkOnce({ graph, layer }: LayerCall, movingMean: string): void {
  const why = 'in training it would see several batches per step, each with its own statistics';
  if (graph.timeLoops > 0) throw refuseLayer(layer, `it is inside a TimeDistributed; ${why}.`);
  if (graph.isNormalized(movingMean)) throw refuseLayer(layer, `it is applied more than once; ${why}.`);
}

export const normalizationLayers: LayerTable = {
  BatchNormalization(call) {
    const { graph, layer, config, inputs } = call;
    const rank = inputs[0].shape.length;
    const axis = Number(config.axis ?? -1);
    if ((axis + rank) % rank !== rank - 1) {
      throw refuseLayer(layer, `its axis is ${axis}; the last one is written.`);
    }
    const x = graph.withChannels('first', inputs[0]);
    const size = weightOf(layer, 'moving_mean')!.shape[0];
    const parameters = [
      weightOr(call, 'gamma', size, 1),
      weightOr(call, 'beta', size, 0),
      plainWeight(call, 'moving_mean')!,
      plainWeight(call, 'moving_variance')!,
    ] as const;
    const epsilon = Number(config.epsilon);
    if (graph.use === 'training') {
      checkOnce(call, parameters[2]);
      const attributes = { epsilon, momentum: Number(config.momentum), training_mode: 1 };
      return { ...x, name: graph.normalizeBatch(x.name, parameters, attributes, 3)[0] };
    }
    return { ...x, name: graph.normalizeBatch(x.name, parameters, { epsilon })[0] };
  },
  LayerNormalization(call) {
    const { graph, layer, config, inputs } = call;
    const x = graph.withChannels('last', inputs[0]);
    const rank = x.shape.length;
    const axes = numbers(config.axis, 1).map((axis) => (axis + rank) % rank);
    if (axes.some((axis, i) => axis !== rank - axes.length + i)) {
      throw refuseLayer(layer, `its axes are ${axes.join(', ')}; the last ones, in order, are written.`);
    }
    const sizes = axes.map((axis) => Number(x.shape[axis]));
    const count = sizeOf(sizes);
    const parameter = (name: string, value: number): string =>
      plainWeight(call, name) ??
      graph.constant(
        Array.from({ length: count }, () => value),
        sizes,
      );
    const attributes = { axis: axes[0], epsilon: Number(config.epsilon) };
    const [gamma, beta] = [parameter('gamma', 1), parameter('beta', 0)];
    return { ...x, name: graph.normalizeLayer(x.name, gamma, beta, attributes)[0] };
  },
};
