import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataLocation } from 'onnx-buf';
import type { GraphProto, NodeProto } from 'onnx-buf';
import { attributesOf, nodeAttributes } from '../ir/attributes.ts';
import { constantTensor, isConstant } from '../ir/constant.ts';
import { isIdentity } from '../ir/node.ts';
import { DType, numbersOf, shapeOf, tensorOf, type TensorProto } from '../ir/tensor.ts';
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
   * Take BatchNormalization and Dropout out of training mode, for a model that was exported in it. Otherwise all
   * but the weights stays as it was, byte for byte.
   *
   * @defaultValue false
   */
  readonly inference?: boolean;
}

/** A model's file and its parameters, without their values. */
export interface Source {
  readonly bytes: Uint8Array;
  /** Copies among its constant tensors: those that follow nothing keep what they hold. */
  readonly copies: readonly Copy[];
  readonly externalData?: ExternalData | undefined;
}

/**
 * Returns a model's file with new values in some of its tensors: initializers, outputs of Constant nodes, or of Identity
 * nodes, which become constants where they no longer hold what they copy.
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
  let inPlace = !inference;
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const nested = new Map(nestedConstants(model).map((each) => [each.name, each]));
  for (const [name, { shape, values }] of tensors) {
    const inner = nested.get(name);
    const tensor = initializers.get(name) ?? constantIn(graph, name);
    if (inner) inPlace = overwriteNested(inner, shape, values) && inPlace;
    else if (tensor !== undefined) inPlace = overwrite(tensor, values) && inPlace;
  }
  const apart = copies.filter(({ tied }) => !tied);
  const originals = remembered(() => decodeModel(bytes, externalData).graph);
  for (const { name, of } of apart) {
    const node = nodeOf(graph, name);
    if (node === undefined) continue;
    const held = () => originalOf(originals(), of);
    const values = tensors.get(name)?.values;
    const now = (source: string): ArrayLike<number> | undefined => {
      const copied = copies.find((copy) => copy.name === source && copy.tied);
      return copied ? now(copied.of) : tensors.get(source)?.values;
    };
    const source = now(of);
    // An Identity stays where it makes what is wanted.
    if (values === undefined && source === undefined) continue;
    const wanted = values ?? numbersOf(held());
    if (sameNumbers(wanted, source ?? numbersOf(held()))) continue;
    inPlace = false;
    holdConstant(node, tensorOf('', held().dataType, shapeOf(held()), wanted));
  }
  const written = new Set(apart.map(({ name }) => name));
  for (const [name, { shape, values }] of tensors) {
    const node = nodeOf(graph, name);
    if (node === undefined || initializers.has(name) || written.has(name) || constantIn(graph, name))
      continue;
    // A Constant whose numbers are listed in another attribute than a tensor.
    inPlace = false;
    holdConstant(node, tensorOf('', DType.FLOAT, shape, values));
  }
  if (inference) {
    toInference(graph);
    for (const each of model.functions) toInference(each);
  }
  return inPlace ? file : toBinary(ModelProtoSchema, model);
}

const nodeOf = (graph: GraphProto, output: string): NodeProto | undefined =>
  graph.node.find((node) => node.output[0] === output);

/** The tensor in a Constant node that makes a value. */
function constantIn(graph: GraphProto, name: string): TensorProto | undefined {
  const node = nodeOf(graph, name);
  return node && isConstant(node) ? attributesOf(node).tensor('value') : undefined;
}

/** As {@link overwrite}, inside the graph of a node, a function or an attribute. */
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

/** Puts values into a tensor; whether they went into the file's own memory. */
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
  // What lay in a file of its own is now part of the model.
  tensor.dataLocation = TensorProto_DataLocation.DEFAULT;
  tensor.externalData = [];
  return false;
}

/** The tensor that a value of a file holds, through the Identity nodes between it and that. */
function originalOf(graph: GraphProto, name: string): TensorProto {
  const node = nodeOf(graph, name);
  if (node && isIdentity(node)) return originalOf(graph, node.input[0]);
  const held = graph.initializer.find((tensor) => tensor.name === name) ?? (node && constantTensor(node));
  if (held === undefined) throw new Error(`writeBack: ${JSON.stringify(name)} is no tensor of the file.`);
  return held;
}

const sameNumbers = (a: ArrayLike<number>, b: ArrayLike<number>): boolean => {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
};

/** Turns a node into a Constant. */
function holdConstant(node: NodeProto, tensor: TensorProto): void {
  node.opType = 'Constant';
  node.input = [];
  node.attribute = nodeAttributes({ value: tensor });
}
