import * as tf from '@tensorflow/tfjs';
import { readNow } from '../../tensors/read.ts';
import type { Dimension, OnnxGraph, Value } from './graph.ts';

/** A layer that is being written: its configuration, its weights and its inputs. */
export interface LayerCall {
  readonly graph: OnnxGraph;
  readonly layer: tf.layers.Layer;
  /** As `getConfig` has it. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly inputs: readonly Value[];
  /** Writes another layer, one inside a wrapper. */
  readonly write: (layer: tf.layers.Layer, inputs: readonly Value[]) => Value[];
}

/** Writes one class of layers; returns its outputs. */
export type LayerWriter = (call: LayerCall) => Value | Value[];

/** Writers by the class names of layers. */
export type LayerTable = Readonly<Record<string, LayerWriter>>;

/** A layer that cannot be written. */
export class LayerRefusal extends Error {}

/** Returns the error for a layer that cannot be written. */
export function refuseLayer(layer: tf.layers.Layer, why: string): LayerRefusal {
  return new LayerRefusal(
    `layer "${layer.name}" (${layer.getClassName()}) cannot be written as ONNX: ${why}`,
  );
}

/** The shape that a layer makes of its inputs. */
export function outputShape({ layer, inputs }: LayerCall): Dimension[] {
  const shapes = inputs.map(({ shape }) => [...shape]);
  const shape = layer.computeOutputShape(shapes.length === 1 ? shapes[0] : shapes);
  return (Array.isArray(shape[0]) ? shape[0] : shape) as Dimension[];
}

/** A result of the layer, with channels last unless said otherwise. */
export function result(name: string, shape: readonly Dimension[], isChannelsFirst = false): Value {
  return { name, shape, isChannelsFirst: isChannelsFirst && shape.length > 2 };
}

/** A weight of a layer. */
export interface LayerWeight {
  /** Under which the model saves it. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly read: () => Float32Array;
  /** The same for the same weight. */
  readonly key: unknown;
}

/** A weight by its own name such as 'kernel'; null if the layer has none of that name. */
export function weightOf(layer: tf.layers.Layer, name: string): LayerWeight | null {
  const weight = layer.weights.find(({ originalName }) => ownName(originalName) === name);
  if (!weight) return null;
  const shape = weight.shape.map(Number);
  return { name: weight.originalName, shape, read: () => readNow(weight.read()), key: weight };
}

/** tfjs appends _1, _2, … to a name that is already taken. */
const ownName = (name: string): string => name.slice(name.lastIndexOf('/') + 1).replace(/_\d+$/, '');

/** A weight under its name in the model, as it is. */
export function plainWeight({ graph, layer }: LayerCall, name: string): string | null {
  const weight = weightOf(layer, name);
  return weight && graph.weight(weight.name, weight.read, weight.shape, weight.key);
}

/**
 * A weight under its name in the model, with its axes in another order.
 *
 * In a file its numbers are moved, else the graph moves them.
 *
 * @param shape - of the result. @defaultValue that of the transposed weight
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
    const moved = graph.op('Transpose', [plainWeight(call, name)!], { perm: [...perm] });
    return shape ? graph.op('Reshape', [moved, graph.integers(shape)]) : moved;
  }
  return graph.weight(weight.name, () => transposed(weight.read(), weight.shape, perm), dims, weight.key);
}

/** The numbers of a tensor with its axes in another order. */
export function transposed(
  values: Float32Array,
  shape: readonly number[],
  perm: readonly number[],
): Float32Array {
  return tf.tidy(() => readNow(tf.tensor(values, [...shape]).transpose([...perm])).slice());
}

/** An option of the layer that must be a number or a list of them, as a list. */
export function numbers(value: unknown, count: number): number[] {
  return Array.isArray(value) ? (value as number[]) : Array.from({ length: count }, () => Number(value));
}
