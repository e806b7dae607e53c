import * as tf from '@tensorflow/tfjs';
import type { ConvolutionAttributes } from './depthwiseGradients.ts';

/**
 * ∂loss/∂filter of a 2-D convolution: one product of matrices.
 *
 * Row (r, c, i) of the left one, `[kh·kw·in, P]`, is input channel i as filter element (r, c) saw it at the P
 * output positions. Channels come first, so that the rows are cut out of the input as they are.
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
  const { batchSize, inChannels, outChannels, outHeight, outWidth, strideHeight, strideWidth } = info;
  const { top, bottom, left, right } = info.padInfo;
  return tf.tidy(() => {
    const channels: tf.Tensor4D = tf.transpose(x, [3, 0, 1, 2]);
    const padded = tf.pad(channels, [
      [0, 0],
      [0, 0],
      [top, bottom],
      [left, right],
    ]);
    const seen: tf.Tensor4D[] = [];
    for (let r = 0; r < info.filterHeight; r++) {
      for (let c = 0; c < info.filterWidth; c++) {
        seen.push(
          tf.stridedSlice(
            padded,
            [0, 0, r, c],
            [
              inChannels,
              batchSize,
              r + (outHeight - 1) * strideHeight + 1,
              c + (outWidth - 1) * strideWidth + 1,
            ],
            [1, 1, strideHeight, strideWidth],
          ) as tf.Tensor4D,
        );
      }
    }
    const positions = batchSize * outHeight * outWidth;
    const left2d = tf.concat(seen, 0).reshape([-1, positions]);
    return tf.matMul(left2d, dy.reshape([positions, outChannels])).reshape([...filterShape]);
  });
}
