/** Dense, Embedding and Activation. */
import { activated } from '../graph/activations.ts';
import {
  outputShape,
  plainWeight,
  refuseLayer,
  result,
  type LayerCall,
  type LayerTable,
} from '../graph/layer.ts';

/** Adds the bias of a layer along the last axis, if it has one. */
export function withBias(call: LayerCall, x: string): string {
  const bias = plainWeight(call, 'bias');
  return bias === null ? x : call.graph.add(x, bias);
}

export const denseLayers: LayerTable = {
  Dense(call) {
    const { graph, layer } = call;
    const input = graph.withChannels('last', call.inputs[0]);
    const product = graph.matmul(input.name, plainWeight(call, 'kernel')!);
    const { activation } = layer as unknown as { activation: unknown };
    return activated(graph, layer, result(withBias(call, product), outputShape(call)), activation);
  },
  Embedding(call) {
    const { graph, layer, config, inputs } = call;
    if (config.maskZero === true) {
      throw refuseLayer(layer, 'maskZero makes a mask, which ONNX layers do not support.');
    }
    const ids = graph.cast(inputs[0].name, 7);
    return result(graph.gather(plainWeight(call, 'embeddings')!, ids), outputShape(call));
  },
  Activation(call) {
    const { activation } = call.layer as unknown as { activation: unknown };
    return activated(call.graph, call.layer, call.inputs[0], activation);
  },
};
