import type { OnnxGraph, Value } from './graph.ts';
import { refuseLayer } from './layer.ts';
import type * as tf from '@tensorflow/tfjs';

/** Writes an activation of a value whose channels are on `axis`. */
type Activation = (graph: OnnxGraph, x: string, axis: number) => string;

/** Ops for activations of one value without parameters. */
const unary = {
  relu: 'Relu',
  elu: 'Elu',
  selu: 'Selu',
  sigmoid: 'Sigmoid',
  softplus: 'Softplus',
  softsign: 'Softsign',
  tanh: 'Tanh',
} as const;

const ofOneValue = Object.fromEntries(
  Object.entries(unary).map(([name, op]): [string, Activation] => [name, (graph, x) => graph.op(op, [x])]),
);

/** x ↦ 0.5·x·(1 + factor) */
const gelu = (graph: OnnxGraph, x: string, factor: string): string =>
  graph.op('Mul', [graph.op('Mul', [x, graph.constant(0.5)]), graph.op('Add', [factor, graph.constant(1)])]);

const hardSigmoid = 'HardSigmoid';

const activations: Readonly<Record<string, Activation>> = {
  ...ofOneValue,
  linear: (_graph, x) => x,
  relu6: (graph, x) => graph.op('Clip', [x, graph.constant(0), graph.constant(6)]),
  hardSigmoid: (graph, x) => graph.op(hardSigmoid, [x], { alpha: { float: 0.2 }, beta: { float: 0.5 } }),
  softmax: (graph, x, axis) => graph.op('Softmax', [x], { axis }),
  logSoftmax: (graph, x, axis) => graph.op('LogSoftmax', [x], { axis }),
  swish: (graph, x) => graph.op('Mul', [x, graph.op(unary.sigmoid, [x])]),
  mish: (graph, x) => graph.op('Mul', [x, graph.op(unary.tanh, [graph.op(unary.softplus, [x])])]),
  gelu: (graph, x) => gelu(graph, x, graph.op('Erf', [graph.op('Mul', [x, graph.constant(Math.SQRT1_2)])])),
  gelu_new(graph, x) {
    const cube = graph.op('Mul', [graph.op('Mul', [x, x]), graph.op('Mul', [x, graph.constant(0.044715)])]);
    const inner = graph.op('Mul', [graph.op('Add', [x, cube]), graph.constant(Math.sqrt(2 / Math.PI))]);
    return gelu(graph, x, graph.op(unary.tanh, [inner]));
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

const { selu: _, ...shared } = unary;
/** Names of the activations that recurrent ops of ONNX have: all but SELU. */
const ofRecurrentOps: Readonly<Record<string, string>> = { ...shared, linear: 'Affine', hardSigmoid };

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
