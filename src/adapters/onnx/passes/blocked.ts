/**
 * Convolutions in ONNX Runtime's blocked layout.
 *
 * ONNX Runtime keeps convolutions of constant weights in a layout in which blocks of 8 or 16 channels lie side by side
 * for each place, `[N, C/B, H, W, B]`: no windows are copied, and a register holds a block. It leaves out weights that
 * are fed. Here the ops of its domain `com.microsoft.nchwc` are written explicitly, which takes any weight.
 *
 * @module
 */
import { create } from '@bufbuild/protobuf';
import { OperatorSetIdProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import { attributesOf, type Attributes } from '../ir/attributes.ts';
import { Builder } from '../ir/builder.ts';
import { readBy, type Value } from '../ir/graph.ts';
import { decodeModel, encodeModel } from '../ir/model.ts';
import { nodeOf } from '../ir/node.ts';
import { isStatic, type Shape } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { opOf } from '../ops/index.ts';
import { inferNode, opKnowledge } from '../ops/infer.ts';
import { windowOf } from '../ir/window.ts';
import { byRows, pairsRows } from './blockedRows.ts';
import { writeOnImages } from './blockedImages.ts';
import { convolveTransposed } from './blockedTransposed.ts';
import { writeWeight } from './blockedWeights.ts';
import { prune } from './prune.ts';
import { formOf, upTo } from './blockedForms.ts';
import {
  convolveBlocks,
  domain,
  inLayout,
  movesChannelsBack,
  outOfLayout,
  weightInLayout,
  weightShape,
  type Blocks,
} from './blockedLayout.ts';

/**
 * Writes the float32 convolutions of images that are faster in blocks in that layout: windows of several elements in one
 * group, or one channel per group.
 *
 * @param bytes - an .onnx file
 * @param size - channels of a block on this machine; 0 if it has no blocks, to write out only the nodes of `wholeWeight`
 */
export function inBlocks(bytes: Uint8Array, size: number): Uint8Array {
  const model = decodeModel(bytes);
  const { graph } = model;
  const nodes = graph.node;
  graph.node = [];
  const g = new Builder(graph, opKnowledge, DType.FLOAT, nodes, 'blocks/');
  const onlyRelu = soleRelus(nodes, new Set(graph.output.map(({ name }) => name)));
  const blocks: Blocks = {
    g,
    size,
    onlyRelu,
    reordered: new Map(),
    masks: new Map(),
    channelsLast: new Map(),
    normalizes: nodes.some((node) => opOf(node)?.statistics !== undefined),
    scaled: new Map(),
    phases: new Map(),
    taken: new Set(),
  };
  for (const node of nodes) {
    const isWritten =
      writeWeight(blocks, node) ||
      (size > 0 &&
        (blocks.taken.has(node) ||
          convolve(blocks, node) ||
          convolveTransposed(blocks, node) ||
          pool(blocks, node) ||
          writeOnImages(blocks, node) ||
          moveChannelsLast(blocks, node)));
    if (!isWritten) g.append(node);
    const source = movesChannelsBack(node);
    if (source !== undefined) blocks.channelsLast.set(node.output[0], source);
  }
  if (graph.node.every((node, i) => node === nodes[i])) return bytes;
  prune(graph);
  if (size > 0) model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain, version: 1n }));
  return encodeModel(model);
}

function soleRelus(nodes: readonly NodeProto[], results: ReadonlySet<Value>): Map<Value, NodeProto> {
  const readers = new Map<Value, Set<NodeProto>>();
  for (const node of nodes) {
    for (const name of readBy(node)) readers.set(name, (readers.get(name) ?? new Set()).add(node));
  }
  return new Map(
    Array.from(readers).flatMap(([name, [first, ...others]]) =>
      opOf(first)?.rectifies && others.length === 0 && !results.has(name) ? [[name, first] as const] : [],
    ),
  );
}

/** Writes a Conv, with the Relu that reads it if nothing else does; false if it is to stay as it is. */
function convolve(blocks: Blocks, node: NodeProto): boolean {
  const { g, size } = blocks;
  if (opOf(node)?.product !== 'convolution') return false;
  const attributes = attributesOf(node);
  const [x, w, bias] = node.input;
  const shape = weightShape(g, w);
  const form = shape && formOf(shape, attributes.int('group', 1), size, blocks.reordered.has(x));
  if (shape === undefined || form === undefined || !alwaysFits(attributes, shape, g.shapeOf(x))) return false;
  inferNode(g, node);
  const relu = blocks.onlyRelu.get(node.output[0]);
  if (relu) blocks.taken.add(relu);
  const output = relu?.output[0] ?? node.output[0];
  const [filters, , ...kernel] = shape;
  const type = g.types.get(node.output[0]);
  const source = form === 'few channels' ? x : inLayout(blocks, x);
  if (type && isPlain(attributes) && form !== 'depthwise' && pairsRows(blocks, shape, type)) {
    const { pads } = windowOf(attributes, g.shapeOf(x), kernel);
    byRows(blocks, { source, weight: w, shape, form, pads, bias, activation: relu?.opType }, output, type);
    return true;
  }
  const convolved = convolveBlocks(
    g,
    [
      source,
      weightInLayout(g, w, shape, form, size),
      ...(bias ? [g.pad(bias, [0, upTo(filters, size) - filters])] : []),
    ],
    {
      kernel_shape: kernel,
      group: form === 'depthwise' ? upTo(filters, size) : 1,
      auto_pad: attributes.has('auto_pad') ? attributes.string('auto_pad', 'NOTSET') : undefined,
      strides: attributes.ints('strides'),
      dilations: attributes.ints('dilations'),
      pads: attributes.ints('pads'),
      activation: relu?.opType,
    },
  );
  outOfLayout(blocks, convolved, filters, output, type);
  return true;
}

/** True if the window moves by one place, and its elements lie side by side. */
const isPlain = (attributes: Attributes): boolean =>
  ['strides', 'dilations'].every((name) => (attributes.ints(name) ?? []).every((step) => step === 1));

/**
 * True if no image that may be fed is smaller than the window: the kernel of the blocked layout ends the process there,
 * where the standard one refuses to run.
 */
function alwaysFits(
  attributes: Attributes,
  [, , ...kernel]: readonly number[],
  x: Shape | undefined,
): boolean {
  const image = x?.slice(2) ?? kernel.map(() => '');
  const pads = attributes.ints('pads') ?? kernel.map(() => 0);
  const dilations = attributes.ints('dilations');
  const isSame = attributes.string('auto_pad', 'NOTSET').startsWith('SAME');
  return kernel.every((length, i) => {
    const reach = (length - 1) * (dilations?.[i] ?? 1);
    const size = image[i];
    const added = isSame ? reach : (pads[i] ?? 0) + (pads[i + kernel.length] ?? 0);
    return (typeof size === 'number' ? size : 1) + added > reach;
  });
}

/** Writes a MaxPool of a value in blocks, without its indices; false if it is to stay as it is. */
function pool(blocks: Blocks, node: NodeProto): boolean {
  const { g, reordered } = blocks;
  const [x] = node.input;
  const known = opOf(node)?.takesLargest && !node.output[1] ? reordered.get(x) : undefined;
  const attributes = attributesOf(node);
  const kernel = attributes.ints('kernel_shape');
  const channels = g.shapeOf(x)?.[1];
  if (known === undefined || kernel?.length !== 2 || typeof channels !== 'number') return false;
  if (!alwaysFits(attributes, [channels, channels, ...kernel], g.shapeOf(x))) return false;
  inferNode(g, node);
  const pooled = g.fresh(node.opType);
  g.append(Object.assign(nodeOf(node.opType, [known], [pooled]), { domain, attribute: node.attribute }));
  outOfLayout(blocks, pooled, channels, node.output[0], g.types.get(node.output[0]));
  return true;
}

/**
 * Writes a Transpose that moves channels to the last axis, as the gradient with respect to a weight has it, of a value whose
 * blocks the convolution has made: they are halfway there. Returns false if it is to stay as it is.
 */
function moveChannelsLast(blocks: Blocks, node: NodeProto): boolean {
  const { g, size } = blocks;
  const perm = opOf(node)?.permutesAxes ? attributesOf(node).ints('perm') : undefined;
  const [x] = node.input;
  const known = blocks.reordered.get(x);
  const [, channels, ...image] = g.shapeOf(x) ?? [];
  if (known === undefined || perm?.join() !== '0,2,3,1' || !isStatic(image)) return false;
  if (typeof channels !== 'number' || channels % size !== 0) return false;
  inferNode(g, node);
  const [output] = node.output;
  const type = g.types.get(output);
  const [height, width] = image;
  const split = g.reshape(known, [-1, channels / size, height * width, size]);
  const moved = channels === size ? split : g.transpose(split, [0, 2, 1, 3]);
  g.naming(output).reshape(moved, [-1, height, width, channels]);
  if (type) g.types.set(output, type);
  return true;
}
