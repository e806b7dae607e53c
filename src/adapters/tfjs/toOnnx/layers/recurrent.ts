/** SimpleRNN, LSTM and GRU, in either direction. */
import type * as tf from '@tensorflow/tfjs';
import { recurrentActivation } from '../graph/activations.ts';
import {
  plainWeight,
  refuseLayer,
  result,
  weightOf,
  type LayerCall,
  type LayerTable,
} from '../graph/layer.ts';
import type { Value } from '../graph/graph.ts';
import { droppedInputs } from './noise.ts';

/** Private parts of a recurrent layer. */
interface Cell {
  readonly activation: unknown;
  readonly recurrentActivation?: unknown;
  readonly units: number;
}

/** Kinds of cells: the ONNX operation, and for each of its gates the index in TensorFlow.js's order. */
const kinds = {
  SimpleRNN: { op: 'RNN', gates: [0] },
  // i f c o, and i o f c
  LSTM: { op: 'LSTM', gates: [0, 3, 1, 2] },
  // z r h in both
  GRU: { op: 'GRU', gates: [0, 1, 2] },
} as const;

/** Converts `[rows, gates · units]` to `[1, gates · units, rows]`, with the gates in the order of ONNX. */
function byGates(values: Float32Array, rows: number, units: number, gates: readonly number[]): Float32Array {
  const columns = gates.length * units;
  const out = new Float32Array(rows * columns);
  for (const [g, source] of gates.entries()) {
    for (let u = 0; u < units; u++) {
      for (let r = 0; r < rows; r++)
        out[(g * units + u) * rows + r] = values[r * columns + source * units + u];
    }
  }
  return out;
}

/**
 * Reorders the gates of `[gates · units, …]` by operations of the graph; the result is `[1, gates · units,
 * …]` in the order of ONNX.
 */
function movedGates({ graph }: LayerCall, name: string, gates: readonly number[]): string {
  let ordered = name;
  if (gates.some((source, g) => source !== g)) {
    const parts = graph.parts(name, gates.length, 0);
    ordered = graph.concat(gates.map((source) => parts[source]), 0); // prettier-ignore
  }
  return graph.unsqueeze(ordered, [0]);
}

/** Returns kernel, recurrent kernel and bias of one direction in the form of ONNX. */
function gateWeights(call: LayerCall, gates: readonly number[], units: number) {
  const { graph, layer } = call;
  const matrix = (name: string): string => {
    if (graph.use !== 'file') return movedGates(call, graph.transpose(plainWeight(call, name)!, [1, 0]), gates); // prettier-ignore
    const weight = weightOf(layer, name)!;
    const [rows] = weight.shape;
    const dims = [1, gates.length * units, rows];
    return graph.weight(weight.name, () => byGates(weight.read(), rows, units, gates), dims, weight.key);
  };
  const size = gates.length * units;
  const zeros = (count: number) =>
    graph.constant(
      Array.from({ length: count }, () => 0),
      [1, count],
    );
  const bias = weightOf(layer, 'bias');
  if (!bias) return [matrix('kernel'), matrix('recurrent_kernel'), zeros(2 * size)];
  // ONNX has a second bias, which TensorFlow.js lacks; as a separate tensor, it is not trained.
  const values = () => byGates(bias.read(), 1, units, gates);
  const first =
    graph.use === 'file'
      ? graph.weight(bias.name, values, [1, size], bias.key)
      : movedGates(call, plainWeight(call, 'bias')!, gates);
  const b = graph.concat([first, zeros(size)], 1);
  return [matrix('kernel'), matrix('recurrent_kernel'), b];
}

function recurrent(kind: keyof typeof kinds) {
  return (call: LayerCall): Value[] => {
    const { graph, layer, config, inputs } = call;
    if (config.stateful === true) throw refuseLayer(layer, 'it is stateful; an ONNX model keeps no states.');
    const { op, gates } = kinds[kind];
    const { cell } = layer as unknown as { cell: Cell };
    const { units } = cell;
    const isReverse = config.goBackwards === true;
    const [batch, time] = inputs[0].shape;
    const sequences = droppedInputs(call, graph.withChannels('last', inputs[0]), gates.length);
    const x = graph.transpose(sequences.name, [1, 0, 2]);
    const states = inputs.slice(1).map(({ name }) => graph.unsqueeze(name, [0]));
    const main = recurrentActivation(layer, cell.activation);
    const gate = kind === 'SimpleRNN' ? [] : [recurrentActivation(layer, cell.recurrentActivation)];
    const attributes = {
      hidden_size: units,
      direction: isReverse ? 'reverse' : 'forward',
      activations: kind === 'LSTM' ? [...gate, main, main] : [...gate, main],
    };
    const operands = [x, ...gateWeights(call, gates, units), ...(states.length > 0 ? ['', ...states] : [])];
    const outputs = graph.ops(op, operands, attributes, kind === 'LSTM' ? 3 : 2);
    const all = graph.transpose(graph.squeeze(outputs[0], [1]), [1, 0, 2]);
    const [h, c] = outputs.slice(1).map((name) => result(graph.squeeze(name, [0]), [batch, units]));
    const sequence = isReverse && config.returnSequences === true ? reversed(call, all) : all;
    const output = config.returnSequences === true ? result(sequence, [batch, time, units]) : h;
    return config.returnState === true ? [output, h, ...(c ? [c] : [])] : [output];
  };
}

/** Reverses a sequence, as TensorFlow.js returns it from a backward layer. */
export function reversed({ graph }: Pick<LayerCall, 'graph'>, name: string): string {
  return graph.slices(name, [-1], [-(2 ** 31)], [1], [-1]);
}

/** Writes an RNN layer made of one cell, as the layer of that cell. */
function ofCell(call: LayerCall): Value[] {
  const { layer, config } = call;
  const { cell } = layer as unknown as { cell: tf.layers.Layer };
  const kind = cell.getClassName().replace(/Cell$/, '');
  if (kind !== 'SimpleRNN' && kind !== 'LSTM' && kind !== 'GRU') {
    throw refuseLayer(
      layer,
      `its cell is a ${cell.getClassName()}; there are SimpleRNNCell, LSTMCell and GRUCell, each in a layer of its own.`,
    );
  }
  return recurrent(kind)({ ...call, config: { ...cell.getConfig(), ...config } });
}

export const recurrentLayers: LayerTable = {
  RNN: ofCell,
  SimpleRNN: recurrent('SimpleRNN'),
  LSTM: recurrent('LSTM'),
  GRU: recurrent('GRU'),
};
