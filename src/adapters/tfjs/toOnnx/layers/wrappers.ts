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
    const steps = graph.op('Reshape', [x.name, graph.integers([-1, ...rest.map(Number)])]);
    graph.timeLoops++;
    const [written] = call.write(inside, [result(steps, [batch, ...rest])]);
    graph.timeLoops--;
    const target = graph.integers([-1, ...shape.slice(1).map(Number)]);
    return result(graph.op('Reshape', [graph.withChannels('last', written).name, target]), shape);
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
    const names = [forward.name, aligned.name];
    const ops: Record<string, () => string> = {
      concat: () => graph.op('Concat', names, { axis: -1 }),
      sum: () => graph.op('Add', names),
      mul: () => graph.op('Mul', names),
      ave: () => graph.op('Mean', names),
    };
    const mode = config.mergeMode as string | null | undefined;
    if (mode === null || mode === undefined) return [forward, aligned];
    const shape =
      mode === 'concat' ? [...forward.shape.slice(0, -1), 2 * Number(forward.shape.at(-1))] : forward.shape;
    return result(ops[mode](), shape);
  },
};
