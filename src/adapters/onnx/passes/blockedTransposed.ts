/**
 * Transposed convolutions in ONNX Runtime's blocked layout.
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import { attributesOf, type Attributes } from '../ir/attributes.ts';
import type { Value } from '../ir/graph.ts';
import { DType } from '../ir/tensor.ts';
import { opOf } from '../ops/index.ts';
import { inferNode } from '../ops/infer.ts';
import { isPaddedToSize } from '../ops/transposedPads.ts';
import { formOf, MOST_PADDING, paddingOf, upTo } from './blockedForms.ts';
import {
  blocked,
  convolveBlocks,
  imageSizes,
  inLayout,
  outOfLayout,
  weightInLayout,
  weightShape,
  type Blocks,
} from './blockedLayout.ts';
import { joinPhases, phasesOf, type Transposed } from './blockedPhases.ts';
import { byRows, pairsRows } from './blockedRows.ts';

/**
 * Writes a ConvTranspose as the gradients of convolutions have them. Without strides, or of one channel per group: the
 * convolution of its input, with zeros put between, with the flipped weight. Otherwise in phases, see {@link phasesOf}.
 * Returns false if it is to stay as it is.
 */
export function convolveTransposed(blocks: Blocks, node: NodeProto): boolean {
  const { g, size } = blocks;
  if (opOf(node)?.product !== 'transposedConvolution' || node.input[2]) return false;
  const attributes = attributesOf(node);
  const [x, w] = node.input;
  const given = weightShape(g, w);
  if (given === undefined) return false;
  const [inner, outer, ...kernel] = given;
  const group = attributes.int('group', 1);
  const shape = group === 1 ? [outer, inner, ...kernel] : given;
  const form = formOf(shape, group, size, blocks.reordered.has(x));
  inferNode(g, node);
  const type = g.types.get(node.output[0]);
  const window = flippedWindow(attributes, kernel, imageSizes(g.shapeOf(x)), imageSizes(type?.shape));
  if (form === undefined || form === 'few channels' || window === undefined) return false;
  const { strides, lengths, pads, growth } = window;
  const isDense = strides.every((stride) => stride === 1);
  if (form === 'blocks' && !isDense) {
    const sizes = [g.shapeOf(x), type?.shape].map((all) => imageSizes(all) ?? []);
    return convolveInPhases(blocks, node, shape, { strides, image: sizes[0], outs: sizes[1] });
  }
  if (form === 'blocks' && growth * paddingOf(shape, size) > MOST_PADDING) return false;
  const both = (value: number) => g.integers([value, value]);
  const reversed = g.slices(w, both(-1), both(-(2 ** 31)), [2, 3], both(-1));
  const flipped = group === 1 ? g.transpose(reversed, [1, 0, 2, 3]) : reversed;
  if (type && isDense && form === 'blocks' && pairsRows(blocks, shape, type)) {
    byRows(blocks, { source: inLayout(blocks, x), weight: flipped, shape, form, pads }, node.output[0], type);
    return true;
  }
  const apart = isDense
    ? inLayout(blocks, x)
    : withZerosBetween(blocks, x, upTo(inner, size), lengths, strides);
  const convolved = convolveBlocks(g, [apart, weightInLayout(g, flipped, shape, form, size)], {
    kernel_shape: kernel,
    group: form === 'depthwise' ? upTo(inner, size) : 1,
    pads,
  });
  outOfLayout(blocks, convolved, shape[0], node.output[0], type);
  return true;
}

/** Writes a transposed convolution of a weight `[outer, inner, kH, kW]` in phases; false if it is to stay as it is. */
function convolveInPhases(
  blocks: Blocks,
  node: NodeProto,
  shape: readonly number[],
  sizes: Pick<Transposed, 'strides' | 'image' | 'outs'>,
): boolean {
  const { g, size, normalizes, phases } = blocks;
  const [x, w] = node.input;
  const [output] = node.output;
  if (paddingOf(shape, size) > MOST_PADDING) return false;
  const pads = attributesOf(node).ints('pads') ?? [0, 0];
  const weight = g.transpose(w, [1, 0, 2, 3]);
  const found = phasesOf(blocks, { ...sizes, x, weight, shape, begins: pads.slice(0, 2) });
  // Zeros of their own cost as much as the convolution, unless another term of the gradient fills them.
  if (found === undefined || (!normalizes && found.parts.flat().includes(undefined))) return false;
  outOfLayout(blocks, joinPhases(blocks, found), shape[0], output, g.types.get(output));
  phases.set(output, found);
  return true;
}

/**
 * Strides of a ConvTranspose, and for the convolution in its place: lengths of the image with zeros between, padding, and
 * the number of its places for each of the input. Undefined where sizes are open, padding would be negative, or the size of
 * the result is given in its place.
 */
function flippedWindow(
  attributes: Attributes,
  kernel: readonly number[],
  image: readonly number[] | undefined,
  outs: readonly number[] | undefined,
) {
  const isPlain = (attributes.ints('dilations') ?? [1]).every((dilation) => dilation === 1);
  const isGiven = !isPaddedToSize(attributes) && !attributes.has('auto_pad');
  if (image === undefined || outs === undefined || !isPlain || !isGiven) return undefined;
  const strides = attributes.ints('strides') ?? [1, 1];
  const lengths = image.map((length, i) => length * strides[i]);
  const begins = kernel.map((k, i) => k - 1 - (attributes.ints('pads')?.[i] ?? 0));
  const pads = [...begins, ...outs.map((out, i) => out - lengths[i] - begins[i] + kernel[i] - 1)];
  const growth = (outs[0] * outs[1]) / (image[0] * image[1]);
  const isEmpty = [...image, ...outs].some((size) => size < 1);
  return isEmpty || pads.some((pad) => pad < 0) ? undefined : { strides, lengths, pads, growth };
}

/** The layout of x with zeros between its places, up to those lengths. */
function withZerosBetween(
  blocks: Blocks,
  x: Value,
  channels: number,
  [height, width]: readonly number[],
  strides: readonly number[],
): Value {
  const { g, size } = blocks;
  const scales = [1, 1, ...strides];
  const repeated = blocked(g, 'Upsample', [inLayout(blocks, x)], { scales, mode: 'nearest' });
  const isOwn = (_: unknown, i: number) => {
    const place = Math.floor(i / size) % (height * width);
    return Math.floor(place / width) % strides[0] === 0 && (place % width) % strides[1] === 0 ? 1 : 0;
  };
  const own = Float32Array.from({ length: channels * height * width }, isOwn);
  return g.mul(repeated, g.constant(DType.FLOAT, [channels, height, width], own));
}
