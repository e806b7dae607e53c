/**
 * Values in ONNX Runtime's blocked layout, and the ways into it and out of it.
 *
 * @module
 */
import { attributesOf, type AttributeValues } from '../ir/attributes.ts';
import type { ConvolutionAttributes } from '../../opWriter/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { nodeOf } from '../ir/node.ts';
import { isStatic, type Shape, type TensorType } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import type { NodeProto } from 'onnx-buf';
import { upTo, type Form } from './blockedForms.ts';
import { opOf, opsWith } from '../ops/index.ts';

/** The domain of ONNX Runtime's ops on the blocked layout. */
export const domain = 'com.microsoft.nchwc';

/** A result in the layout, as its places that a stride is apart. */
export interface Phases {
  /** By the first row and column of each; undefined for zeros. */
  readonly parts: readonly (readonly (Value | undefined)[])[];
  /** Channels of whole blocks. */
  readonly channels: number;
  /** Sizes of the image of each. */
  readonly image: readonly number[];
}

/** A graph that is written in blocks. */
export interface Blocks {
  readonly g: Builder;
  /** Channels of a block. */
  readonly size: number;
  /** Relu nodes, by their inputs that nothing else reads. */
  readonly onlyRelu: ReadonlyMap<Value, NodeProto>;
  /** Values in the blocked layout, by the value in the standard one. */
  readonly reordered: Map<Value, Value>;
  /** Values of other types than float32 in the layout, which have no way out of it: in the standard one, they are computed too. */
  readonly masks: Map<Value, Value>;
  /** Values with channels along the last axis, by the same in the standard layout. */
  readonly channelsLast: Map<Value, Value>;
  /** True if images are normalized by their batch: the ops between convolutions then run in the layout, too. */
  readonly normalizes: boolean;
  /** Results of x·scale + bias with one number a channel, where x is in the layout. */
  readonly scaled: Map<
    Value,
    { readonly x: Value; readonly scale: Value; readonly bias?: Value | undefined }
  >;
  /** Results of transposed convolutions with strides. */
  readonly phases: Map<Value, Phases>;
  /** Relu nodes that another op has taken in. */
  readonly taken: Set<NodeProto>;
}

/** Appends an op on the blocked layout. */
export function blocked(
  g: Builder,
  op: string,
  inputs: readonly Value[],
  attributes: AttributeValues,
  output = g.fresh(op),
): Value {
  g.append(Object.assign(nodeOf(op, inputs, [output], attributes), { domain }));
  return output;
}

/** The convolution, which has the same name in the layout. */
export const [CONVOLUTION] = opsWith(({ product }) => product === 'convolution');

/** Appends a convolution of a value in the layout. */
export const convolveBlocks = (
  g: Builder,
  inputs: readonly Value[],
  attributes: ConvolutionAttributes & { readonly activation?: string | undefined },
): Value => blocked(g, CONVOLUTION, inputs, attributes);

/** Returns a value in the layout. */
export function inLayout(blocks: Blocks, x: Value): Value {
  const { g, reordered } = blocks;
  const known = reordered.get(x) ?? fromChannelsLast(blocks, x) ?? blocked(g, 'ReorderInput', [x], {});
  reordered.set(x, known);
  return known;
}

/** The value that a Transpose moves the channels of back from the last axis. */
export const movesChannelsBack = (node: NodeProto): Value | undefined =>
  opOf(node)?.permutesAxes && attributesOf(node).ints('perm')?.join() === '0,3,1,2'
    ? node.input[0]
    : undefined;

/** The layout of a value that is made of one with channels along the last axis: halfway there. */
function fromChannelsLast({ g, size, channelsLast }: Blocks, x: Value): Value | undefined {
  const source = channelsLast.get(x);
  const [, channels, ...image] = g.shapeOf(x) ?? [];
  if (source === undefined || typeof channels !== 'number' || channels % size !== 0 || !isStatic(image))
    return undefined;
  const [height, width] = image;
  const split = g.reshape(source, [-1, height * width, channels / size, size]);
  const moved = channels === size ? split : g.transpose(split, [0, 2, 1, 3]);
  return g.reshape(moved, [-1, channels, height, width]);
}

/** Makes `output` of a value in the layout. */
export function outOfLayout(
  { g, reordered }: Blocks,
  y: Value,
  channels: number,
  output: Value,
  type: TensorType | undefined,
): void {
  blocked(g, 'ReorderOutput', [y], { channels }, output);
  reordered.set(output, y);
  if (type) g.types.set(output, type);
}

/** A weight `[M, C/group, kH, kW]`, padded to whole blocks and in the order of the kernels. */
export function weightInLayout(
  g: Builder,
  w: Value,
  shape: readonly number[],
  form: Form,
  size: number,
): Value {
  const [outer, inner, ...kernel] = shape;
  const filters = upTo(outer, size);
  const channels = form === 'blocks' ? upTo(inner, size) : inner;
  const missing = [filters - outer, channels - inner];
  const whole = missing.some((length) => length > 0) ? g.pad(w, [0, 0, 0, 0, ...missing, 0, 0]) : w;
  const block = form === 'blocks' ? size : 1;
  // [M/B, B, C/b, b, kH, kW] → [M/B, C/b, kH, kW, b, B]
  const split = g.reshape(whole, [filters / size, size, channels / block, block, ...kernel]);
  return g.reshape(g.transpose(split, [0, 2, 4, 5, 3, 1]), [filters, channels, ...kernel]);
}

/** The sizes of a float32 weight of images, if they are known. */
export function weightShape(g: Builder, w: Value): readonly number[] | undefined {
  const shape = g.shapeOf(w);
  return g.dtypeOf(w) === DType.FLOAT && isStatic(shape) && shape.length === 4 ? shape : undefined;
}

/** Height and width, if they are known. */
export function imageSizes(shape: Shape | undefined): readonly number[] | undefined {
  const sizes = shape?.slice(2);
  return isStatic(sizes) ? sizes : undefined;
}
