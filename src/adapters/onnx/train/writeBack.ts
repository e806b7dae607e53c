import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataLocation } from 'onnx-buf';
import type { GraphProto, ModelProto, NodeProto } from 'onnx-buf';
import { sameNumbers } from '../../../core/vector.ts';
import { attributesOf, nodeAttributes } from '../ir/attributes.ts';
import { constantTensor, isConstant } from '../ir/constant.ts';
import { isIdentity } from '../ir/node.ts';
import { DType, numbersOf, shapeOf, tensorOf, type TensorProto } from '../ir/tensor.ts';
import { separateMerged, storedIn } from '../passes/merged.ts';
import { nestedConstants, type Nested } from '../passes/nested.ts';
import { toInference } from '../passes/inference.ts';
import type { Copy } from '../passes/ties.ts';
import { decodeModel, type ExternalData } from '../ir/model.ts';
import { remembered } from './session.ts';

/** New elements of a constant tensor of a model. */
export interface NewValues {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

/** Options of writing a model. */
export interface WriteOptions {
  /**
   * Takes BatchNormalization and Dropout out of training mode, for a model that was exported in it. By default, everything
   * but the weights stays the same, byte for byte.
   *
   * @defaultValue false
   */
  readonly inference?: boolean | undefined;
}

/** A model's file and its parameters, without their values. */
export interface Source {
  readonly bytes: Uint8Array;
  /** Copies among its constant tensors; those that are not tied keep their values. */
  readonly copies: readonly Copy[];
  readonly externalData?: ExternalData | undefined;
}

/**
 * Returns a model's file with new values in some of its tensors: initializers, outputs of Constant nodes, or outputs of
 * Identity nodes. An Identity becomes a Constant if its value no longer equals that of its input.
 */
export function writeBack(
  { bytes, copies, externalData }: Source,
  tensors: ReadonlyMap<string, NewValues>,
  { inference = false }: WriteOptions = {},
): Uint8Array {
  const file = new Uint8Array(bytes);
  // The message's byte fields are views of `file`: most weights are written right there.
  const model = fromBinary(ModelProtoSchema, file);
  const { graph } = model;
  if (graph === undefined) return file;
  const whole = remembered(() => decodeModel(bytes, externalData).graph);
  separateMerged(Object.assign(model, { graph }), (name) => storedIn(whole())(name));
  const isInPlace = overwriteStored(model, graph, tensors);
  const apart = copies.filter(({ tied }) => !tied);
  const originals = remembered(() => {
    const original = decodeModel(bytes, externalData);
    separateMerged(original, storedIn(original.graph));
    return original.graph;
  });
  const isDetached = detachCopies(graph, originals, apart, copies, tensors);
  const isReplaced = replaceListed(graph, apart, tensors);
  if (inference) {
    toInference(graph);
    for (const each of model.functions) toInference(each);
  }
  const isChanged = !isInPlace || isDetached || isReplaced || inference;
  return isChanged ? toBinary(ModelProtoSchema, model) : file;
}

/** Writes values into tensors that the model stores; returns true if all went into the file's own memory. */
function overwriteStored(
  model: ModelProto,
  graph: GraphProto,
  tensors: ReadonlyMap<string, NewValues>,
): boolean {
  let isInPlace = true;
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const nested = new Map(nestedConstants(model).map((each) => [each.name, each]));
  for (const [name, { shape, values }] of tensors) {
    const inner = nested.get(name);
    const tensor = initializers.get(name) ?? constantIn(graph, name);
    if (inner) isInPlace = overwriteNested(inner, shape, values) && isInPlace;
    else if (tensor !== undefined) isInPlace = overwrite(tensor, values) && isInPlace;
  }
  return isInPlace;
}

/**
 * Turns Identity nodes into Constants where a copy no longer equals its original; returns true if there are any.
 *
 * @param originals - returns the graph as in the file
 * @param apart - copies that are not tied to their original
 * @param copies - all copies
 */
function detachCopies(
  graph: GraphProto,
  originals: () => GraphProto,
  apart: readonly Copy[],
  copies: readonly Copy[],
  tensors: ReadonlyMap<string, NewValues>,
): boolean {
  const newValues = (name: string): ArrayLike<number> | undefined => {
    const tied = copies.find((copy) => copy.name === name && copy.tied);
    return tied ? newValues(tied.of) : tensors.get(name)?.values;
  };
  let isDetached = false;
  for (const { name, of } of apart) {
    const node = nodeOf(graph, name);
    if (node === undefined) continue;
    const values = tensors.get(name)?.values;
    const source = newValues(of);
    if (values === undefined && source === undefined) continue;
    const stored = () => originalOf(originals(), of);
    const wanted = values ?? numbersOf(stored());
    // The Identity stays if its result is still right.
    if (sameNumbers(wanted, source ?? numbersOf(stored()))) continue;
    isDetached = true;
    holdConstant(node, tensorOf('', stored().dataType, shapeOf(stored()), wanted));
  }
  return isDetached;
}

/** Gives a tensor to Constants that list their numbers in another attribute; returns true if there are any. */
function replaceListed(
  graph: GraphProto,
  apart: readonly Copy[],
  tensors: ReadonlyMap<string, NewValues>,
): boolean {
  const written = new Set([...graph.initializer, ...apart].map(({ name }) => name));
  let isReplaced = false;
  for (const [name, { shape, values }] of tensors) {
    const node = nodeOf(graph, name);
    if (node === undefined || written.has(name) || constantIn(graph, name)) continue;
    isReplaced = true;
    holdConstant(node, tensorOf('', DType.FLOAT, shape, values));
  }
  return isReplaced;
}

const nodeOf = (graph: GraphProto, output: string): NodeProto | undefined =>
  graph.node.find((node) => node.output[0] === output);

/** Returns the tensor of the Constant node that produces a value. */
function constantIn(graph: GraphProto, name: string): TensorProto | undefined {
  const node = nodeOf(graph, name);
  return node && isConstant(node) ? attributesOf(node).tensor('value') : undefined;
}

/** As {@link overwrite}, for a tensor inside a subgraph, a function or an attribute. */
function overwriteNested(
  { tensor, node, attribute }: Nested,
  shape: readonly number[],
  values: ArrayLike<number>,
): boolean {
  if (node === undefined) return overwrite(tensor, values);
  if (attribute !== undefined) {
    const held = node.attribute.find(({ name }) => name === attribute);
    if (held) held.floats = Array.from(values);
    return false;
  }
  const held = attributesOf(node).tensor('value');
  if (held !== undefined) return overwrite(held, values);
  holdConstant(node, tensorOf('', tensor.dataType, shape, values));
  return false;
}

/** Writes values into a tensor; returns true if they went into the file's own memory. */
function overwrite(tensor: TensorProto, values: ArrayLike<number>): boolean {
  const { dataType, rawData, floatData, doubleData, int32Data } = tensor;
  const external = tensor.dataLocation === TensorProto_DataLocation.EXTERNAL;
  const fresh = tensorOf('', dataType, [], values).rawData;
  if (!external && rawData.length === fresh.length && rawData.length > 0) {
    rawData.set(fresh);
    return true;
  }
  if (floatData.length > 0) tensor.floatData = Array.from(values);
  else if (doubleData.length > 0) tensor.doubleData = Array.from(values);
  else if (int32Data.length > 0) tensor.int32Data = Array.from(new Uint16Array(fresh.buffer));
  else tensor.rawData = fresh;
  // External data are now part of the model.
  tensor.dataLocation = TensorProto_DataLocation.DEFAULT;
  tensor.externalData = [];
  return false;
}

/** Returns the tensor behind a value of a file, through any Identity nodes. */
function originalOf(graph: GraphProto, name: string): TensorProto {
  const node = nodeOf(graph, name);
  if (node && isIdentity(node)) return originalOf(graph, node.input[0]);
  const held = graph.initializer.find((tensor) => tensor.name === name) ?? (node && constantTensor(node));
  if (held === undefined) throw new Error(`writeBack: the file has no tensor ${JSON.stringify(name)}.`);
  return held;
}

/** Turns a node into a Constant. */
function holdConstant(node: NodeProto, tensor: TensorProto): void {
  node.opType = 'Constant';
  node.input = [];
  node.attribute = nodeAttributes({ value: tensor });
}
