/** Pooling over windows, and global pooling. */
import { numbers, outputShape, result, type LayerCall, type LayerTable } from '../graph/layer.ts';
import { checkChannelsLast, windowAttributes } from './convolution.ts';
import { reductions } from '../../../opWriter/opWriter.ts';
import type { Value } from '../graph/graph.ts';

function pooling(kind: 'largest' | 'averages', rank: number) {
  return (call: LayerCall): Value => {
    checkChannelsLast(call);
    const { graph, config } = call;
    const x = graph.withChannels('first', call.inputs[0]);
    const size = numbers(config.poolSize, rank);
    const window = windowAttributes(call, {
      size,
      strides: numbers(config.strides ?? size, rank),
      padding: config.padding,
    });
    return result(graph[kind](x.name, { ...window, kernel_shape: size }), outputShape(call), true);
  };
}

/** Returns the writer of a reduction over all places; in the opset written, its axes are an attribute. */
function globalPooling(kind: 'largest' | 'mean') {
  return (call: LayerCall): Value => {
    checkChannelsLast(call);
    const { graph, inputs: [x] } = call; // prettier-ignore
    const spatial = x.shape.slice(1, -1).map((_, i) => (x.isChannelsFirst ? i + 2 : i + 1));
    return result(graph.op(reductions[kind], [x.name], { axes: spatial, keepdims: 0 }), outputShape(call));
  };
}

export const poolingLayers: LayerTable = {
  MaxPooling1D: pooling('largest', 1),
  MaxPooling2D: pooling('largest', 2),
  MaxPooling3D: pooling('largest', 3),
  AveragePooling1D: pooling('averages', 1),
  AveragePooling2D: pooling('averages', 2),
  AveragePooling3D: pooling('averages', 3),
  GlobalMaxPooling1D: globalPooling('largest'),
  GlobalMaxPooling2D: globalPooling('largest'),
  GlobalAveragePooling1D: globalPooling('mean'),
  GlobalAveragePooling2D: globalPooling('mean'),
};
