import { clone } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import { attributesOf, subgraphsOf } from '../ir/attributes.ts';
import { Builder } from '../ir/builder.ts';
import { opKey } from '../ir/domain.ts';
import { capturedBy, type Value } from '../ir/graph.ts';
import type { Model } from '../ir/model.ts';
import { identityNode } from '../ir/node.ts';
import { shapeOf } from '../ir/tensor.ts';
import { opOf } from '../ops/index.ts';
import { inferNode } from '../ops/infer.ts';
import { floatTypeIn } from './precision.ts';

/** Name of the value that holds a parameter once for each sample. */
export const perSampleNameOf = (parameter: string): string => `per_sample/${parameter}`;

/**
 * Gives each sample its own copy of the parameters, in place: a weight `[in, out]` becomes `[m, in, out]` and its MatMul
 * a batched one, a bias `[k]` becomes `[m, k]`. The gradient of a sum over samples with respect to the copies then holds
 * the gradient of each sample, a row of the Jacobian.
 *
 * Dense layers are all that it knows: parameters of Gemm, of MatMul on the right, and biases and scales of elementwise
 * ops, where the other operand is `[m, k]`.
 *
 * @param names - of the parameters
 * @returns false, the model then spoilt, if a parameter is used in another way
 */
export function expandPerSample({ graph }: Model, names: readonly string[], samples: number): boolean {
  const tensors = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const nodes = graph.node;
  const captures = (node: NodeProto) =>
    subgraphsOf(node).length > 0 && capturedBy(node).some((name) => names.includes(name));
  if (names.some((name) => !tensors.has(name)) || nodes.some(captures)) return false;
  graph.node = [];
  graph.valueInfo = [];
  const g = new Builder(graph, inferNode, floatTypeIn(graph), nodes, 'per_sample/value/');

  const shapes = new Map<string, readonly number[]>();
  for (const name of names) {
    const tensor = tensors.get(name);
    const shape = tensor ? shapeOf(tensor) : [];
    if (shape.length === 0 || shape.length > 2) return false;
    shapes.set(name, shape);
    // A bias [1, k] is one row, as [k] is; its use decides which it is.
    const whole = [samples, ...(shape[0] === 1 ? shape.slice(-1) : shape)];
    g.append(identityNode(g.expand(name, whole), perSampleNameOf(name)));
  }
  const rank = (name: string) => shapes.get(name)?.length ?? 0;
  const own = (name: string) => (shapes.has(name) ? perSampleNameOf(name) : name);
  /** True for a parameter of one row, `[k]` or `[1, k]`, and for values that are no parameters. */
  const isRow = (name: string) => rank(name) < 2 || shapes.get(name)?.[0] === 1;

  /** x·W for each sample, W `[k, n]`, or `[n, k]` if it is transposed. */
  const product = (x: Value, weight: string, isTransposed: boolean): Value => {
    const shape = shapes.get(weight) ?? [];
    const [inner, outer] = isTransposed ? [shape[1], shape[0]] : shape;
    // A weight of one row was expanded as a bias is.
    const cube = g.reshape(perSampleNameOf(weight), [samples, ...shape]);
    const matrix = isTransposed ? g.transpose(cube, [0, 2, 1]) : cube;
    return g.reshape(g.matmul(g.reshape(x, [samples, 1, inner]), matrix), [samples, outer]);
  };
  /** The result of a node by each sample's parameters; undefined for a node of another kind. */
  const bySample = (node: NodeProto): Value | undefined => {
    const [a, b, c] = node.input;
    if (opKey(node) === 'MatMul') return shapes.has(a) || rank(b) !== 2 ? undefined : product(a, b, false);
    if (opKey(node) !== 'Gemm' || shapes.has(a) || rank(b) !== 2 || (c && !isRow(c))) return undefined;
    const attributes = attributesOf(node);
    const scaled = attributes.float('alpha', 1) !== 1 || attributes.float('beta', 1) !== 1;
    if (scaled || attributes.int('transA', 0) !== 0) return undefined;
    const sum = product(a, b, attributes.int('transB', 0) === 1);
    return c ? g.add(sum, own(c)) : sum;
  };

  for (const node of nodes) {
    if (!node.input.some((name) => shapes.has(name))) g.append(node);
    else if (opOf(node)?.operand) {
      if (!node.input.every(isRow)) return false;
      const copy = clone(NodeProtoSchema, node);
      copy.input = node.input.map(own);
      g.append(copy);
    } else {
      const value = bySample(node);
      if (value === undefined) return false;
      g.append(identityNode(value, node.output[0], node.name || undefined));
    }
  }
  return true;
}
