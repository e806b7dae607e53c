/**
 * Max pooling for the wasm backend. Its own kernels (4.22) assume that the maximum of a window is at least
 * 1e-38: if a window is entirely negative, MaxPoolGrad and MaxPoolWithArgmax pick the first element, and
 * MaxPool3D returns a value that is not in it. Only MaxPool is right.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';

/** Attributes of a pooling, as tfjs passes them. */
interface PoolingAttributes<Extent> {
  readonly filterSize: Extent | number;
  readonly strides: Extent | number;
  readonly pad: 'valid' | 'same' | number;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Size2D = [number, number];
type Size3D = [number, number, number];
/** Shape `[batch, height, width, channels]`. */
type Shape4D = [number, number, number, number];
/** `[batch, depth, height, width, channels]` */
type Shape5D = [number, number, number, number, number];

/** Geometry of pooling over depth, height and width; the depth of images is 1. */
interface Geometry {
  readonly batchSize: number;
  readonly channels: number;
  readonly input: Size3D;
  readonly output: Size3D;
  readonly window: Size3D;
  readonly strides: Size3D;
  /** Padding before the first element. */
  readonly before: Size3D;
  readonly outShape: number[];
}

/** Computes ∂loss/∂input of 2-D max pooling. */
export function maxPoolGradient({
  inputs: { dy, input },
  attrs,
}: {
  inputs: { dy: tf.Tensor4D; input: tf.Tensor4D };
  attrs: PoolingAttributes<Size2D>;
}): tf.Tensor {
  return spread(dy, input, largest(input.dataSync(), geometry2d(input.shape, attrs)));
}

/** Computes the pooled values and their indices in the input, counted within the image or the batch. */
export function maxPoolWithArgmax({
  inputs: { x },
  attrs,
}: {
  inputs: { x: tf.Tensor4D };
  attrs: PoolingAttributes<Size2D> & { readonly includeBatchInIndex: boolean };
}): tf.Tensor[] {
  const geometry = geometry2d(x.shape, attrs);
  const at = largest(x.dataSync(), geometry);
  const image = attrs.includeBatchInIndex ? Infinity : x.size / x.shape[0];
  return [
    pooled(x, at, geometry),
    tf.tensor(image === Infinity ? at : at.map((i) => i % image), geometry.outShape, 'int32'),
  ];
}

/** Computes 3-D max pooling. */
export function maxPool3d({
  inputs: { x },
  attrs,
}: {
  inputs: { x: tf.Tensor5D };
  attrs: PoolingAttributes<Size3D>;
}): tf.Tensor {
  const geometry = geometry3d(x.shape, attrs);
  return pooled(x, largest(x.dataSync(), geometry), geometry);
}

/** Computes ∂loss/∂input of 3-D max pooling. */
export function maxPool3dGradient({
  inputs: { dy, input },
  attrs,
}: {
  inputs: { dy: tf.Tensor5D; input: tf.Tensor5D };
  attrs: PoolingAttributes<Size3D>;
}): tf.Tensor {
  return spread(dy, input, largest(input.dataSync(), geometry3d(input.shape, attrs)));
}

/** Returns the elements of x that are the largest of their windows. */
function pooled(x: tf.Tensor, at: Int32Array, { outShape }: Geometry): tf.Tensor {
  const values = x.dataSync();
  return tf.tensor(
    Float32Array.from(at, (i) => values[i]),
    outShape,
    x.dtype,
  );
}

/** Adds each output's derivative to the input element that was its largest. */
function spread(dy: tf.Tensor, input: tf.Tensor, at: Int32Array): tf.Tensor {
  const gradient = new Float32Array(input.size);
  const derivatives = dy.dataSync();
  for (let i = 0; i < at.length; i++) gradient[at[i]] += derivatives[i];
  return tf.tensor(gradient, input.shape);
}

/**
 * Returns the index of the largest input element in the window of each output element; the first of equal
 * ones.
 */
function largest(x: ArrayLike<number>, geometry: Geometry): Int32Array {
  const { batchSize, channels, input, output, window, strides, before } = geometry;
  const [depth, height, width] = input;
  const at = new Int32Array(batchSize * output[0] * output[1] * output[2] * channels).fill(-1);
  let to = 0;
  for (let b = 0; b < batchSize; b++) {
    for (let k = 0; k < output[0]; k++) {
      const front = k * strides[0] - before[0];
      for (let i = 0; i < output[1]; i++) {
        const top = i * strides[1] - before[1];
        for (let j = 0; j < output[2]; j++, to += channels) {
          const left = j * strides[2] - before[2];
          const end = Math.min(width, left + window[2]);
          for (let d = Math.max(0, front); d < Math.min(depth, front + window[0]); d++) {
            for (let r = Math.max(0, top); r < Math.min(height, top + window[1]); r++) {
              const row = ((b * depth + d) * height + r) * width;
              for (let c = Math.max(0, left); c < end; c++) raise(x, (row + c) * channels, at, to, channels);
            }
          }
        }
      }
    }
  }
  return at;
}

/** Updates the maxima with one element of a window, for all channels. */
function raise(x: ArrayLike<number>, from: number, at: Int32Array, to: number, channels: number): void {
  for (let channel = 0; channel < channels; channel++) {
    const best = at[to + channel];
    if (best < 0 || x[from + channel] > x[best]) at[to + channel] = from + channel;
  }
}

function geometry2d(
  shape: Shape4D,
  { filterSize, strides, pad, dimRoundingMode }: PoolingAttributes<Size2D>,
): Geometry {
  const info = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
  return {
    batchSize: info.batchSize,
    channels: info.inChannels,
    input: [1, info.inHeight, info.inWidth],
    output: [1, info.outHeight, info.outWidth],
    window: [1, info.effectiveFilterHeight, info.effectiveFilterWidth],
    strides: [1, info.strideHeight, info.strideWidth],
    before: [0, info.padInfo.top, info.padInfo.left],
    outShape: info.outShape,
  };
}

function geometry3d(
  shape: Shape5D,
  { filterSize, strides, pad, dimRoundingMode }: PoolingAttributes<Size3D>,
): Geometry {
  const info = tf.backend_util.computePool3DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
  return {
    batchSize: info.batchSize,
    channels: info.inChannels,
    input: [info.inDepth, info.inHeight, info.inWidth],
    output: [info.outDepth, info.outHeight, info.outWidth],
    window: [info.effectiveFilterDepth, info.effectiveFilterHeight, info.effectiveFilterWidth],
    strides: [info.strideDepth, info.strideHeight, info.strideWidth],
    before: [info.padInfo.front, info.padInfo.top, info.padInfo.left],
    outShape: info.outShape,
  };
}
