/**
 * Places where a parameter enters a model such that its derivatives have factors: dense layers, convolutions, biases and lookups.
 *
 * @module
 */
import { sizeOf } from '../../../core/layout.ts';
import type { NodeProto } from 'onnx-buf';
import { attributesOf } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { capturedBy, readBy, type Value } from '../ir/graph.ts';
import { isIdentity } from '../ir/node.ts';
import type { Samples } from '../ir/samples.ts';
import { axisFrom, isStatic } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { convolutionInputs } from '../ops/columns.ts';
import { opOf } from '../ops/index.ts';

/** A place where a parameter enters: a result, and the value that the parameter multiplies or is looked up by. */
export interface Place {
  /** Result, `[samples·…, width]`, or `[samples, width, …]` of a convolution. */
  readonly result: Value;
  /** Operand of a product, `[samples·…, depth]`, or indices `[samples, …]` of a lookup; null for a bias. */
  readonly operand: Value | null;
  /** Number of columns of the operand and of the result; a lookup has 1 column of indices, a bias none. */
  readonly depth: number;
  readonly width: number;
  /** The node, if it is a convolution. */
  readonly convolution: NodeProto | null;
  /** True if the operand belongs to the second axis of the parameter, the result to its first. */
  readonly isFlipped: boolean;
  /** Number of rows of the result per sample. */
  readonly positions: number;
}

/** All places of a parameter, which are of one kind. */
export interface Use {
  readonly parameter: Value;
  readonly kind: 'product' | 'lookup' | 'bias';
  readonly places: readonly Place[];
}

/** The graph of the residuals, and where its values hold the samples. */
export interface Sampled {
  readonly g: Builder;
  readonly nodes: readonly NodeProto[];
  readonly count: number;
  readonly samples: ReadonlyMap<Value, Samples>;
}

type Found = Place & { readonly kind: Use['kind'] };

/** Returns the places of a parameter, or null if it enters in other ways, too. */
export function useOf(sampled: Sampled, parameter: Value): Use | null {
  const found = placesOf(sampled, parameter, false);
  if (found === null || found.length === 0) return null;
  const [{ kind }] = found;
  return found.every((place) => place.kind === kind) ? { parameter, kind, places: found } : null;
}

function placesOf(sampled: Sampled, value: Value, isFlipped: boolean): Found[] | null {
  const found: Found[] = [];
  for (const node of sampled.nodes) {
    if (capturedBy(node).includes(value)) return null;
    const slots = node.input.flatMap((name, i) => (name === value ? [i] : []));
    if (slots.length === 0) continue;
    const here = slots.length === 1 ? placesAt(sampled, node, slots[0], isFlipped) : null;
    if (here === null) return null;
    found.push(...here);
  }
  return found;
}

/** Returns the places of a value at one node; those of its transpose are found at the nodes that follow. */
function placesAt(sampled: Sampled, node: NodeProto, slot: number, isFlipped: boolean): Found[] | null {
  const { input, output } = node;
  const rank = sampled.g.shapeOf(input[slot])?.length;
  if (isIdentity(node)) return placesOf(sampled, output[0], isFlipped);
  if (opOf(node)?.permutesAxes && rank === 2) return placesOf(sampled, output[0], !isFlipped);
  const place = placeAt(sampled, node, slot, isFlipped);
  return place && [place];
}

function placeAt(sampled: Sampled, node: NodeProto, slot: number, isFlipped: boolean): Found | null {
  const { g } = sampled;
  const { input } = node;
  const [parameter, result] = [input[slot], node.output[0]];
  const attributes = attributesOf(node);
  const { int, float } = attributes;
  const isMatrix = g.shapeOf(parameter)?.length === 2;
  const make = (kind: Use['kind'], operand: Value | null, flipped = isFlipped): Found | null => {
    const positions = rowsPerSample(sampled, result, 1);
    const own = operand === null ? positions : rowsPerSample(sampled, operand, kind === 'lookup' ? 0 : 1);
    if (positions === null || own !== positions) return null;
    const depth = operand === null ? 0 : kind === 'lookup' ? 1 : lastSize(g, operand);
    const width = lastSize(g, result);
    return { kind, result, operand, depth, width, convolution: null, isFlipped: flipped, positions };
  };
  const { product, isTransposed, operand, looksUp } = opOf(node) ?? {};
  if (product === 'convolution') return isFlipped ? null : ofConvolution(sampled, node, slot);
  if (product === 'matrices') return slot === 1 && isMatrix ? make('product', input[0]) : null;
  if (product === 'affine' && slot > 0) {
    const flips = isTransposed?.(attributes);
    const isPlain = flips !== undefined && float('alpha', 1) === 1 && float('beta', 1) === 1;
    if (!isPlain) return null;
    if (slot === 1) return make('product', input[0], isFlipped !== flips);
  }
  if (product === 'affine' ? slot === 2 : operand === 'added')
    return isRow(g, parameter, result) ? make('bias', null) : null;
  const looksUpRow = looksUp && slot === 0 && isMatrix && !isFlipped && axisFrom(int('axis', 0), 2) === 0;
  return looksUpRow ? make('lookup', input[1]) : null;
}

const lastSize = (g: Builder, value: Value): number => Number(g.shapeOf(value)?.at(-1) ?? 0);

/** Returns a convolution as a dense layer on each place of its window. */
function ofConvolution(sampled: Sampled, node: NodeProto, slot: number): Found | null {
  const { g, count } = sampled;
  const [result] = node.output;
  const [shape, weight] = [g.shapeOf(result), g.shapeOf(node.input[1])];
  if (slot === 0 || attributesOf(node).int('group', 1) !== 1 || sampled.samples.get(result)?.axis !== 0)
    return null;
  if (!isStatic(shape) || !isStatic(weight) || shape[0] !== count) return null;
  const positions = sizeOf(shape.slice(2));
  const place = { result, width: shape[1], convolution: node, positions };
  if (slot === 2) return { ...place, kind: 'bias', operand: null, depth: 0, isFlipped: false };
  return {
    ...place,
    kind: 'product',
    operand: node.input[0],
    depth: sizeOf(weight.slice(1)),
    isFlipped: true,
  };
}

/** Adds the operand of a place as rows, `[samples, positions, depth]`; indices as numbers. */
export function operandRows({ g, count }: Sampled, { operand, convolution, positions, depth }: Place): Value {
  if (operand === null) throw new TypeError('a bias has no operand.');
  if (convolution !== null) return convolutionInputs(g, convolution, attributesOf(convolution));
  const numbers = g.isFloat(operand) ? operand : g.cast(operand, DType.DOUBLE);
  return g.reshape(numbers, [count, positions, depth]);
}

/** Adds the derivatives with respect to the result of a place as rows, `[samples, positions, width]`. */
export function deltaRows(
  { g, count }: Sampled,
  { convolution, positions, width }: Place,
  delta: Value,
): Value {
  if (convolution === null) return g.reshape(delta, [count, positions, width]);
  return g.swap(g.reshape(delta, [count, width, positions]));
}

/**
 * Returns the number of rows that a value has for each sample; null if its samples do not follow each other.
 *
 * @param axes - number of axes that make up a row
 */
function rowsPerSample({ g, count, samples }: Sampled, value: Value, axes: number): number | null {
  const shape = g.shapeOf(value);
  if (samples.get(value)?.axis !== 0 || !isStatic(shape) || shape.length <= axes - 1) return null;
  const rows = sizeOf(shape.slice(0, shape.length - axes)) / count;
  return Number.isInteger(rows) ? rows : null;
}

/** True for a parameter that is added to each row of a result. */
function isRow(g: Builder, parameter: Value, result: Value): boolean {
  const [shape, whole] = [g.shapeOf(parameter), g.shapeOf(result)];
  if (!isStatic(shape) || !isStatic(whole)) return false;
  const leading = shape.slice(0, -1);
  return shape.length >= 1 && shape.at(-1) === whole.at(-1) && leading.every((size) => size === 1);
}

/**
 * Returns the value whose derivatives equal those of the result of a product: the result itself, or the sum with a bias
 * that follows.
 */
export function withBias({ g, nodes }: Pick<Sampled, 'g' | 'nodes'>, result: Value): Value {
  const users = nodes.filter((node) => readBy(node).includes(result));
  if (users.length !== 1 || opOf(users[0])?.operand !== 'added') return result;
  const other = users[0].input.find((name) => name !== result);
  const [shape, whole] = [g.shapeOf(result), g.shapeOf(users[0].output[0])];
  const isSame = shape !== undefined && whole !== undefined && shape.join() === whole.join();
  return isSame && other !== undefined && isRow(g, other, result) ? users[0].output[0] : result;
}
