/**
 * What a tensor of a graph is, by the place that it takes in the op that reads it.
 *
 * @module
 */

import type { NodeProto } from 'onnx-buf';
import type { TensorRole } from '../../core/layout.ts';
import { opKey } from './ir/domain.ts';
import { attributesOf, subgraphsOf } from './ir/attributes.ts';
import { axisFrom, range } from './ir/shape.ts';
import { isFloat, numbersOf, shapeOf, type TensorProto } from './ir/tensor.ts';

/** What a tensor is, by the input of the op that it feeds. */
export interface Slot {
  readonly kind: TensorRole['kind'];
  readonly filterAxes?: readonly number[];
  readonly why: string;
}

const slot = (why: string, kind: TensorRole['kind'], ...filterAxes: number[]): Slot => ({
  kind,
  why,
  ...(filterAxes.length > 0 && { filterAxes }),
});

const norm = new Map([
  [1, slot('scale', 'norm')],
  [2, slot('bias', 'norm')],
]);
const recurrent = new Map([
  [1, slot('W', 'weight', 0, 1)],
  [2, slot('R', 'weight', 0, 1)],
  [3, slot('B', 'bias')],
  [7, slot('P', 'weight')],
]);

const slots = new Map<string, ReadonlyMap<number, Slot>>([
  [
    'Conv',
    new Map([
      [1, slot('weight', 'weight', 0)],
      [2, slot('bias', 'bias')],
    ]),
  ],
  [
    'ConvTranspose',
    new Map([
      [1, slot('weight', 'weight', 1)],
      [2, slot('bias', 'bias')],
    ]),
  ],
  ['BatchNormalization', norm],
  ['LayerNormalization', norm],
  ['InstanceNormalization', norm],
  ['GroupNormalization', norm],
  ['RMSNormalization', norm],
  ['LSTM', recurrent],
  ['GRU', recurrent],
  ['RNN', recurrent],
  ['Gather', new Map([[0, slot('table', 'embedding', 0)]])],
  ['PRelu', new Map([[1, slot('slope', 'slope')]])],
]);

/** The op of a node, or that which an optimised op of ONNX Runtime's own stands for. */
const opOf = (node: NodeProto): string => opKey(node).replace(/^com\.microsoft(\.\w+)?::/, '');

const products = new Set(['Gemm', 'MatMul', 'Einsum']);
const elementwise = new Set(['Add', 'Sub', 'Mul', 'Div']);
/** Ops that hand a tensor on, its elements moved or a part of them taken. */
const carriers = new Set(
  'Identity Transpose Reshape Flatten Squeeze Unsqueeze Slice Concat Split Expand Cast'.split(' '),
);

/** A tensor that is moved more often than this is not followed to its end. */
const LONGEST_PATH = 16;

/** A node that reads a value, and as which of its inputs. */
export type Reader = readonly [NodeProto, number];

/** The readers of each value. */
export type Readers = ReadonlyMap<string, readonly Reader[]>;

/** Why a tensor is no parameter, a short phrase. */
export interface NoSlot {
  readonly against: string;
}

/** The values that depend on some trained layer: what comes before the first layer is preprocessing. */
export function learnedValues(
  nodes: readonly NodeProto[],
  initializers: readonly TensorProto[],
): ReadonlySet<string> {
  const constant = new Set(initializers.map(({ name }) => name));
  const weighty = new Set(initializers.filter(({ dataType }) => isFloat(dataType)).map(({ name }) => name));
  const learned = new Set<string>();
  const visit = (node: NodeProto): void => {
    const op = opOf(node);
    const weights = slots.get(op)?.keys() ?? (products.has(op) ? node.input.keys() : []);
    const layer = Array.from(weights).some((i) => weighty.has(node.input[i]));
    const carried = node.input.some((input) => learned.has(input));
    const moved = carriers.has(op) && node.input.every((input) => input === '' || constant.has(input));
    let inside = false;
    for (const subgraph of subgraphsOf(node)) {
      if (carried) for (const { name } of subgraph.input) learned.add(name);
      subgraph.node.forEach(visit);
      inside ||= subgraph.output.some(({ name }) => learned.has(name));
    }
    for (const output of node.output) {
      if (layer || carried || inside) learned.add(output);
      if (moved) constant.add(output);
      if (carriers.has(op) && weighty.has(node.input[0])) weighty.add(output);
    }
  };
  nodes.forEach(visit);
  return learned;
}

/** The products by a weight of one column: layers of one unit, whose bias is a single number. */
export function singleUnits(
  nodes: readonly NodeProto[],
  initializers: readonly TensorProto[],
): ReadonlySet<string> {
  const columns = new Map(initializers.map((tensor) => [tensor.name, shapeOf(tensor)]));
  const singles = new Set<string>();
  for (const node of nodes) {
    const shape = columns.get(node.input[opOf(node) === 'MatMul' ? 1 : 0]);
    if (opOf(node) === 'Transpose' && shape?.length === 2) columns.set(node.output[0], shape.toReversed());
    if (opOf(node) === 'MatMul' && shape && shape.length > 1 && shape.at(-1) === 1)
      singles.add(node.output[0]);
  }
  return singles;
}

/** The slot that a tensor ends in, followed through ops that only move it. */
export function slotOf(
  tensor: TensorProto,
  readers: Readers,
  learned: ReadonlySet<string>,
  singles: ReadonlySet<string>,
): Slot | NoSlot {
  return follow(tensor.name, []);

  function follow(name: string, path: readonly NodeProto[]): Slot | NoSlot {
    let against = 'a constant of the graph, in no place where weights stand';
    for (const [node, i] of readers.get(name) ?? []) {
      if (i === 0 && carriers.has(opOf(node)) && path.length < LONGEST_PATH && !learned.has(node.output[0])) {
        for (const output of node.output) {
          const found = follow(output, [...path, node]);
          if (!('against' in found)) return found;
          against = found.against;
        }
        continue;
      }
      if (opOf(node) === 'Concat' && path.length < LONGEST_PATH) {
        const found = follow(node.output[0], [...path, node]);
        if (!('against' in found)) return found;
      }
      const found = direct(node, i, tensor, learned, singles);
      if (found !== undefined && !('against' in found)) return through(found, path, tensor);
      against = found?.against ?? against;
    }
    return { against };
  }
}

/** The slot of input i of a node. */
function direct(
  node: NodeProto,
  i: number,
  tensor: TensorProto,
  learned: ReadonlySet<string>,
  singles: ReadonlySet<string>,
): Slot | NoSlot | undefined {
  const rank = tensor.dims.length;
  const where = (found: Slot): Slot => ({
    ...found,
    why: `${found.why} of ${opOf(node)} ${JSON.stringify(node.name || node.output[0])}`,
  });
  if (opOf(node) === 'Gemm') {
    if (i === 2) return where(slot('bias', 'bias'));
    const transposed = attributesOf(node).int(i === 0 ? 'transA' : 'transB', 0) === 1;
    const columns = i === 0 ? transposed : !transposed;
    return where(slot('weight', 'weight', columns ? 1 : 0));
  }
  if (opOf(node) === 'MatMul')
    return where(slot('weight', 'weight', ...(rank > 1 ? [i === 0 ? rank - 2 : rank - 1] : [])));
  if (opOf(node) === 'Einsum') return where(slot('weight', 'weight'));
  if (elementwise.has(opOf(node))) {
    const other = node.input[1 - i];
    if (!learned.has(other)) return { against: 'applied before any layer: part of the preprocessing' };
    // A scalar has no axis; the bias of one unit has.
    if (opOf(node) === 'Add' && rank > 0 && shapeOf(tensor).every((size) => size === 1) && singles.has(other))
      return where(slot('bias', 'bias'));
    return elementwiseSlot(node, tensor, where);
  }
  const found = slots.get(opOf(node))?.get(i);
  return found && where(found);
}

function elementwiseSlot(node: NodeProto, tensor: TensorProto, where: (found: Slot) => Slot): Slot | NoSlot {
  const wide = shapeOf(tensor).filter((size) => size !== 1).length;
  if (wide === 0) return { against: 'a single number in arithmetic' };
  const values = numbersOf(tensor);
  if (values.some((value) => !(Math.abs(value) < 1e4)))
    return { against: 'looks like a mask: it holds values beyond 1e4' };
  if (opOf(node) === 'Div') return { against: 'a constant divisor' };
  const additive = opOf(node) !== 'Mul';
  if (wide === 1) return where(additive ? slot('bias', 'bias') : slot('scale', 'norm'));
  return additive
    ? where(slot('offset', 'other'))
    : { against: 'a constant factor of several axes, as of a position encoding' };
}

/** A slot seen through the ops between it and the tensor: filter axes survive transposition, and nothing else. */
function through(found: Slot, path: readonly NodeProto[], tensor: TensorProto): Slot {
  const { kind, filterAxes, why } = found;
  const moves = path.filter((node) => !['Identity', 'Cast'].includes(opOf(node)));
  const transposed = moves.every((node) => opOf(node) === 'Transpose');
  // The gates of a recurrent layer may be cut out and stacked anew; the rows of a matrix are units all the same.
  const stacked = filterAxes?.length === 2 && tensor.dims.length === 2 ? [0] : undefined;
  const axes = transposed
    ? moves.reduceRight<readonly number[] | undefined>((axes, node) => {
        const perm = attributesOf(node).ints('perm') ?? range(tensor.dims.length).toReversed();
        return axes?.map((axis) => perm[axisFrom(axis, perm.length)]);
      }, filterAxes)
    : stacked;
  return { kind, why, ...(axes && { filterAxes: axes }) };
}
