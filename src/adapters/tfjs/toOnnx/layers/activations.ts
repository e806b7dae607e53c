/** Activation layers. */
import { applied } from '../graph/activations.ts';
import { plainWeight, refuseLayer, type LayerCall, type LayerTable } from '../graph/layer.ts';
import type { OpAttributes } from '../../../opWriter/attributes.ts';
import type { Value } from '../graph/graph.ts';

/** Applies an operation element by element, in the layout of the value. */
function elementwise(
  { graph, inputs: [x] }: LayerCall,
  op: string,
  others: readonly string[] = [],
  attributes: OpAttributes = {},
): Value {
  return { ...x, name: graph.op(op, [x.name, ...others], attributes) };
}

export const activationLayers: LayerTable = {
  ReLU(call) {
    const { maxValue } = call.config;
    const positive = applied(call.graph, call.inputs[0], 'relu');
    if (maxValue === undefined || maxValue === null) return positive;
    const name = call.graph.min(positive.name, Number(maxValue));
    return { ...positive, name };
  },
  LeakyReLU({ graph, config, inputs: [x] }) {
    return { ...x, name: graph.leakyRelu(x.name, Number(config.alpha)) };
  },
  ELU(call) {
    if (Number(call.config.alpha) !== 1) {
      throw refuseLayer(
        call.layer,
        `TensorFlow.js computes its alpha of ${String(call.config.alpha)} as 1 or refuses it.`,
      );
    }
    return applied(call.graph, call.inputs[0], 'elu');
  },
  ThresholdedReLU: (call) => elementwise(call, 'ThresholdedRelu', [], { alpha: Number(call.config.theta) }),
  PReLU(call) {
    const last = { ...call, inputs: [call.graph.withChannels('last', call.inputs[0])] };
    return elementwise(last, 'PRelu', [plainWeight(call, 'alpha')!]);
  },
  Softmax(call) {
    const last = call.graph.withChannels('last', call.inputs[0]);
    return applied(call.graph, last, 'softmax', Number(call.config.axis ?? -1));
  },
};
