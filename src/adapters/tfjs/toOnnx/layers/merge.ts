/** Layers that merge several values into one. */
import { outputShape, refuseLayer, result, type LayerCall, type LayerTable } from '../graph/layer.ts';
import type { OnnxGraph, Value } from '../graph/graph.ts';

/**
 * Brings all inputs into one layout: channels first if all have it, so that nothing is transposed.
 *
 * @throws Error if they differ in rank, since TensorFlow.js and ONNX broadcast such inputs differently
 */
function alike({ graph, layer, inputs }: LayerCall): Value[] {
  const ranks = new Set(inputs.map(({ shape }) => shape.length));
  if (ranks.size > 1) throw refuseLayer(layer, 'its inputs have different numbers of axes.');
  const where = inputs.every(({ isChannelsFirst }) => isChannelsFirst) ? 'first' : 'last';
  return inputs.map((input) => graph.withChannels(where, input));
}

function merging(write: (g: OnnxGraph, ...names: readonly [string, ...string[]]) => string) {
  return (call: LayerCall): Value => {
    const [first, ...others] = alike(call);
    const name = write(call.graph, first.name, ...others.map((value) => value.name));
    return result(name, outputShape(call), first.isChannelsFirst);
  };
}

/** Writes x / √max(Σx², 1e-7) along an axis, as in TensorFlow.js. */
function normalized({ graph }: LayerCall, x: string, axis: number): string {
  return graph.div(x, graph.sqrt(graph.max(graph.sum(graph.square(x), [axis]), 1e-7)));
}

export const mergeLayers: LayerTable = {
  Add: merging((g, ...names) => g.addAll(...names)),
  Multiply: merging((g, ...names) => g.mul(...names)),
  Maximum: merging((g, ...names) => g.max(...names)),
  Minimum: merging((g, ...names) => g.min(...names)),
  Average: merging((g, ...names) => g.meanOf(...names)),
  Concatenate(call) {
    const { graph, config, inputs } = call;
    const values = inputs.map((input) => graph.withChannels('last', input));
    const rank = values[0].shape.length;
    const axis = (Number(config.axis ?? -1) + rank) % rank;
    const names = values.map(({ name }) => name);
    return result(graph.concat(names, axis), outputShape(call));
  },
  Dot(call) {
    const { graph, layer, config, inputs } = call;
    const [x, y] = inputs.map((input) => graph.withChannels('last', input));
    const ranks = [x.shape.length, y.shape.length];
    const given = Array.isArray(config.axes)
      ? (config.axes as number[])
      : [Number(config.axes), Number(config.axes)];
    const axes = given.map((axis, i) => (axis + ranks[i]) % ranks[i]);
    const [a, b] = [x, y].map(({ name }, i) =>
      config.normalize === true ? normalized(call, name, axes[i]) : name,
    );
    if (ranks[0] === 2 && ranks[1] === 2) {
      return result(graph.sum(graph.mul(a, b), [1]), outputShape(call));
    }
    if (ranks[0] !== 3 || ranks[1] !== 3) {
      throw refuseLayer(
        layer,
        `its inputs have ${ranks.join(' and ')} axes; two of 2 or two of 3 are written.`,
      );
    }
    // [batch, m, c] and [batch, c, n]
    const left = axes[0] === 2 ? a : graph.transpose(a, [0, 2, 1]);
    const right = axes[1] === 1 ? b : graph.transpose(b, [0, 2, 1]);
    return result(graph.matmul(left, right), outputShape(call));
  },
};
