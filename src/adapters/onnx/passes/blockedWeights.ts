/**
 * Gradients of convolutions with respect to their weights, in ONNX Runtime's blocked layout.
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import { identityNode } from '../ir/node.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { scan } from '../ir/scan.ts';
import { DType } from '../ir/tensor.ts';
import { weightCotangent } from '../ops/convolutionWeight.ts';
import { missedEnds } from '../ops/convolutionWindow.ts';
import { wholeWeightOf, type WholeWeight } from '../ops/wholeWeight.ts';
import { MOST_PADDING, upTo } from './blockedForms.ts';
import { blocked, convolveBlocks, inLayout, type Blocks } from './blockedLayout.ts';

/** Writes a gradient with respect to a weight that is still one node; false for any other node. */
export function writeWeight(blocks: Blocks, node: NodeProto): boolean {
  const gradient = wholeWeightOf(node);
  if (gradient === undefined) return false;
  const [filters] = sizesOf(blocks.g, gradient.w);
  if (upTo(filters, blocks.size) <= MOST_PADDING * filters) sumOfSamples(blocks, gradient, node.output[0]);
  else inStandardOps(blocks.g, gradient, node.output[0]);
  return true;
}

/** Writes a gradient in standard ops. */
export function inStandardOps(g: Builder, { x, d, w, convolution }: WholeWeight, output: Value): void {
  g.append(identityNode(weightCotangent(g, x, d, w, convolution), output));
}

/** Images of one sample, and how a convolution with its cotangent runs over them. */
interface Images {
  /** `[N, images, channels, height, width]`. */
  readonly sequence: Value;
  /** Channels side by side along the width. */
  readonly side: number;
  readonly images: number;
  readonly pads: readonly number[];
}

/**
 * Makes the gradient a Scan over the samples: each is convolved with its cotangent, whose filters are in blocks, and added to
 * the sum so far. No windows are copied. In one group, channels lie side by side along the width, where a step is as long as
 * their number; whole blocks of them lie so already.
 */
function sumOfSamples(blocks: Blocks, gradient: WholeWeight, output: Value): void {
  const { g, size } = blocks;
  const { d, w, convolution } = gradient;
  const { kernel, strides, dilations, group } = convolution;
  const [filters, inner] = sizesOf(g, w);
  const window = sizesOf(g, d).slice(2);
  const whole = upTo(filters, size);
  const { sequence, side, images, pads } =
    group === 1 ? sideBySide(blocks, gradient) : apart(blocks, gradient);
  const { states } = scan(
    g,
    {
      states: [g.filled(g.integers([images, whole, kernel[0], kernel[1] * side]), 0, DType.FLOAT)],
      sequences: [sequence, g.reshape(inLayout(blocks, d), [-1, whole, 1, ...window])],
      captured: [],
      backward: false,
    },
    (body, [sum], [image, cotangent]) => {
      const attributes = {
        kernel_shape: window,
        group: group === 1 ? 1 : whole,
        strides: dilations,
        dilations: [strides[0], strides[1] * side],
        pads,
      };
      return { states: [convolveBlocks(body, [image, cotangent, '', sum], attributes)], results: [] };
    },
  );
  const sums = blocked(g, 'ReorderOutput', states, { channels: filters });
  // [images, M, kH·kW, side] → [M, kH·kW, C] → [M, C, kH, kW]; one axis at a time is faster.
  const split = g.reshape(sums, [images, filters, kernel[0] * kernel[1], side]);
  const joined = images === 1 ? split : g.transpose(split, [1, 2, 0, 3]);
  const places = g.reshape(joined, [filters, kernel[0] * kernel[1], inner]);
  const first = inner === 1 ? places : g.transpose(places, [0, 2, 1]);
  g.naming(output).reshape(first, [filters, inner, ...kernel]);
}

/**
 * Padding at the beginnings and ends of x that its windows see; negative at the end of an axis that they leave out.
 */
function seenPads(g: Builder, { x, d, convolution }: WholeWeight): readonly number[] {
  const missed = missedEnds(g, x, d, convolution) ?? [0, 0];
  const [top, left, bottom, right] = convolution.pads;
  return [top, left, bottom - missed[0], right - missed[1]];
}

/**
 * Images of a convolution in one group, each of a block of channels, or of all. The columns of padding are written out, because
 * the kernel computes the places that reach into padding one by one; so is an end that is left out.
 */
function sideBySide(blocks: Blocks, gradient: WholeWeight): Images {
  const { g, size } = blocks;
  const { x } = gradient;
  const [, channels, height, width] = sizesOf(g, x);
  const isWhole = channels % size === 0;
  const side = isWhole ? size : channels;
  const images = channels / side;
  const rows = isWhole ? inLayout(blocks, x) : channels === 1 ? x : g.transpose(x, [0, 2, 3, 1]);
  const [top, left, bottom, right] = seenPads(g, gradient);
  const cut = Math.min(0, bottom);
  const ends = [left, right].map((pad) => pad * side);
  const flat = g.reshape(rows, [-1, height, width * side]);
  const padded = [cut, ...ends].every((pad) => pad === 0)
    ? flat
    : g.pad(flat, [0, 0, ends[0], 0, cut, ends[1]]);
  const shape = [-1, images, 1, height + cut, width * side + ends[0] + ends[1]];
  return { sequence: g.reshape(padded, shape), side, images, pads: [top, 0, bottom - cut, 0] };
}

/** The image of a convolution of one channel per group, in blocks. */
function apart(blocks: Blocks, gradient: WholeWeight): Images {
  const { g, size } = blocks;
  const [, channels, height, width] = sizesOf(g, gradient.x);
  const [top, left, bottom, right] = seenPads(g, gradient);
  const cut = Math.min(0, bottom);
  // One column of padding costs less than a copy of the images.
  const isWritten = left + right > 1 || right < 0;
  const ends = isWritten ? [left * size, right * size] : [0, 0];
  const flat = g.reshape(inLayout(blocks, gradient.x), [-1, height, width * size]);
  const padded = cut < 0 || isWritten ? g.pad(flat, [0, 0, ends[0], 0, cut, ends[1]]) : flat;
  const shape = [-1, 1, upTo(channels, size), height + cut, width + (isWritten ? left + right : 0)];
  const sides = isWritten ? [0, 0] : [left, right];
  const pads = [top, sides[0], bottom - cut, sides[1]];
  return { sequence: g.reshape(padded, shape), side: 1, images: 1, pads };
}

const sizesOf = (g: Builder, value: Value): number[] => (g.shapeOf(value) ?? []).map(Number);
