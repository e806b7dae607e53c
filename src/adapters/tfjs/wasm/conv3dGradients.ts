/**
 * Gradients of 3-D convolutions that replace those of the wasm backend (4.22). There, the gradient with
 * respect to the input, which also serves as transposed convolution, is wrong, and that with respect to the
 * filter is wrong for strides other than 1.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';

type Shape5D = [number, number, number, number, number];
type Geometry = ReturnType<typeof tf.backend_util.computeConv3DInfo>;

interface Attributes {
  readonly strides: [number, number, number] | number;
  readonly pad: 'valid' | 'same';
  readonly inputShape: Shape5D;
  readonly filterShape: Shape5D;
}

/** Computes ∂loss/∂input, `[batch, depth, height, width, in]`. */
export function conv3dInputGradient({
  inputs: { dy, filter },
  attrs: { strides, pad, inputShape },
}: {
  inputs: { dy: tf.Tensor5D; filter: tf.Tensor5D };
  attrs: Attributes;
}): tf.Tensor {
  const geometry = tf.backend_util.computeConv3DInfo(inputShape, filter.shape, strides, 1, pad);
  const { inChannels, outChannels } = geometry;
  const [output, weights] = [dy.dataSync(), filter.dataSync()];
  const gradient = new Float32Array(tf.util.sizeFromShape(inputShape));
  forEachTouch(geometry, (inputAt, outputAt, filterAt) => {
    for (let i = 0, w = filterAt; i < inChannels; i++) {
      let sum = 0;
      for (let o = 0; o < outChannels; o++, w++) sum += weights[w] * output[outputAt + o];
      gradient[inputAt + i] += sum;
    }
  });
  return tf.tensor(gradient, inputShape);
}

/** Computes ∂loss/∂filter, `[kd, kh, kw, in, out]`. */
export function conv3dFilterGradient({
  inputs: { x, dy },
  attrs: { strides, pad, filterShape },
}: {
  inputs: { x: tf.Tensor5D; dy: tf.Tensor5D };
  attrs: Attributes;
}): tf.Tensor {
  const geometry = tf.backend_util.computeConv3DInfo(x.shape, filterShape, strides, 1, pad);
  const { inChannels, outChannels } = geometry;
  const [input, output] = [x.dataSync(), dy.dataSync()];
  const gradient = new Float32Array(tf.util.sizeFromShape(filterShape));
  forEachTouch(geometry, (inputAt, outputAt, filterAt) => {
    for (let i = 0, w = filterAt; i < inChannels; i++) {
      const value = input[inputAt + i];
      for (let o = 0; o < outChannels; o++, w++) gradient[w] += value * output[outputAt + o];
    }
  });
  return tf.tensor(gradient, filterShape);
}

/**
 * Visits every pair of an output position and a filter element that lies within the input, with the offsets
 * of the first channel in input, output and filter.
 */
function forEachTouch(
  geometry: Geometry,
  visit: (inputAt: number, outputAt: number, filterAt: number) => void,
): void {
  const { batchSize, inDepth, inHeight, inWidth, inChannels, outChannels } = geometry;
  const { outDepth, outHeight, outWidth, strideDepth, strideHeight, strideWidth } = geometry;
  const { filterDepth, filterHeight, filterWidth } = geometry;
  const { front, top, left } = geometry.padInfo;
  const filterSize = filterDepth * filterHeight * filterWidth;
  const positions = batchSize * outDepth * outHeight * outWidth;
  for (let position = 0; position < positions; position++) {
    const j = position % outWidth;
    const i = Math.floor(position / outWidth) % outHeight;
    const k = Math.floor(position / (outWidth * outHeight)) % outDepth;
    const b = Math.floor(position / (outWidth * outHeight * outDepth));
    for (let element = 0; element < filterSize; element++) {
      const c = element % filterWidth;
      const r = Math.floor(element / filterWidth) % filterHeight;
      const d = Math.floor(element / (filterWidth * filterHeight));
      const depth = k * strideDepth + d - front;
      const row = i * strideHeight + r - top;
      const column = j * strideWidth + c - left;
      if (depth < 0 || depth >= inDepth || row < 0 || row >= inHeight || column < 0 || column >= inWidth)
        continue;
      const place = ((b * inDepth + depth) * inHeight + row) * inWidth + column;
      visit(place * inChannels, position * outChannels, element * inChannels * outChannels);
    }
  }
}
