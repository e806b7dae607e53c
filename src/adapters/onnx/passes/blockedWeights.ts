/**
 * Gradients of convolutions with respect to their weights, in ONNX Runtime's blocked layout.
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import { attributesOf } from '../ir/attributes.ts';
import { opKey } from '../ir/domain.ts';
import type { Value } from '../ir/graph.ts';
import { nodeOf } from '../ir/node.ts';
import { scan } from '../ir/scan.ts';
import { isStatic } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { inferNode } from '../ops/infer.ts';
import { ALIGNMENT, MOST_PADDING, upTo } from './blockedForms.ts';
import { blocked, inLayout, type Blocks } from './blockedLayout.ts';

/** The gradient of a convolution with respect to its weight, in the form `byLastChannels` of `ops/convolutionWeight.ts`. */
interface WeightGradient {
  /** Input of the convolution, `[N, C, H, W]`. */
  readonly x: Value;
  /** The same with channels along the last axis, `[1, N, H, W·C]`. */
  readonly rows: Value;
  /** Cotangent of the convolution's result, `[N, M, …]`. */
  readonly d: Value;
  readonly channels: number;
  readonly filters: number;
  /** Height and width of x. */
  readonly image: readonly number[];
  /** Height and width of d. */
  readonly window: readonly number[];
  /** Sizes of the last axes of the gradient, `[1, M, kH, kW·C]`. */
  readonly kernel: readonly number[];
}

/** Fewest places of a cotangent's image that the form is faster for: each sample adds a gradient of full size. */
const FEWEST = 25;

/**
 * Writes a convolution of images with their cotangents as a Scan over the samples: each is convolved with its cotangent, whose
 * filters are in blocks, and added to the sum so far. No windows are copied. Columns of padding are written out, because the
 * kernel computes the places that reach into padding one by one. Returns false if the node is to stay as it is.
 */
export function convolveWeight(blocks: Blocks, node: NodeProto): boolean {
  const { g, size } = blocks;
  const gradient = weightGradientOf(blocks, node);
  if (gradient === undefined) return false;
  const { x, rows, d, filters, channels, window, image, kernel } = gradient;
  const attributes = attributesOf(node);
  const [top, left, bottom, right] = attributes.ints('pads') ?? [0, 0, 0, 0];
  const [down, along] = attributes.ints('dilations') ?? [1, 1];
  // Blocks of channels are images of their own, whose channels lie along the last axis already.
  const known = channels % size === 0 ? blocks.reordered.get(x) : undefined;
  const parts = known === undefined ? 1 : channels / size;
  const perPart = channels / parts;
  const source = g.reshape(known ?? rows, [-1, image[0], image[1] * perPart]);
  const padded = left + right === 0 ? source : g.pad(source, [0, 0, left / parts, 0, 0, right / parts]);
  const whole = upTo(filters, size);
  const sizes = g.integers([parts, whole, kernel[0], kernel[1] / parts]);
  const { states } = scan(
    g,
    {
      states: [g.filled(sizes, 0, DType.FLOAT)],
      sequences: [
        g.reshape(padded, [-1, parts, 1, image[0], image[1] * perPart + (left + right) / parts]),
        g.reshape(inLayout(blocks, d), [-1, whole, 1, ...window]),
      ],
      captured: [],
      backward: false,
    },
    (body, [sum], [images, cotangent]) => {
      const steps = { strides: attributes.ints('strides'), dilations: [down, along / parts] };
      const pads = [top, 0, bottom, 0];
      const inputs = [images, cotangent, '', sum];
      return {
        states: [blocked(body, 'Conv', inputs, { kernel_shape: window, ...steps, pads })],
        results: [],
      };
    },
  );
  const output = parts === 1 ? node.output[0] : g.fresh('ReorderOutput');
  blocked(g, 'ReorderOutput', states, { channels: filters }, output);
  if (parts === 1) return true;
  const split = g.reshape(output, [parts, filters, (kernel[0] * kernel[1]) / channels, perPart]);
  const joined = g.transpose(split, [1, 2, 0, 3]);
  g.append(nodeOf('Reshape', [joined, g.integers([1, filters, ...kernel])], [node.output[0]]));
  return true;
}

function weightGradientOf({ g, size, makers }: Blocks, node: NodeProto): WeightGradient | undefined {
  if (opKey(node) !== 'Conv' || node.input[2]) return undefined;
  const [rows, exchanged] = node.input;
  const x = movedFrom(makers.get(makers.get(rows)?.input[0] ?? ''), '0,2,3,1');
  const d = movedFrom(makers.get(exchanged), '1,0,2,3');
  if (x === undefined || d === undefined || g.dtypeOf(x) !== DType.FLOAT) return undefined;
  inferNode(g, node);
  const [seen, found] = [g.shapeOf(x)?.slice(1), g.shapeOf(d)?.slice(1)];
  const [wide, kernel] = [g.shapeOf(rows)?.slice(2), g.shapeOf(node.output[0])?.slice(2)];
  if (!isStatic(seen) || !isStatic(found) || !isStatic(wide) || !isStatic(kernel)) return undefined;
  const [channels, ...image] = seen;
  const [filters, ...window] = found;
  if (window[0] * window[1] < FEWEST) return undefined;
  const isGradient = wide[0] === image[0] && wide[1] === image[1] * channels && kernel[1] % channels === 0;
  const isLong = filters % ALIGNMENT === 0 && upTo(filters, size) <= MOST_PADDING * filters;
  return isGradient && isLong ? { x, rows, d, channels, filters, image, window, kernel } : undefined;
}

/** The value whose axes a Transpose puts in this order. */
const movedFrom = (node: NodeProto | undefined, perm: string): Value | undefined =>
  node && opKey(node) === 'Transpose' && attributesOf(node).ints('perm')?.join() === perm
    ? node.input[0]
    : undefined;
