import * as tf from '@tensorflow/tfjs';
import { conv2d } from './conv2dInputGradient.ts';
import type { ConvolutionAttributes } from './depthwiseGradients.ts';

/**
 * Computes ∂loss/∂filter of a 2-D convolution as the convolution of x with dy, where samples serve as
 * channels, `[in, kh, kw, out]`. Strides of the window become dilations of dy.
 */
export function conv2dFilterGradient({
  inputs: { x, dy },
  attrs,
}: {
  inputs: { x: tf.Tensor4D; dy: tf.Tensor4D };
  attrs: ConvolutionAttributes;
}): tf.Tensor {
  const { filterShape, strides, pad, dimRoundingMode } = attrs;
  const info = tf.backend_util.computeConv2DInfo(x.shape, filterShape, strides, 1, pad, dimRoundingMode);
  const { inChannels, outChannels, filterHeight, filterWidth, strideHeight, strideWidth } = info;
  const { top, left } = info.padInfo;
  // The extent of the windows, whatever `pad` says: if it is a number, tfjs assumes a square filter.
  const bottom = (info.outHeight - 1) * strideHeight + filterHeight - info.inHeight - top;
  const right = (info.outWidth - 1) * strideWidth + filterWidth - info.inWidth - left;
  const around: [number, number][] = [
    [0, 0],
    [top, Math.max(0, bottom)],
    [left, Math.max(0, right)],
    [0, 0],
  ];
  return tf.tidy(() => {
    const images: tf.Tensor4D = tf.transpose(x, [3, 1, 2, 0]);
    const filter: tf.Tensor4D = tf.transpose(dy, [1, 2, 0, 3]);
    const all = conv2d(images, filter, around, [strideHeight, strideWidth]);
    // If the end of x is unused, the result is larger than the window.
    const window = tf.slice(all, [0, 0, 0, 0], [inChannels, filterHeight, filterWidth, outChannels]);
    return tf.transpose(window, [1, 2, 0, 3]);
  });
}
