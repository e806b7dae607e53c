/**
 * Gradients that TensorFlow.js 4.22 computes wrongly without a warning, and their corrections.
 *
 * Only the files of this folder depend on the implementation of TensorFlow.js. They are checked against 4.22.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';

/** Gradients and kernels of this file, which need no correction. */
const correct = new WeakSet<object>();

/**
 * Corrects them for the whole page. Called before each gradient, because a backend may have been imported since the last one.
 */
export function correctGradients(): void {
  for (const kernelName of ['Max', 'Min']) correctGradient(kernelName, sharedAmongTies);
  for (const kernelName of ['AvgPool', 'AvgPool3D']) correctGradient(kernelName, byWindow);
  correctKernel('ResizeNearestNeighborGrad', forSeveralSamples);
  correctKernel('ResizeBilinearGrad', inShapeOfImages);
}

/** Replaces the gradient of a kernel, on all backends. */
function correctGradient(kernelName: string, correction: (gradFunc: tf.GradFunc) => tf.GradFunc): void {
  const given = tf.getGradient(kernelName);
  if (correct.has(given.gradFunc)) return;
  const gradFunc = correction(given.gradFunc);
  correct.add(gradFunc);
  tf.unregisterGradient(kernelName);
  tf.registerGradient({ ...given, gradFunc });
}

/** Replaces a kernel of the cpu backend, if that is there. */
function correctKernel(kernelName: string, correction: (kernelFunc: tf.KernelFunc) => tf.KernelFunc): void {
  const given = tf.getKernel(kernelName, 'cpu') as tf.KernelConfig | undefined;
  if (given === undefined || correct.has(given.kernelFunc)) return;
  const kernelFunc = correction(given.kernelFunc);
  correct.add(kernelFunc);
  tf.unregisterKernel(kernelName, 'cpu');
  tf.registerKernel({ ...given, kernelFunc });
}

/**
 * Divides the gradient of an extremum among equal elements. TensorFlow.js gives each of them all of it, so that it is k times as
 * large where k elements move together, such as those of padding under a global max pooling.
 */
function sharedAmongTies(gradFunc: tf.GradFunc): tf.GradFunc {
  return (dy, saved, attrs) => {
    const [x] = saved;
    const { reductionIndices, axis } = attrs as Record<string, number | number[]>;
    const axes = tf.util.parseAxisParam(reductionIndices ?? axis, x.shape);
    const { x: whole } = gradFunc(dy, saved, attrs);
    // Not by a sum of equal(x, y) as numbers, which webgpu computes wrongly.
    const { x: isExtreme } = gradFunc(tf.onesLike(dy as tf.Tensor), saved, attrs);
    return { x: () => whole().div(isExtreme().sum(axes, true)) };
  };
}

/**
 * Weights the gradient of each window of an average pooling. TensorFlow.js divides it by the size of a whole window, though an
 * average over a window that reaches into the padding is one of fewer elements.
 */
function byWindow(gradFunc: tf.GradFunc): tf.GradFunc {
  return (dy, saved, attrs) => {
    const weights = windowWeights(saved[0].shape, attrs as unknown as PoolAttributes);
    return gradFunc(weights === null ? dy : (dy as tf.Tensor).mul(weights), saved, attrs);
  };
}

/** Attributes of a pooling. */
export interface PoolAttributes {
  readonly filterSize: readonly number[] | number;
  readonly strides: readonly number[] | number;
  readonly pad: 'valid' | 'same' | number;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil' | undefined;
}

/** Numbers by name, such as `filterHeight` and `strideWidth`, and those of the padding. */
type PoolGeometry = Readonly<Record<string, number>> & { readonly padInfo: Readonly<Record<string, number>> };

function geometryOf(shape: readonly number[], { filterSize, strides, pad, ...rest }: PoolAttributes) {
  const { computePool2DInfo, computePool3DInfo } = tf.backend_util;
  const compute = (shape.length === 5 ? computePool3DInfo : computePool2DInfo) as unknown as (
    ...args: unknown[]
  ) => PoolGeometry;
  return compute(shape, filterSize, strides, 1, pad, rest.dimRoundingMode);
}

/**
 * Returns the size of a whole window divided by the number of its elements outside the padding, for each place of the output,
 * `[1, …, 1]`; null if all windows are whole.
 */
export function windowWeights(shape: readonly number[], attributes: PoolAttributes): tf.Tensor | null {
  const geometry = geometryOf(shape, attributes);
  const { front = 0, top, left } = geometry.padInfo;
  const axes = [
    { name: 'Depth', before: front, axis: 1 },
    { name: 'Height', before: top, axis: shape.length - 3 },
    { name: 'Width', before: left, axis: shape.length - 2 },
  ].slice(shape.length === 5 ? 0 : 1);
  const factors = axes.map(({ name, before, axis }) => {
    const [window, stride] = [geometry[`filter${name}`], geometry[`stride${name}`]];
    const weights = Float32Array.from({ length: geometry[`out${name}`] }, (_, i) => {
      const start = i * stride - before;
      return window / (Math.min(shape[axis], start + window) - Math.max(0, start));
    });
    return { axis, weights };
  });
  if (factors.every(({ weights }) => weights.every((weight) => weight === 1))) return null;
  return factors
    .map(({ axis, weights }) =>
      tf.tensor(
        weights,
        shape.map((_, k) => (k === axis ? weights.length : 1)),
      ),
    ) // prettier-ignore
    .reduce((product, factor) => product.mul(factor));
}

/**
 * Makes the cpu kernel of the gradient of nearest-neighbor upsampling right for several samples: it finds the gradients of all but
 * the first by the size of the input. Here, further samples are further channels of one.
 */
function forSeveralSamples(kernelFunc: tf.KernelFunc): tf.KernelFunc {
  return ({ inputs, backend, attrs }) => {
    const images = inputs['images'] as tf.TensorInfo;
    const dy = inputs['dy'] as tf.Tensor4D;
    const [samples, height, width, channels] = images.shape;
    return tf.tidy(() => {
      const across = (shape: number[]) => [1, shape[1], shape[2], samples * channels];
      const packed = dy.transpose([1, 2, 0, 3]).reshape(across(dy.shape));
      const one: tf.TensorInfo = { ...images, shape: across(images.shape) };
      const info = kernelFunc({ inputs: { images: one, dy: packed }, backend, attrs: attrs! });
      const gradient = tf.engine().makeTensorFromTensorInfo(info as tf.TensorInfo);
      return gradient.reshape([height, width, samples, channels]).transpose([2, 0, 1, 3]);
    });
  };
}

/** Gives the result of the cpu kernel of the gradient of bilinear upsampling its shape, whose width and height are exchanged. */
function inShapeOfImages(kernelFunc: tf.KernelFunc): tf.KernelFunc {
  return (args) => {
    const { shape } = args.inputs['images'] as tf.TensorInfo;
    return { ...(kernelFunc(args) as tf.TensorInfo), shape };
  };
}
