import * as tf from '@tensorflow/tfjs';
import type { ConvolutionAttributes } from './depthwiseGradients.ts';

/**
 * Returns a kernel for ∂loss/∂input of a 2-D convolution. With strides of 1, it is the convolution of dy with
 * the flipped filter, `[kh, kw, out, in]`, which is ten times as fast as the wasm backend's own kernel; other
 * strides use that kernel.
 */
export function quickConv2dInputGradient(kernelFunc: tf.KernelFunc): tf.KernelFunc {
  return (args) => {
    const { dy, filter } = args.inputs as unknown as { dy: tf.Tensor4D; filter: tf.Tensor4D };
    const attrs = args.attrs as unknown as ConvolutionAttributes;
    const { inputShape, strides, pad, dimRoundingMode } = attrs;
    const info = tf.backend_util.computeConv2DInfo(
      inputShape,
      filter.shape,
      strides,
      1,
      pad,
      dimRoundingMode,
    );
    const { inHeight, inWidth, outHeight, outWidth, filterHeight, filterWidth } = info;
    const { top, left } = info.padInfo;
    const turned: [number, number][] = [
      [0, 0],
      [filterHeight - 1 - top, inHeight - outHeight + top],
      [filterWidth - 1 - left, inWidth - outWidth + left],
      [0, 0],
    ];
    const isPlain = info.strideHeight === 1 && info.strideWidth === 1 && turned.flat().every((n) => n >= 0);
    if (!isPlain || info.dataFormat !== 'channelsLast') return kernelFunc(args);
    return tf.tidy(() => {
      const around = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]);
      return conv2d(dy, around, turned, 1);
    });
  };
}

/** Runs the backend's convolution, with channels last, zero padding and dilated filters. */
export const conv2d = (
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  pad: readonly (readonly [number, number])[],
  dilations: number | readonly [number, number],
): tf.Tensor4D =>
  tf
    .engine()
    .runKernel<tf.Tensor4D>('Conv2D', { x, filter }, { strides: 1, pad, dataFormat: 'NHWC', dilations });
