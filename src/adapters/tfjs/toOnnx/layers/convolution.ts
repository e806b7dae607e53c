/** Convolutions, forward and transposed, depthwise and separable. */
import { activated } from '../graph/activations.ts';
import {
  numbers,
  outputShape,
  plainWeight,
  refuseLayer,
  result,
  transposedWeight,
  weightOf,
  type LayerCall,
  type LayerTable,
} from '../graph/layer.ts';
import type { OpWindow } from '../../../opWriter/attributes.ts';
import type { Value } from '../graph/graph.ts';

/** Checks the layout of a layer. @throws Error if it expects channels first */
export function checkChannelsLast({ layer, config }: LayerCall): void {
  if (config.dataFormat === 'channelsFirst') throw refuseLayer(layer, "its dataFormat is 'channelsFirst'.");
}

/** A window that moves over its input. */
export interface Window {
  readonly size: readonly number[];
  readonly strides: readonly number[];
  /** Dilation along each axis. @defaultValue 1 */
  readonly dilations?: readonly number[];
  readonly padding: unknown;
}

/** Returns the ONNX attributes of a window, with padding as in TensorFlow: the larger half at the end. */
export function windowAttributes(call: LayerCall, { size, strides, dilations, padding }: Window): OpWindow {
  if (padding !== 'same' && padding !== 'valid') {
    throw refuseLayer(call.layer, `its padding is ${String(padding)}; same and valid are written.`);
  }
  const common = { strides: [...strides], ...(dilations && { dilations: [...dilations] }) };
  if (padding === 'valid') return { ...common, auto_pad: 'VALID' };
  if (!dilations?.some((dilation) => dilation > 1)) {
    const isNarrow = size.some((count, i) => count < strides[i]);
    return {
      ...common,
      ...(isNarrow ? { pads: narrowPads(call, size, strides) } : { auto_pad: 'SAME_UPPER' }),
    };
  }
  // ONNX Runtime does not compute the padding of dilated windows.
  if (strides.some((stride) => stride > 1)) {
    throw refuseLayer(call.layer, "its padding is 'same', and it has strides and dilations.");
  }
  const excess = size.map((count, i) => (count - 1) * dilations[i]);
  return { ...common, pads: bothEnds(excess) };
}

/**
 * Computes 'same' padding of windows smaller than their stride, from the sizes of the input. SAME_UPPER would
 * be negative if windows leave gaps between them, which ONNX Runtime refuses for pooling.
 */
function narrowPads(call: LayerCall, size: readonly number[], strides: readonly number[]): number[] {
  const sizes = call.inputs[0].shape.slice(1, -1);
  const totals = size.map((count, i) => {
    const length = sizes[i];
    const total = length === null ? null : (Math.ceil(length / strides[i]) - 1) * strides[i] + count - length;
    if (size.length === 3 && count < strides[i] && (total === null || total < 0)) {
      throw refuseLayer(call.layer, "its padding is 'same', and TensorFlow.js shifts 3-D windows smaller than their stride; use strides of at most the window, or 'valid'."); // prettier-ignore
    }
    if (count === 1) return 0;
    if (total === null) {
      throw refuseLayer(call.layer, "its padding is 'same', its window is smaller than its stride, and the size of its input is not known."); // prettier-ignore
    }
    return Math.max(total, 0);
  });
  return bothEnds(totals);
}

/** Splits padding between both ends of each axis, with the larger half at the end. */
const bothEnds = (totals: readonly number[]): number[] => [
  ...totals.map((total) => Math.floor(total / 2)),
  ...totals.map((total) => Math.ceil(total / 2)),
];

/** Adds bias and activation to the result of a convolution. */
function finished(call: LayerCall, name: string): Value {
  const { activation } = call.layer as unknown as { activation: unknown };
  return activated(call.graph, call.layer, result(name, outputShape(call), true), activation);
}

/** Returns the writer of a convolution with `rank` spatial axes. */
function convolution(rank: number) {
  return (call: LayerCall): Value => {
    checkChannelsLast(call);
    const { graph, config } = call;
    const x = graph.withChannels('first', call.inputs[0]);
    const axes = Array.from({ length: rank }, (_, i) => i);
    const kernel = transposedWeight(call, 'kernel', [rank + 1, rank, ...axes]);
    const dilations = numbers(config.dilationRate ?? 1, rank);
    const strides = numbers(config.strides, rank);
    const size = numbers(config.kernelSize, rank);
    const window = windowAttributes(call, { size, strides, dilations, padding: config.padding });
    return finished(call, graph.convolve(x.name, kernel, window, biasOf(call)));
  };
}

const biasOf = (call: LayerCall): string | undefined => plainWeight(call, 'bias') ?? undefined;

/** Returns the writer of a transposed convolution with `rank` spatial axes. */
function transposedConvolution(rank: number) {
  return (call: LayerCall): Value => {
    checkChannelsLast(call);
    const { graph, config, layer } = call;
    const x = graph.withChannels('first', call.inputs[0]);
    const axes = Array.from({ length: rank }, (_, i) => i);
    // [..., out, in] becomes [in, out, ...].
    const kernel = transposedWeight(call, 'kernel', [rank + 1, rank, ...axes]);
    const strides = numbers(config.strides, rank);
    const sizes = numbers(config.kernelSize, rank);
    if (config.padding !== 'same' && config.padding !== 'valid') {
      throw refuseLayer(layer, `its padding is ${String(config.padding)}; same and valid are written.`);
    }
    const excess = sizes.map((size, i) => Math.max(size - strides[i], 0));
    const cut = config.padding === 'same' ? excess : excess.map(() => 0);
    const pads = bothEnds(cut);
    const attributes = {
      strides,
      pads,
      output_padding: sizes.map((size, i) => Math.max(strides[i] - size, 0)),
    };
    return finished(call, graph.convolveTransposed(x.name, kernel, attributes, biasOf(call)));
  };
}

/** Convolves each channel separately; the result is `[batch, channels · multiplier, …]`. */
function depthwise(call: LayerCall): string {
  checkChannelsLast(call);
  const { graph, config, layer } = call;
  const x = graph.withChannels('first', call.inputs[0]);
  const weight = weightOf(layer, 'depthwise_kernel')!;
  const [height, width, channels, multiplier] = weight.shape;
  // [h, w, in, multiplier] becomes [in · multiplier, 1, h, w].
  const kernelShape = [channels * multiplier, 1, height, width];
  const kernel = transposedWeight(call, 'depthwise_kernel', [2, 3, 0, 1], kernelShape);
  const dilations = numbers(config.dilationRate ?? 1, 2);
  const strides = numbers(config.strides, 2);
  const window = windowAttributes(call, {
    size: [height, width],
    strides,
    dilations,
    padding: config.padding,
  });
  const isSeparable = layer.getClassName() !== 'DepthwiseConv2D';
  const bias = isSeparable ? undefined : biasOf(call);
  return graph.convolve(x.name, kernel, { ...window, group: channels }, bias);
}

export const convolutionLayers: LayerTable = {
  Conv1D: convolution(1),
  Conv2D: convolution(2),
  Conv3D: convolution(3),
  Conv2DTranspose: transposedConvolution(2),
  Conv3DTranspose: transposedConvolution(3),
  DepthwiseConv2D(call) {
    if (numbers(call.config.dilationRate ?? 1, 2).some((rate) => rate !== 1)) {
      throw refuseLayer(call.layer, 'it has a dilationRate, which TensorFlow.js does not apply when it predicts; set it to 1, or use a SeparableConv2D.'); // prettier-ignore
    }
    return finished(call, depthwise(call));
  },
  SeparableConv2D(call) {
    const pointwise = transposedWeight(call, 'pointwise_kernel', [3, 2, 0, 1]);
    const mixed = call.graph.convolve(depthwise(call), pointwise, {}, biasOf(call));
    return finished(call, mixed);
  },
};
