/**
 * The graphs that are run beside that of the gradients.
 *
 * @module
 */
import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, NodeProtoSchema } from 'onnx-buf';
import type { GraphProto, NodeProto } from 'onnx-buf';
import { attributesOf, nodeAttributes } from '../graph/attributes.ts';
import { Graph, valueInfo } from '../graph/graph.ts';
import { DType, shapeOf } from '../graph/tensor.ts';
import { hessianVectorNameOf, lossName } from '../convention.ts';
import { prune } from '../passes/prune.ts';
import { normalise, type NormaliseOptions } from '../passes/normalise.ts';
import { floatTypeIn } from '../passes/precision.ts';
import { useFloat64Kernels } from '../kernels/float64.ts';
import { differentiateModel, type Differentiated } from '../differentiate.ts';
import type { DifferentiateOptions } from '../options.ts';
import { decodeModel, encodeModel } from '../proto.ts';
import { specOf, type InputSpec } from './inputs.ts';

/** Of a graph of loss and gradients, the loss alone: ONNX Runtime would compute the rest whether asked for or not. */
export function lossGraph(gradients: Uint8Array): Uint8Array {
  const model = decodeModel(gradients);
  const { graph } = model;
  graph.output = graph.output.filter(({ name }) => name === lossName);
  prune(graph);
  // Only the gradient reads which elements a MaxPool took, and to tell them it takes ten times as long.
  const read = new Set(graph.node.flatMap(({ input }) => input));
  for (const { opType, output } of graph.node)
    if (opType === 'MaxPool' && !read.has(output[1])) output.length = 1;
  return encodeModel(model);
}

/** A graph of the products of the Hessian with a vector, and of nothing else. */
export function hessianGraph(bytes: Uint8Array, options: DifferentiateOptions): Uint8Array {
  const { bytes: all, parameters } = differentiateModel(bytes, { ...options, hessianVector: true });
  const model = decodeModel(all);
  const { graph } = model;
  const products = new Set(parameters.map(({ name }) => hessianVectorNameOf(name)));
  graph.output = graph.output.filter(({ name }) => products.has(name));
  prune(graph);
  return encodeModel(model);
}

/** Names in the graph of many losses. */
export const manyOf = (parameter: string): string => `many_of/${parameter}`;
export const manyLosses = 'many_losses';

/**
 * Of the graph of the loss alone, one that gives the losses `[k]` of k parameter sets in one run: a Scan whose body it
 * is. Fed with each parameter k times over, `[k, …shape]`, under the name that {@link manyOf} gives it.
 *
 * Nothing in the body is batched, so that every model will do; what is saved is the way in and out of ONNX Runtime,
 * which is most of the time of a small one.
 */
export function manyLossesGraph(loss: Uint8Array, { parameters, precision }: Differentiated): Uint8Array {
  const model = decodeModel(loss);
  const { graph } = model;
  const names = parameters.map(({ name }) => name);
  const dtype = precision === 'float64' ? DType.DOUBLE : DType.FLOAT;
  const body = create(GraphProtoSchema, {
    name: 'loss',
    node: graph.node,
    input: parameters.map(({ name, shape }) => valueInfo(name, dtype, shape)),
    output: [valueInfo(lossName, dtype, [])],
  });
  const scan = create(NodeProtoSchema, {
    opType: 'Scan',
    name: 'losses',
    input: names.map(manyOf),
    output: [manyLosses],
    attribute: nodeAttributes({ body, num_scan_inputs: names.length }),
  });
  // The data and the constants are read from the scope outside the body.
  graph.input = [
    ...graph.input.filter(({ name }) => !names.includes(name)),
    ...parameters.map(({ name, shape }) => valueInfo(manyOf(name), dtype, ['k', ...shape])),
  ];
  graph.node = [scan];
  graph.output = [valueInfo(manyLosses, dtype, ['k'])];
  graph.valueInfo = [];
  return encodeModel(model);
}

/** A model for inference whose parameters are inputs. */
export interface PredictionGraph {
  readonly bytes: Uint8Array;
  /** The data inputs. */
  readonly inputs: readonly InputSpec[];
  readonly outputs: readonly string[];
}

/**
 * Turns the tensors `names` of a model into inputs, and the model to inference.
 *
 * @param bytes - an .onnx file
 * @param options - those that its gradients were made with
 */
export function predictionGraph(
  bytes: Uint8Array,
  names: readonly string[],
  options: NormaliseOptions,
): PredictionGraph {
  const { model } = normalise(bytes, options);
  const { graph } = model;
  toInference(graph);
  const data = [...graph.input];
  const { types } = new Graph(graph, floatTypeIn(graph));
  const lifted = graph.initializer.filter(({ name }) => names.includes(name));
  graph.initializer = graph.initializer.filter((tensor) => !lifted.includes(tensor));
  graph.input.push(...lifted.map((tensor) => valueInfo(tensor.name, tensor.dataType, shapeOf(tensor))));
  graph.valueInfo = [];
  useFloat64Kernels(graph);
  model.trainingInfo = [];
  return {
    bytes: encodeModel(model),
    inputs: data.map(({ name }) =>
      specOf({ name, dtype: types.get(name)?.dtype ?? DType.UNDEFINED, shape: types.get(name)?.shape }),
    ),
    outputs: graph.output.map(({ name }) => name),
  };
}

/** Takes BatchNormalization and Dropout nodes out of their training mode, in place. */
export function toInference(graph: GraphProto): void {
  for (const node of graph.node) {
    if (node.domain !== '') continue;
    if (node.opType === 'Dropout') node.input = node.input.slice(0, 2);
    if (node.opType === 'BatchNormalization') batchNormalization(node);
  }
}

function batchNormalization(node: NodeProto): void {
  if (attributesOf(node).int('training_mode', 0) === 0) return;
  node.output = node.output.slice(0, 1);
  node.attribute = [
    ...node.attribute.filter(({ name }) => name !== 'training_mode'),
    ...nodeAttributes({ training_mode: 0 }),
  ];
}
