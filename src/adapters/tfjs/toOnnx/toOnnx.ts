import type * as tf from '@tensorflow/tfjs';
import { show } from '../../../core/options.ts';
import { inner } from '../internals/model.ts';
import { OnnxGraph, type Value } from './graph/graph.ts';
import { LayerRefusal, refuseLayer, type LayerTable } from './graph/layer.ts';
import { activationLayers } from './layers/activations.ts';
import { convolutionLayers } from './layers/convolution.ts';
import { denseLayers } from './layers/dense.ts';
import { mergeLayers } from './layers/merge.ts';
import { noiseLayers } from './layers/noise.ts';
import { normalizationLayers } from './layers/normalization.ts';
import { poolingLayers } from './layers/pooling.ts';
import { imageLayers } from './layers/images.ts';
import { recurrentLayers } from './layers/recurrent.ts';
import { shapeLayers } from './layers/shape.ts';
import { wrapperLayers } from './layers/wrappers.ts';

/** Writers of all supported layer classes. */
const table: LayerTable = {
  ...denseLayers,
  ...activationLayers,
  ...convolutionLayers,
  ...poolingLayers,
  ...normalizationLayers,
  ...noiseLayers,
  ...mergeLayers,
  ...shapeLayers,
  ...recurrentLayers,
  ...imageLayers,
  ...wrapperLayers,
};

/**
 * Converts a model to the bytes of an .onnx file (opset 17), which ONNX Runtime runs and `trainable` of
 * `quasi-newton/onnx` trains.
 *
 * The file contains the inference model: no dropout or noise, and BatchNorm with its moving statistics.
 * Weights keep their names and have the layout of ONNX; inputs and outputs are named after their layers; the
 * batch size is free. Convolutions and pooling work with channels first, and values are transposed only if a
 * layer needs another layout.
 *
 * @param model - built, on a backend that can be read synchronously
 * @throws TypeError if it is not a LayersModel
 * @throws Error naming the layer that cannot be written, and why
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { toOnnx } from 'quasi-newton/tfjs';
 *
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });
 * const bytes = toOnnx(model); // writeFileSync('model.onnx', bytes)
 * ```
 */
export function toOnnx(model: tf.LayersModel): Uint8Array {
  const graph = new OnnxGraph();
  writeGraph('toOnnx', graph, model);
  return graph.encode(model.name);
}

/** Names of the inputs and outputs of a graph, in the order of the model. */
export interface GraphEnds {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/**
 * Writes a whole model into an empty graph.
 *
 * @param where - the function called, named in messages
 * @throws as {@link toOnnx} does
 */
export function writeGraph(where: string, graph: OnnxGraph, model: tf.LayersModel): GraphEnds {
  if (!isModel(model)) {
    throw new TypeError(`${where}: the model must be a tf.LayersModel, got ${show(model)}.`);
  }
  if (model.outputs.length === 0) throw new TypeError(`${where}: the model has no layers; add some first.`);
  // A Sequential creates its inner model, and names its inputs, when first needed.
  if (model.outputNames.length === 0) (model as tf.Sequential).build();
  const inputs = model.inputs.map(({ shape, dtype }, i) => graph.input(model.inputNames[i], dtype, shape));
  // Names must differ from those of inputs, because a model may return an input.
  const outputs = model.outputNames.map((name) => graph.fresh(name));
  try {
    const values = writeModel(graph, model, inputs);
    for (const [i, value] of values.entries()) graph.output(outputs[i], value);
  } catch (error) {
    throw error instanceof LayerRefusal ? new Error(`${where}: ${error.message}`) : error;
  }
  return { inputs: inputs.map(({ name }) => name), outputs };
}

/** Returns true for a LayersModel, even from another copy of TensorFlow.js, where `instanceof` would fail. */
function isModel(value: unknown): value is tf.LayersModel {
  const { inputs, outputs, getLayer } = (value ?? {}) as Partial<tf.LayersModel>;
  return Array.isArray(inputs) && Array.isArray(outputs) && typeof getLayer === 'function';
}

/** Writes the layers of a model between its inputs and outputs. */
function writeModel(graph: OnnxGraph, model: tf.LayersModel, inputs: readonly Value[]): Value[] {
  const container = inner(model) as unknown as tf.LayersModel;
  const values = new Map<number, Value>();
  for (const [i, { id }] of container.inputs.entries()) values.set(id, inputs[i]);
  const valueOf = (tensor: tf.SymbolicTensor): Value => {
    const known = values.get(tensor.id);
    if (known) return known;
    const { sourceLayer: layer, nodeIndex } = tensor;
    const node = (
      layer.inboundNodes as { inputTensors: tf.SymbolicTensor[]; outputTensors: tf.SymbolicTensor[] }[]
    )[nodeIndex];
    const outputs = writeLayer(graph, layer, node.inputTensors.map(valueOf));
    for (const [i, { id }] of node.outputTensors.entries()) values.set(id, outputs[i]);
    return values.get(tensor.id)!;
  };
  return container.outputs.map(valueOf);
}

function writeLayer(graph: OnnxGraph, layer: tf.layers.Layer, inputs: readonly Value[]): Value[] {
  if (isModel(layer)) return writeModel(graph, layer, inputs);
  const writer = table[layer.getClassName()];
  if (!Object.hasOwn(table, layer.getClassName())) {
    throw refuseLayer(
      layer,
      `layers of this class are not written; these are: ${Object.keys(table).join(', ')}.`,
    );
  }
  const write = (inside: tf.layers.Layer, values: readonly Value[]) => writeLayer(graph, inside, values);
  return [writer({ graph, layer, config: layer.getConfig(), inputs, write })].flat();
}
