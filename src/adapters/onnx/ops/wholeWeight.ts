/**
 * The gradient of a convolution with respect to its weight as a single node, for graphs that are written out when they are
 * opened: the fastest form depends on the session.
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import { sizeOf } from '../../../core/layout.ts';
import { attributesOf } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { nodeOf } from '../ir/node.ts';
import { isStatic } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { spatialSizes, type Convolution } from './convolutionWindow.ts';

/** A gradient with respect to a weight, all of whose sizes but the number of samples are known. */
export interface WholeWeight {
  /** Input of the convolution, `[N, C, H, W]`. */
  readonly x: Value;
  /** Cotangent of its result, `[N, M, …]`. */
  readonly d: Value;
  /** The weight, `[M, C/group, kH, kW]`. */
  readonly w: Value;
  readonly convolution: Convolution & { readonly kernel: readonly number[] };
}

const whole = { domain: 'quasi-newton', opType: 'ConvolutionWeightGradient' };

/** Fewest places of d that summing samples one by one is faster for: each adds a gradient of full size. */
const FEWEST = 25;

/** ONNX Runtime moves channels to its blocked layout in multiples of this. */
export const ALIGNMENT = 4;

/** Appends the node; undefined where the other forms are faster, or sizes are unknown. */
export function wholeWeight(
  g: Builder,
  x: Value,
  d: Value,
  w: Value,
  { kernel, strides, dilations, pads, group }: Convolution,
): Value | undefined {
  const [image, outs, shape] = [g.shapeOf(x)?.slice(1), spatialSizes(g, d), g.shapeOf(w)];
  if (g.dtypeOf(x) !== DType.FLOAT || kernel.length !== 2 || !isStatic(kernel)) return undefined;
  if (!isStatic(image) || !isStatic(outs) || !isStatic(shape) || sizeOf(outs) < FEWEST) return undefined;
  const [filters, inner] = shape;
  const isDepthwise = inner === 1 && filters === group;
  // With strides, windows of one element see few places: a slice leaves the others out.
  const skips = kernel.every((length) => length === 1) && strides.some((stride) => stride > 1);
  // In one group, channels lie along the last axis, where steps of the window would skip some.
  const isPlain = group === 1 && dilations[1] === 1 && !skips;
  if (filters % ALIGNMENT !== 0 || !(isPlain || isDepthwise)) return undefined;
  const output = g.fresh('weight');
  const attributes = { kernel_shape: kernel, strides, dilations, pads, group };
  g.append(Object.assign(nodeOf(whole.opType, [x, d, w], [output], attributes), { domain: whole.domain }));
  g.types.set(output, { dtype: DType.FLOAT, shape });
  return output;
}

/** Reads a node of {@link wholeWeight}; undefined for any other. */
export function wholeWeightOf(node: NodeProto): WholeWeight | undefined {
  if (node.opType !== whole.opType || node.domain !== whole.domain) return undefined;
  const [x, d, w] = node.input;
  const attributes = attributesOf(node);
  const ints = (name: string) => attributes.ints(name) ?? [];
  const convolution = {
    kernel: ints('kernel_shape'),
    strides: ints('strides'),
    dilations: ints('dilations'),
    pads: ints('pads'),
    group: attributes.int('group', 1),
  };
  return { x, d, w, convolution };
}
