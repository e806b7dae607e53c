import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataLocation } from 'onnx-buf';
import type { GraphProto, NodeProto } from 'onnx-buf';
import { attributesOf, nodeAttributes } from '../graph/attributes.ts';
import { DType, numbersOf, tensorOf, type TensorProto } from '../graph/tensor.ts';
import { toInference } from './graphs.ts';

/** New elements of a constant tensor of a model. */
export interface NewValues {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

/** How to write a model. */
export interface WriteOptions {
  /**
   * Take BatchNormalization and Dropout out of training mode, for a model that was exported in it. Otherwise all
   * but the weights stays as it was, byte for byte.
   *
   * @defaultValue false
   */
  readonly inference?: boolean;
}

/**
 * A model's file with new values in some of its tensors: initializers, outputs of Constant nodes, or of Identity
 * nodes that tie two tensors, which are then untied.
 *
 * @param bytes - the file; not written
 */
export function writeBack(
  bytes: Uint8Array,
  tensors: ReadonlyMap<string, NewValues>,
  { inference = false }: WriteOptions = {},
): Uint8Array {
  const file = new Uint8Array(bytes);
  // The message's byte fields are views of `file`: most weights are written right there.
  const model = fromBinary(ModelProtoSchema, file);
  const { graph } = model;
  if (graph === undefined) return file;
  let inPlace = !inference;
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  for (const [name, now] of tensors) {
    const tensor = initializers.get(name) ?? constantTensor(graph, name);
    if (tensor !== undefined) inPlace = overwrite(tensor, now.values) && inPlace;
    else inPlace = writeNode(graph, name, now, tensors, initializers) && inPlace;
  }
  if (inference) toInference(graph);
  return inPlace ? file : toBinary(ModelProtoSchema, model);
}

const nodeOf = (graph: GraphProto, output: string): NodeProto | undefined =>
  graph.node.find((node) => node.output[0] === output);

function constantTensor(graph: GraphProto, name: string): TensorProto | undefined {
  const node = nodeOf(graph, name);
  return node?.opType === 'Constant' ? attributesOf(node).tensor('value') : undefined;
}

/** Puts values into a tensor; whether they went into the file's own memory. */
function overwrite(tensor: TensorProto, values: ArrayLike<number>): boolean {
  const { dataType, rawData, floatData, doubleData } = tensor;
  const external = tensor.dataLocation === TensorProto_DataLocation.EXTERNAL;
  const width = dataType === DType.DOUBLE ? 8 : 4;
  if (!external && rawData.length === width * values.length) {
    const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
    for (let i = 0; i < values.length; i++) {
      if (width === 8) view.setFloat64(8 * i, values[i], true);
      else view.setFloat32(4 * i, values[i], true);
    }
    return true;
  }
  if (floatData.length > 0) tensor.floatData = Array.from(values);
  else if (doubleData.length > 0) tensor.doubleData = Array.from(values);
  else tensor.rawData = tensorOf('', dataType, [], values).rawData;
  // What lay in a file of its own is now part of the model.
  tensor.dataLocation = TensorProto_DataLocation.DEFAULT;
  tensor.externalData = [];
  return false;
}

/** Puts values into a Constant or Identity node; true if it stays as it is, since it makes them already. */
function writeNode(
  graph: GraphProto,
  name: string,
  { shape, values }: NewValues,
  tensors: ReadonlyMap<string, NewValues>,
  initializers: ReadonlyMap<string, TensorProto>,
): boolean {
  const node = nodeOf(graph, name);
  if (node === undefined) return true;
  const source = initializers.get(node.input[0]);
  const before = tensors.get(node.input[0])?.values ?? (source && numbersOf(source));
  if (before !== undefined && before.length === values.length) {
    let same = true;
    for (let i = 0; i < values.length && same; i++) same = before[i] === values[i];
    if (same) return true;
  }
  node.opType = 'Constant';
  node.input = [];
  node.attribute = nodeAttributes({ value: tensorOf('', source?.dataType ?? DType.FLOAT, shape, values) });
  return false;
}
