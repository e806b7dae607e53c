/**
 * Gradients of depthwise convolutions. Each weight affects only one channel, so there are no matrix products;
 * these are loops over typed arrays, with channels innermost, as in memory.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';

/** Attributes of a convolution, as tfjs passes them. */
export interface ConvolutionAttributes {
  readonly filterShape: [number, number, number, number];
  readonly inputShape: [number, number, number, number];
  readonly strides: [number, number] | number;
  readonly dilations?: [number, number] | number | undefined;
  readonly pad: 'valid' | 'same' | number;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil' | undefined;
}

type Shape4D = [number, number, number, number];
type Geometry = ReturnType<typeof tf.backend_util.computeConv2DInfo>;

/** Computes ∂loss/∂filter, `[kh, kw, in, multiplier]`. */
export function depthwiseFilterGradient({
  inputs: { x, dy },
  attrs,
}: {
  inputs: { x: tf.Tensor4D; dy: tf.Tensor4D };
  attrs: ConvolutionAttributes;
}): tf.Tensor {
  const geometry = geometryOf(x.shape, attrs.filterShape, attrs);
  const [input, output] = [x.dataSync(), dy.dataSync()];
  const gradient = new Float32Array(tf.util.sizeFromShape(attrs.filterShape));
  const { inChannels, outChannels } = geometry;
  const multiplier = outChannels / inChannels;
  forEachTouch(geometry, (inputAt, outputAt, filterAt) => {
    for (let channel = 0, k = 0; channel < inChannels; channel++) {
      const value = input[inputAt + channel];
      for (let m = 0; m < multiplier; m++, k++) gradient[filterAt + k] += value * output[outputAt + k];
    }
  });
  return tf.tensor(gradient, attrs.filterShape);
}

/** Computes ∂loss/∂input, `[batch, height, width, in]`. */
export function depthwiseInputGradient({
  inputs: { dy, filter },
  attrs,
}: {
  inputs: { dy: tf.Tensor4D; filter: tf.Tensor4D };
  attrs: ConvolutionAttributes;
}): tf.Tensor {
  const geometry = geometryOf(attrs.inputShape, filter.shape, attrs);
  const [output, weights] = [dy.dataSync(), filter.dataSync()];
  const gradient = new Float32Array(tf.util.sizeFromShape(attrs.inputShape));
  const { inChannels, outChannels } = geometry;
  const multiplier = outChannels / inChannels;
  forEachTouch(geometry, (inputAt, outputAt, filterAt) => {
    for (let channel = 0, k = 0; channel < inChannels; channel++) {
      let sum = 0;
      for (let m = 0; m < multiplier; m++, k++) sum += weights[filterAt + k] * output[outputAt + k];
      gradient[inputAt + channel] += sum;
    }
  });
  return tf.tensor(gradient, attrs.inputShape);
}

function geometryOf(
  inputShape: Shape4D,
  filterShape: Shape4D,
  { strides, dilations, pad, dimRoundingMode }: ConvolutionAttributes,
): Geometry {
  return tf.backend_util.computeConv2DInfo(
    inputShape,
    filterShape,
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    true,
  );
}

/**
 * Visits every pair of an output position and a filter element that lies within the input, with the offsets
 * of the first channel in input, output and filter.
 */
function forEachTouch(
  geometry: Geometry,
  visit: (inputAt: number, outputAt: number, filterAt: number) => void,
): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = geometry;
  const { strideHeight, strideWidth, dilationHeight, dilationWidth, filterHeight, filterWidth } = geometry;
  const { top, left } = geometry.padInfo;
  for (let b = 0, outputAt = 0; b < batchSize; b++) {
    for (let i = 0; i < outHeight; i++) {
      for (let j = 0; j < outWidth; j++, outputAt += outChannels) {
        for (let r = 0; r < filterHeight; r++) {
          const row = i * strideHeight + r * dilationHeight - top;
          if (row < 0 || row >= inHeight) continue;
          for (let c = 0; c < filterWidth; c++) {
            const column = j * strideWidth + c * dilationWidth - left;
            if (column < 0 || column >= inWidth) continue;
            const inputAt = ((b * inHeight + row) * inWidth + column) * inChannels;
            visit(inputAt, outputAt, (r * filterWidth + c) * outChannels);
          }
        }
      }
    }
  }
}
