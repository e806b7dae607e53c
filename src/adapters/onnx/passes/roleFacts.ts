/**
 * Values of a graph by which the roles of its constant tensors are decided.
 *
 * @module
 */

import type { GraphProto, NodeProto } from 'onnx-buf';
import { subgraphsOf } from '../ir/attributes.ts';
import { isStandard, opKey } from '../ir/domain.ts';
import type { Op } from '../ir/op.ts';
import { isFloat, isNarrow, shapeOf, type TensorProto } from '../ir/tensor.ts';
import { ops } from '../ops/index.ts';

/** Name of a node's op, without the domain of ONNX Runtime's optimized ops. */
export const plainOp = (node: NodeProto): string =>
  isStandard(node) ? node.opType : opKey(node).replace(/^com\.microsoft(\.\w+)?::/, '');
/** Returns the entry of a node's op, or of the standard op that it optimizes. */
export const opOf = (node: NodeProto): Op | undefined => ops.get(plainOp(node));

/** Sets of values that decide roles. */
export interface RoleFacts {
  /** See {@link computedWeights}. */
  readonly computed: ReadonlySet<string>;
  /** See {@link learnedValues}. */
  readonly learned: ReadonlySet<string>;
  /** See {@link singleUnits}. */
  readonly singles: ReadonlySet<string>;
  /** See {@link quantizedScales}. */
  readonly scales: ReadonlySet<string>;
  /** The node that makes each value. */
  readonly makers: ReadonlyMap<string, NodeProto>;
}

/** Returns the values that decide roles in a graph. */
export function roleFacts({ node: nodes, initializer: initializers }: GraphProto): RoleFacts {
  const computed = computedWeights(nodes, initializers);
  return {
    computed,
    learned: learnedValues(nodes, initializers, computed),
    singles: singleUnits(nodes, initializers),
    scales: quantizedScales(nodes, initializers),
    makers: new Map(nodes.flatMap((node) => node.output.map((output) => [output, node] as const))),
  };
}

/** Names of the ops that set elements of their first input, at the positions in the second. */
export const scatters = /^Scatter(ND|Elements)$/;

const isWeight = ({ dataType }: TensorProto): boolean => isFloat(dataType) || isNarrow(dataType);

/**
 * Returns the values that the graph computes only from constants, at least one of them a tensor of weights: weight
 * normalization computes its weights so.
 */
function computedWeights(
  nodes: readonly NodeProto[],
  initializers: readonly TensorProto[],
): ReadonlySet<string> {
  const constant = new Set(initializers.map(({ name }) => name));
  const weighty = new Set(initializers.filter(isWeight).map(({ name }) => name));
  const computed = new Set<string>();
  // Integers computed from integers, such as the positions that a scatter sets.
  const known = new Set(constant);
  for (const node of nodes) {
    const { input, output } = node;
    const isSet = scatters.test(plainOp(node));
    const isKnown = (value: string, i: number): boolean =>
      value === '' || constant.has(value) || computed.has(value) || (isSet && i === 1 && known.has(value));
    if (input.some((value) => weighty.has(value) || computed.has(value))) {
      if (input.every(isKnown)) for (const value of output) computed.add(value);
    } else if (input.length > 0 && input.every((value) => value === '' || known.has(value)))
      for (const value of output) known.add(value);
  }
  return computed;
}

/** Returns the values that depend on a layer with weights. Nodes before the first such layer are preprocessing. */
function learnedValues(
  nodes: readonly NodeProto[],
  initializers: readonly TensorProto[],
  computed: ReadonlySet<string>,
): ReadonlySet<string> {
  const weighty = new Set(initializers.filter(isWeight).map(({ name }) => name));
  const learned = new Set<string>();
  const visit = (node: NodeProto): void => {
    const { roles, carries } = opOf(node) ?? {};
    const layer = node.input.some(
      (input, i) =>
        (typeof roles === 'function' || roles?.[i] !== undefined) &&
        (weighty.has(input) || computed.has(input)) &&
        !computed.has(node.output[0]),
    );
    const carried = node.input.some((input) => learned.has(input));
    let inside = false;
    for (const subgraph of subgraphsOf(node)) {
      if (carried) for (const { name } of subgraph.input) learned.add(name);
      subgraph.node.forEach(visit);
      inside ||= subgraph.output.some(({ name }) => learned.has(name));
    }
    for (const output of node.output) {
      if ((layer || carried || inside) && !isRange(node, output)) learned.add(output);
      if (carries && weighty.has(node.input[0])) weighty.add(output);
    }
  };
  nodes.forEach(visit);
  return learned;
}

/** True for the scale and the zero point of values that are quantized by their range. */
const isRange = (node: NodeProto, value: string): boolean =>
  value !== node.output[0] && opOf(node)?.scaleOutput !== undefined;

/** Returns the scales of values that are quantized by their range, and their products with constants. */
function quantizedScales(
  nodes: readonly NodeProto[],
  initializers: readonly TensorProto[],
): ReadonlySet<string> {
  const constant = new Set(initializers.map(({ name }) => name));
  const scales = new Set<string>();
  for (const node of nodes) {
    const { input, output } = node;
    const { operand, scaleOutput } = opOf(node) ?? {};
    const isProduct = operand === 'factor' && input.some((factor) => scales.has(factor));
    if (scaleOutput !== undefined) scales.add(output[scaleOutput]);
    else if (isProduct && input.every((factor) => scales.has(factor) || constant.has(factor)))
      scales.add(output[0]);
  }
  return scales;
}

/** Returns the products with a one-column weight: layers of one unit, whose bias is a single number. */
function singleUnits(nodes: readonly NodeProto[], initializers: readonly TensorProto[]): ReadonlySet<string> {
  const columns = new Map(initializers.map((tensor) => [tensor.name, shapeOf(tensor)]));
  const singles = new Set<string>();
  for (const node of nodes) {
    const { product, permutesAxes } = opOf(node) ?? {};
    const isProduct = product === 'matrices';
    const shape = columns.get(node.input[isProduct ? 1 : 0]);
    if (permutesAxes && shape?.length === 2) columns.set(node.output[0], shape.toReversed());
    if (isProduct && shape && shape.length > 1 && shape.at(-1) === 1) singles.add(node.output[0]);
  }
  return singles;
}
