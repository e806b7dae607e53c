/** Layers that prepare images. */
import * as tf from '@tensorflow/tfjs';
import { readNow } from '../../tensors/read.ts';
import { outputShape, refuseLayer, result, type LayerCall, type LayerTable } from '../graph/layer.ts';
import type { Value } from '../graph/graph.ts';

/** Enlarges to the layer's output, with channels first, as TensorFlow.js does without aligned corners. */
function enlarged(call: LayerCall): Value {
  const { graph, inputs } = call;
  const x = graph.withChannels('first', inputs[0]);
  const shape = outputShape(call);
  const [height, width, channels] = shape.slice(1).map(Number);
  const attributes = { mode: 'linear', coordinate_transformation_mode: 'asymmetric' };
  const batch = graph.slices(graph.shape(x.name), [0], [1]);
  const sizes = graph.concat([batch, graph.integers([channels, height, width])], 0);
  return result(graph.resize(x.name, attributes, undefined, sizes), shape, true);
}

/** Rows and columns of the image that a layer keeps, found by passing it the number of each pixel. */
function keptPixels(
  layer: tf.layers.Layer,
  height: number,
  width: number,
): [rows: number[], columns: number[]] {
  const kept = tf.tidy(() => {
    const numbers = tf.range(0, height * width).reshape([1, height, width, 1]);
    const output = layer.call(numbers, {}) as tf.Tensor;
    return { shape: output.shape, values: readNow(output) };
  });
  const [, rows, columns] = kept.shape;
  return [
    Array.from({ length: rows }, (_, i) => Math.floor(kept.values[i * columns] / width)),
    Array.from({ length: columns }, (_, j) => kept.values[j] % width),
  ];
}

export const imageLayers: LayerTable = {
  Resizing({ layer }) {
    throw refuseLayer(layer, 'TensorFlow.js itself cannot run it inside a model; use UpSampling2D.');
  },
  CenterCrop(call) {
    const { graph, layer, config } = call;
    const x = graph.withChannels('last', call.inputs[0]);
    const [height, width] = x.shape.slice(1).map(Number);
    if (!(height > 0 && width > 0)) throw refuseLayer(layer, 'the size of its images is open.');
    if (height < Number(config.height) || width < Number(config.width)) return enlarged(call);
    const [rows, columns] = keptPixels(layer, height, width);
    const name = graph.gather(x.name, graph.integers(rows), 1);
    return result(graph.gather(name, graph.integers(columns), 2), outputShape(call));
  },
};
