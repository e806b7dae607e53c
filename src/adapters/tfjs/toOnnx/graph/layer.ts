import * as tf from '@tensorflow/tfjs';
import { readNow } from '../../tensors/read.ts';
import type { Dimension, OnnxGraph, Value } from './graph.ts';

/** The layer being written: its configuration, weights and inputs. */
export interface LayerCall {
  readonly graph: OnnxGraph;
  readonly layer: tf.layers.Layer;
  /** Result of `getConfig`. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly inputs: readonly Value[];
  /** Writes another layer, such as one inside a wrapper. */
  readonly write: (layer: tf.layers.Layer, inputs: readonly Value[]) => Value[];
}

/** Writes one class of layers; returns its outputs. */
export type LayerWriter = (call: LayerCall) => Value | Value[];

/** Writers by the class names of layers. */
export type LayerTable = Readonly<Record<string, LayerWriter>>;

/** Error for a layer that cannot be written. */
export class LayerRefusal extends Error {}

/** Returns the error for a layer that cannot be written. */
export function refuseLayer(layer: tf.layers.Layer, why: string): LayerRefusal {
  return new LayerRefusal(
    `layer "${layer.name}" (${layer.getClassName()}) cannot be written as ONNX: ${why}`,
  );
}

/** Returns the output shape of a layer. */
export function outputShape({ layer, inputs }: LayerCall): Dimension[] {
  const shapes = inputs.map(({ shape }) => [...shape]);
  const shape = layer.computeOutputShape(shapes.length === 1 ? shapes[0] : shapes);
  return (Array.isArray(shape[0]) ? shape[0] : shape) as Dimension[];
}

/** Returns a result of the layer, with channels last by default. */
export function result(name: string, shape: readonly Dimension[], isChannelsFirst = false): Value {
  return { name, shape, isChannelsFirst: isChannelsFirst && shape.length > 2 };
}

/** A weight of a layer. */
export interface LayerWeight {
  /** Name under which the model saves it. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly read: () => Float32Array;
  /** Identity of the weight. */
  readonly key: unknown;
}

/** Returns a weight by its own name, such as 'kernel'; null if the layer has none of that name. */
export function weightOf(layer: tf.layers.Layer, name: string): LayerWeight | null {
  const weight = layer.weights.find(({ originalName }) => ownName(originalName) === name);
  if (!weight) return null;
  const shape = weight.shape.map(Number);
  return { name: weight.originalName, shape, read: () => readNow(weight.read()), key: weight };
}

/** Strips the suffix _1, _2, … that tfjs appends to a name already in use. */
const ownName = (name: string): string => name.slice(name.lastIndexOf('/') + 1).replace(/_\d+$/, '');

/** Writes a weight unchanged, under its name in the model. */
export function plainWeight({ graph, layer }: LayerCall, name: string): string | null {
  const weight = weightOf(layer, name);
  return weight && graph.weight(weight.name, weight.read, weight.shape, weight.key);
}

/**
 * Writes a weight with permuted axes, under its name in the model.
 *
 * In a file, the numbers themselves are permuted; otherwise, the graph permutes them.
 *
 * @param shape - shape of the result. @defaultValue that of the transposed weight
 */
export function transposedWeight(
  call: LayerCall,
  name: string,
  perm: readonly number[],
  shape?: readonly number[],
): string {
  const { graph, layer } = call;
  const weight = weightOf(layer, name);
  if (!weight) throw refuseLayer(layer, `it has no weight "${name}".`);
  const dims = shape ?? perm.map((axis) => weight.shape[axis]);
  if (graph.use !== 'file') {
    const moved = graph.transpose(plainWeight(call, name)!, perm);
    return shape ? graph.reshape(moved, shape) : moved;
  }
  return graph.weight(weight.name, () => transposed(weight.read(), weight.shape, perm), dims, weight.key);
}

/** Returns the numbers of a tensor with permuted axes. */
export function transposed(
  values: Float32Array,
  shape: readonly number[],
  perm: readonly number[],
): Float32Array {
  return tf.tidy(() => readNow(tf.tensor(values, [...shape]).transpose([...perm])).slice());
}

/** Returns an option of the layer, a number or a list of numbers, as a list. */
export function numbers(value: unknown, count: number): number[] {
  return Array.isArray(value) ? (value as number[]) : Array.from({ length: count }, () => Number(value));
}
