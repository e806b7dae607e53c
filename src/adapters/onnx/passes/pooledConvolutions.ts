/**
 * Convolutions of images before a max pooling, with the places of the pooling's window as channels.
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import { attributesOf } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { readBy, type Value } from '../ir/graph.ts';
import { nodeOf } from '../ir/node.ts';
import { isStatic, range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { windowOf } from '../ir/window.ts';
import { opOf } from '../ops/index.ts';
import { copiesOf } from '../ops/spread.ts';

/** Length and step of the pooling's window along both axes of an image. */
const SIZE = 2;
/** The places of the window, row by row: the first of equal maxima gets the gradient. */
const places = range(SIZE).flatMap((row) => range(SIZE).map((column) => [row, column] as const));
/** Shortest window of a convolution for which this is faster; the products grow by ((k + 1)/k)². */
const SHORTEST = 3;
/** Most channels and filters for which both the loss and its gradient are faster, or as fast. */
const MOST_CHANNELS = 4;
const MOST_FILTERS = 8;

/** A convolution, the activations after it, and their pooling. */
interface Chain {
  readonly conv: NodeProto;
  readonly activations: readonly NodeProto[];
  readonly pool: NodeProto;
}

/**
 * Writes MaxPool(activation(Conv(x))), with windows of 2 × 2 side by side, as activation(MaxPool(Conv′(x))), in place.
 *
 * Conv′ moves two elements at a time, and has the weight at each of the four places as filters of their own, within
 * zeros. So the elements of a window are channels, and whole images are compared, not single elements. The results are
 * the same: only zeros are added to the sums. See docs/decisions/convolution-gradients.md.
 *
 * @param wrt - values that gradients are taken by; a convolution whose input depends on them stays as it is
 * @param kept - values that are read outside the graph
 */
export function poolConvolutions(g: Builder, wrt: readonly Value[], kept: readonly Value[]): void {
  // In WebAssembly it is no faster: 0.95 to 1.2 times as long.
  if (g.platform !== 'cpu') return;
  const nodes = [...g.proto.node];
  if (!nodes.some(poolsPairs)) return;
  const chains = chainsIn(g, nodes, new Set(wrt), new Set(kept));
  if (chains.size === 0) return;
  const inner = new Set<NodeProto>();
  for (const { conv, activations } of chains.values())
    for (const node of [conv, ...activations]) inner.add(node);
  g.proto.node.length = 0;
  for (const node of nodes) {
    const chain = chains.get(node);
    if (chain) write(g, chain);
    else if (!inner.has(node)) g.proto.node.push(node);
  }
}

/** Returns the chains whose inner values nothing else reads, by their poolings. */
function chainsIn(
  g: Builder,
  nodes: readonly NodeProto[],
  wrt: ReadonlySet<Value>,
  kept: ReadonlySet<Value>,
): Map<NodeProto, Chain> {
  const makers = new Map(nodes.flatMap((node) => node.output.map((output) => [output, node] as const)));
  const dependent = new Set(wrt);
  const readers = new Map<Value, number>();
  for (const node of nodes) {
    const read = readBy(node);
    for (const name of read) readers.set(name, (readers.get(name) ?? 0) + 1);
    if (read.some((name) => dependent.has(name))) for (const output of node.output) dependent.add(output);
  }
  const makerOf = (value: Value) =>
    readers.get(value) === 1 && !kept.has(value) && !wrt.has(value) ? makers.get(value) : undefined;
  const chainOf = (pool: NodeProto): Chain | undefined => {
    const activations: NodeProto[] = [];
    let node = makerOf(pool.input[0]);
    // The largest of the results of an op that never falls is the result of the largest.
    while (node && opOf(node)?.rises) {
      activations.unshift(node);
      node = makerOf(node.input[0]);
    }
    const isFaster =
      node && takesImages(g, node) && dependent.has(node.input[1]) && !dependent.has(node.input[0]);
    return node && isFaster ? { conv: node, activations, pool } : undefined;
  };
  return new Map(
    nodes
      .filter(poolsPairs)
      .map(chainOf)
      .filter((chain) => chain !== undefined)
      .map((chain) => [chain.pool, chain]),
  );
}

/** True for a MaxPool whose windows of 2 × 2 lie side by side, and which does not return places. */
function poolsPairs(node: NodeProto): boolean {
  if (!opOf(node)?.takesLargest || node.output[1]) return false;
  const attributes = attributesOf(node);
  const both = `${SIZE},${SIZE}`;
  return (
    attributes.ints('kernel_shape')?.join() === both &&
    attributes.ints('strides')?.join() === both &&
    isAll(attributes.ints('dilations'), 1) &&
    isAll(attributes.ints('pads'), 0) &&
    attributes.int('ceil_mode', 0) === 0 &&
    ['NOTSET', 'VALID'].includes(attributes.string('auto_pad', 'NOTSET'))
  );
}

const isAll = (numbers: readonly number[] | undefined, value: number): boolean =>
  numbers === undefined || numbers.every((number) => number === value);

/** True for a convolution in float32 of images of known size, with few channels and filters. */
function takesImages(g: Builder, node: NodeProto): boolean {
  if (opOf(node)?.product !== 'convolution') return false;
  const attributes = attributesOf(node);
  const [x, w] = node.input;
  const [shape, image, result] = [w, x, node.output[0]].map((value) => g.shapeOf(value));
  if (g.dtypeOf(w) !== DType.FLOAT || !isStatic(shape)) return false;
  if (!isStatic(image?.slice(2)) || !isStatic(result?.slice(2))) return false;
  const [filters, channels, ...kernel] = shape;
  return (
    kernel.length === 2 &&
    kernel.every((length) => length >= SHORTEST) &&
    channels <= MOST_CHANNELS &&
    filters <= MOST_FILTERS &&
    attributes.int('group', 1) === 1 &&
    isAll(attributes.ints('strides'), 1) &&
    isAll(attributes.ints('dilations'), 1) &&
    result.slice(2).every((length) => Number(length) >= SIZE)
  );
}

function write(g: Builder, { conv, activations, pool }: Chain): void {
  const [x, w, bias] = conv.input;
  const [filters, , ...kernel] = (g.shapeOf(w) ?? []).map(Number);
  const moved = places.map(([row, column]) =>
    g.pad(w, [0, 0, row, column, 0, 0, SIZE - 1 - row, SIZE - 1 - column]),
  );
  const biases = bias ? copiesOf(g, bias, places.length) : undefined;
  const { pads } = windowOf(attributesOf(conv), g.shapeOf(x), kernel);
  const convolved = g.convolve(x, g.concat(moved, 0), { strides: [SIZE, SIZE], pads }, biases);
  const image = (g.shapeOf(pool.output[0]) ?? []).slice(2).map(Number);
  const rows = g.reshape(convolved, [0, 1, places.length, filters * image[0] * image[1]]);
  const window = [places.length, 1];
  const largest = g.largest(rows, { kernel_shape: window, strides: window });
  // The last node makes the value that the pooling made.
  const names = [...activations.map(({ opType }) => g.fresh(opType)), pool.output[0]];
  g.naming(names[0]).reshape(largest, [0, filters, ...image]);
  activations.forEach(({ opType }, i) => g.append(nodeOf(opType, [names[i]], [names[i + 1]])));
}
