import type { OnnxGraph, Value } from './graph.ts';
import { refuseLayer } from './layer.ts';
import type * as tf from '@tensorflow/tfjs';

/** Writes an activation of a value whose channels are on `axis`. */
type Activation = (graph: OnnxGraph, x: string, axis: number) => string;

const unary =
  (op: string): Activation =>
  (graph, x) =>
    graph.op(op, [x]);

/** x ↦ 0.5·x·(1 + factor) */
const gelu = (graph: OnnxGraph, x: string, factor: string): string =>
  graph.op('Mul', [graph.op('Mul', [x, graph.constant(0.5)]), graph.op('Add', [factor, graph.constant(1)])]);

const activations: Readonly<Record<string, Activation>> = {
  linear: (_graph, x) => x,
  relu: unary('Relu'),
  relu6: (graph, x) => graph.op('Clip', [x, graph.constant(0), graph.constant(6)]),
  elu: unary('Elu'),
  selu: unary('Selu'),
  sigmoid: unary('Sigmoid'),
  hardSigmoid: (graph, x) => graph.op('HardSigmoid', [x], { alpha: { float: 0.2 }, beta: { float: 0.5 } }),
  softplus: unary('Softplus'),
  softsign: unary('Softsign'),
  tanh: unary('Tanh'),
  softmax: (graph, x, axis) => graph.op('Softmax', [x], { axis }),
  logSoftmax: (graph, x, axis) => graph.op('LogSoftmax', [x], { axis }),
  swish: (graph, x) => graph.op('Mul', [x, graph.op('Sigmoid', [x])]),
  mish: (graph, x) => graph.op('Mul', [x, graph.op('Tanh', [graph.op('Softplus', [x])])]),
  gelu: (graph, x) => gelu(graph, x, graph.op('Erf', [graph.op('Mul', [x, graph.constant(Math.SQRT1_2)])])),
  gelu_new(graph, x) {
    const cube = graph.op('Mul', [graph.op('Mul', [x, x]), graph.op('Mul', [x, graph.constant(0.044715)])]);
    const inner = graph.op('Mul', [graph.op('Add', [x, cube]), graph.constant(Math.sqrt(2 / Math.PI))]);
    return gelu(graph, x, graph.op('Tanh', [inner]));
  },
};

/** Returns the name of a layer's activation; `'linear'` if it has none. */
export function activationName(activation: unknown): string {
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
  const write = activations[name];
  if (!write) throw refuseLayer(layer, `its activation ${name} has no counterpart here.`);
  const axis = value.isChannelsFirst ? 1 : value.shape.length - 1;
  return { ...value, name: write(graph, value.name, axis) };
}
