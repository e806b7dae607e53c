/** Layers that merge several values into one. */
import { outputShape, refuseLayer, result, type LayerCall, type LayerTable } from '../graph/layer.ts';
import type { Value } from '../graph/graph.ts';

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

function merging(op: string, finish = (_call: LayerCall, name: string): string => name) {
  return (call: LayerCall): Value => {
    const values = alike(call);
    const name = call.graph.op(
      op,
      values.map((value) => value.name),
    );
    return result(finish(call, name), outputShape(call), values[0].isChannelsFirst);
  };
}

/** Writes the product of all inputs, pair by pair, because Mul takes two. */
function multiply(call: LayerCall): Value {
  const values = alike(call);
  const name = values.map((value) => value.name).reduce((a, b) => call.graph.op('Mul', [a, b]));
  return result(name, outputShape(call), values[0].isChannelsFirst);
}

/** Writes x / √max(Σx², 1e-7) along an axis, as in TensorFlow.js. */
function normalized({ graph }: LayerCall, x: string, axis: number): string {
  const squares = graph.op('ReduceSum', [graph.op('Mul', [x, x]), graph.integers([axis])], { keepdims: 1 });
  return graph.op('Div', [x, graph.op('Sqrt', [graph.op('Max', [squares, graph.constant(1e-7)])])]);
}

export const mergeLayers: LayerTable = {
  Add: merging('Sum'),
  Multiply: multiply,
  Maximum: merging('Max'),
  Minimum: merging('Min'),
  Average: merging('Mean'),
  Concatenate(call) {
    const { graph, config, inputs } = call;
    const values = inputs.map((input) => graph.withChannels('last', input));
    const rank = values[0].shape.length;
    const axis = (Number(config.axis ?? -1) + rank) % rank;
    return result(
      graph.op(
        'Concat',
        values.map(({ name }) => name),
        { axis },
      ),
      outputShape(call),
    );
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
      const products = graph.op('Mul', [a, b]);
      return result(
        graph.op('ReduceSum', [products, graph.integers([1])], { keepdims: 1 }),
        outputShape(call),
      );
    }
    if (ranks[0] !== 3 || ranks[1] !== 3) {
      throw refuseLayer(
        layer,
        `its inputs have ${ranks.join(' and ')} axes; two of 2 or two of 3 are written.`,
      );
    }
    // [batch, m, c] and [batch, c, n]
    const left = axes[0] === 2 ? a : graph.op('Transpose', [a], { perm: [0, 2, 1] });
    const right = axes[1] === 1 ? b : graph.op('Transpose', [b], { perm: [0, 2, 1] });
    return result(graph.op('MatMul', [left, right]), outputShape(call));
  },
};
