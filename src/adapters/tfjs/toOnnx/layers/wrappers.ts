/** Wrapper layers. */
import type * as tf from '@tensorflow/tfjs';
import { outputShape, refuseLayer, result, type LayerTable } from '../graph/layer.ts';
import { reversed } from './recurrent.ts';

export const wrapperLayers: LayerTable = {
  TimeDistributed(call) {
    const { graph, layer } = call;
    const { layer: inside } = layer as unknown as { layer: tf.layers.Layer };
    const x = graph.withChannels('last', call.inputs[0]);
    const shape = outputShape(call);
    const [batch, time, ...rest] = x.shape;
    if (time === null || rest.includes(null) || shape.slice(1).includes(null)) {
      throw refuseLayer(layer, 'all sizes of its input but the batch must be known.');
    }
    const steps = graph.reshape(x.name, [-1, ...rest.map(Number)]);
    graph.timeLoops++;
    const [written] = call.write(inside, [result(steps, [batch, ...rest])]);
    graph.timeLoops--;
    const { name } = graph.withChannels('last', written);
    return result(graph.reshape(name, [-1, ...shape.slice(1).map(Number)]), shape);
  },
  Bidirectional(call) {
    const { graph, layer, config, inputs } = call;
    const { forwardLayer, backwardLayer } = layer as unknown as Record<string, tf.layers.Layer>;
    const { returnSequences, returnState } = forwardLayer.getConfig();
    if (returnState === true || inputs.length > 1) {
      throw refuseLayer(layer, 'states that it is given or returns are not written.');
    }
    const [forward] = call.write(forwardLayer, inputs);
    const [backward] = call.write(backwardLayer, inputs);
    const aligned =
      returnSequences === true ? { ...backward, name: reversed(call, backward.name) } : backward;
    const [first, second] = [forward.name, aligned.name];
    const ops: Record<string, () => string> = {
      concat: () => graph.concat([first, second], -1),
      sum: () => graph.add(first, second),
      mul: () => graph.mul(first, second),
      ave: () => graph.meanOf(first, second),
    };
    const mode = config.mergeMode as string | null | undefined;
    if (mode === null || mode === undefined) return [forward, aligned];
    const shape =
      mode === 'concat' ? [...forward.shape.slice(0, -1), 2 * Number(forward.shape.at(-1))] : forward.shape;
    return result(ops[mode](), shape);
  },
};
