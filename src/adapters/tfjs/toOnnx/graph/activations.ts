import type { OnnxGraph, Value } from './graph.ts';
import { refuseLayer } from './layer.ts';
import type * as tf from '@tensorflow/tfjs';

/** Writes an activation of a value whose channels are on `axis`. */
type Activation = (graph: OnnxGraph, x: string, axis: number) => string;

/** Activations of one value without parameters: the op has their name, with a capital letter. */
const unary = ['relu', 'elu', 'selu', 'sigmoid', 'softplus', 'softsign', 'tanh'] as const;

const opNamed = (name: string): string => name[0].toUpperCase() + name.slice(1);

const ofOneValue = Object.fromEntries(
  unary.map((name): [string, Activation] => [name, (g, x) => g.op(opNamed(name), [x])]),
);

/** x ↦ 0.5·x·(1 + factor) */
const gelu = (g: OnnxGraph, x: string, factor: string): string => g.mul(g.mul(x, 0.5), g.add(factor, 1));

const hardSigmoid = 'HardSigmoid';

const activations: Readonly<Record<string, Activation>> = {
  ...ofOneValue,
  linear: (_g, x) => x,
  relu6: (g, x) => g.clip(x, 0, 6),
  hardSigmoid: (g, x) => g.op(hardSigmoid, [x], { alpha: 0.2, beta: 0.5 }),
  softmax: (g, x, axis) => g.softmax(x, axis),
  logSoftmax: (g, x, axis) => g.logSoftmax(x, axis),
  swish: (g, x) => g.mul(x, g.sigmoid(x)),
  mish: (g, x) => g.mul(x, g.tanh(g.softplus(x))),
  gelu: (g, x) => gelu(g, x, g.erf(g.mul(x, Math.SQRT1_2))),
  gelu_new(g, x) {
    const cube = g.mul(g.square(x), g.mul(x, 0.044715));
    return gelu(g, x, g.tanh(g.mul(g.add(x, cube), Math.sqrt(2 / Math.PI))));
  },
};

/** Returns the name of a layer's activation; `'linear'` if it has none. */
function activationName(activation: unknown): string {
  if (activation === null || activation === undefined) return 'linear';
  return (activation as { getClassName(): string }).getClassName();
}

/** Writes the activation of a layer. */
export function activated(
  graph: OnnxGraph,
  layer: tf.layers.Layer,
  value: Value,
  activation: unknown,
): Value {
  const name = activationName(activation);
  if (!activations[name]) throw refuseLayer(layer, `its activation ${name} has no counterpart here.`);
  return applied(graph, value, name);
}

/**
 * Writes an activation by its name.
 *
 * @param axis - axis that a softmax normalizes, in the layout of the value. @defaultValue that of the channels
 */
export function applied(
  graph: OnnxGraph,
  value: Value,
  name: string,
  axis = value.isChannelsFirst ? 1 : value.shape.length - 1,
): Value {
  return { ...value, name: activations[name](graph, value.name, axis) };
}

/** Names of the activations that recurrent ops of ONNX have: all but SELU. */
const ofRecurrentOps: Readonly<Record<string, string>> = {
  ...Object.fromEntries(unary.filter((name) => name !== 'selu').map((name) => [name, opNamed(name)])),
  linear: 'Affine',
  hardSigmoid,
};

/**
 * Returns the name of an activation in the attributes of a recurrent op.
 *
 * @throws LayerRefusal if these ops do not have it
 */
export function recurrentActivation(layer: tf.layers.Layer, activation: unknown): string {
  const name = activationName(activation);
  const known = ofRecurrentOps[name];
  if (!known) throw refuseLayer(layer, `recurrent layers of ONNX do not have its activation ${name}.`);
  return known;
}
