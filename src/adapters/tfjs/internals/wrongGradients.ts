/**
 * Gradients that TensorFlow.js 4.22 computes wrongly without a warning, and their corrections.
 *
 * Only the files of this folder depend on the implementation of TensorFlow.js. They are checked against 4.22.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';
import { secondOrderEnabled } from './secondOrderEnabled.ts';

/** Marks the gradients of this file, also those of another copy of it on the page, which must not be corrected twice. */
const mark = Symbol.for('quasi-newton: corrected gradient');

/** Corrections by kernel. */
const corrections: Readonly<Record<string, (gradFunc: tf.GradFunc, kernelName: string) => tf.GradFunc>> = {
  Max: sharedAmongTies,
  Min: sharedAmongTies,
  AvgPool: (gradFunc, kernelName) => byWindow(roundedDown(gradFunc, kernelName)),
  AvgPool3D: byWindow,
  MaxPool: roundedDown,
  MaxPool3D: ofSquareWindows,
  Conv2D: roundedDown,
  ResizeBilinear: byMatrices,
  ResizeNearestNeighbor: byMatrices,
  Cumsum: () => cumulativeSum,
  Prod: () => productOfOthers,
  MirrorPad: () => mirrored,
  FloorDiv: () => stepwise,
  Cast: zeroIfRounded,
  Maximum: ofBroadcast,
  Minimum: ofBroadcast,
  SquaredDifference: ofBroadcast,
  BatchMatMul: ofBroadcast,
};

/** Corrects them for the whole page. Called before each gradient, because others may have been registered since the last one. */
export function correctGradients(): void {
  for (const [kernelName, correction] of Object.entries(corrections)) {
    const given = tf.getGradient(kernelName) as tf.GradConfig | undefined;
    if (given === undefined || mark in given.gradFunc) continue;
    const gradFunc = Object.assign(correction(given.gradFunc, kernelName), { [mark]: true });
    tf.unregisterGradient(kernelName);
    tf.registerGradient({ ...given, gradFunc });
  }
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
 * Refuses the gradient of windows whose number is rounded up. TensorFlow.js computes it as if that were rounded down, without the
 * outputs of the last windows.
 */
function roundedDown(gradFunc: tf.GradFunc, kernelName: string): tf.GradFunc {
  return (dy, saved, attrs) => {
    const { dimRoundingMode = 'floor', ...rest } = attrs as unknown as PoolAttributes;
    if (dimRoundingMode !== 'floor' && (attrs as { dataFormat?: string })['dataFormat'] !== 'NCHW') {
      const [x, filter] = saved;
      const filterSize = kernelName === 'Conv2D' ? filter.shape.slice(0, 2) : rest.filterSize;
      const { outHeight, outWidth } = geometryOf(x.shape, { ...rest, filterSize });
      const [, height, width] = (dy as tf.Tensor).shape;
      if (height !== outHeight || width !== outWidth) {
        throw new Error(
          `TensorFlow.js computes a wrong gradient of ${kernelName} with dimRoundingMode '${dimRoundingMode}' where the windows do not fit: pad the input with tf.pad so that they do, or round by 'floor'.`,
        );
      }
    }
    return gradFunc(dy, saved, attrs);
  };
}

/** Refuses the gradient of 3-D max pooling on cpu where TensorFlow.js confuses the height of windows with their width. */
function ofSquareWindows(gradFunc: tf.GradFunc): tf.GradFunc {
  return (dy, saved, attrs) => {
    const { filterHeight, filterWidth } = geometryOf(saved[0].shape, attrs as unknown as PoolAttributes);
    if (filterHeight > 1 && filterHeight !== filterWidth && tf.getBackend() === 'cpu') {
      throw new Error(
        `TensorFlow.js computes a wrong gradient of 3-D max pooling on cpu with windows of different height (${filterHeight}) and width (${filterWidth}): use windows of equal height and width, or another backend.`,
      );
    }
    return gradFunc(dy, saved, attrs);
  };
}

/**
 * The gradient of resizing, which is linear along both axes, by its matrices. That of TensorFlow.js ignores `halfPixelCenters`, is 0
 * (or does not end) with `alignCorners` and a size of 1, has no derivative, and is wrong on cpu for several samples.
 */
function byMatrices(gradFunc: tf.GradFunc, kernelName: string): tf.GradFunc {
  return (dy, saved, attrs) => {
    const { alignCorners, halfPixelCenters } = attrs as Record<string, unknown>;
    const isRight = !alignCorners && !halfPixelCenters && tf.getBackend() !== 'cpu';
    // Its kernel is up to 2.5 times as fast.
    if (isRight && !secondOrderEnabled()) return gradFunc(dy, saved, attrs);
    const [samples, height, width, channels] = saved[0].shape;
    const [, newHeight, newWidth] = (dy as tf.Tensor).shape;
    const resized = (identity: tf.Tensor, size: number[]) =>
      tf.engine().runKernel<tf.Tensor>(kernelName, { images: identity }, { ...attrs, size });
    const images = (): tf.Tensor => {
      const rows = resized(tf.eye(height).reshape([1, height, 1, height]), [newHeight, 1]);
      const columns = resized(tf.eye(width).reshape([1, 1, width, width]), [1, newWidth]);
      const byRow = (dy as tf.Tensor).reshape([samples, newHeight, newWidth * channels]);
      const byColumn = tf
        .matMul(rows.reshape([1, newHeight, height]), byRow, true)
        .reshape([samples * height, newWidth, channels]);
      return tf.matMul(columns.reshape([1, newWidth, width]), byColumn, true).reshape(saved[0].shape);
    };
    return { images };
  };
}

/** Accumulates along an axis, from the last element on if `reverse`. On webgpu, the kernels of TensorFlow.js are wrong in reverse. */
function cumulative(
  of: typeof tf.cumsum,
  x: tf.Tensor,
  axis: number,
  exclusive: boolean,
  reverse: boolean,
): tf.Tensor {
  return reverse ? of(x.reverse(axis), axis, exclusive).reverse(axis) : of(x, axis, exclusive);
}

/** The gradient of a cumulative sum. That of TensorFlow.js is transposed, except along the last axis. */
const cumulativeSum: tf.GradFunc = (dy, _, attrs) => {
  const { axis, exclusive, reverse } = attrs as unknown as {
    axis: number;
    exclusive: boolean;
    reverse: boolean;
  };
  return { x: () => cumulative(tf.cumsum, dy as tf.Tensor, axis, exclusive, !reverse) };
};

/** The gradient of a product. That of TensorFlow.js fails for axes counted from the last, and is wrong on webgpu. */
const productOfOthers: tf.GradFunc = (upstream, [x], attrs) => {
  const dy = upstream as tf.Tensor;
  const axes = tf.util.parseAxisParam((attrs as unknown as { axis: number | number[] }).axis, x.shape);
  const order = [...x.shape.keys()].filter((axis) => !axes.includes(axis)).concat(axes);
  const gradient = (): tf.Tensor => {
    const factors = x.transpose(order);
    const flat = factors.reshape([dy.size, x.size / dy.size]);
    const [before, after] = [false, true].map((reverse) => cumulative(tf.cumprod, flat, 1, true, reverse));
    const whole = before.mul(after).mul(dy.reshape([dy.size, 1]));
    return whole.reshape(factors.shape).transpose(tf.backend_util.getUndoAxesPermutation(order));
  };
  return { x: gradient };
};

/** The gradient of mirrored padding. That of TensorFlow.js lacks the mirrored elements. */
const mirrored: tf.GradFunc = (dy, saved, attrs) => {
  const { paddings, mode } = attrs as unknown as {
    paddings: [number, number][];
    mode: 'reflect' | 'symmetric';
  };
  const edge = mode === 'reflect' ? 1 : 0;
  /** Adds the elements of the padding along an axis to those that they mirror. */
  const folded = (whole: tf.Tensor, axis: number): tf.Tensor => {
    const [before, after] = paddings[axis];
    const size = saved[0].shape[axis];
    const part = (start: number, length: number) => {
      const [begin, sizes] = [whole.shape.map(() => 0), [...whole.shape]];
      [begin[axis], sizes[axis]] = [start, length];
      return whole.slice(begin, sizes);
    };
    const mirroredAt = (place: number, start: number, length: number) => {
      const around = whole.shape.map((): [number, number] => [0, 0]);
      around[axis] = [place, size - place - length];
      return part(start, length).reverse(axis).pad(around);
    };
    return tf.addN([
      part(before, size),
      ...(before > 0 ? [mirroredAt(edge, 0, before)] : []),
      ...(after > 0 ? [mirroredAt(size - edge - after, before + size, after)] : []),
    ]);
  };
  return { x: () => paddings.reduce((whole, _, axis) => folded(whole, axis), dy as tf.Tensor) };
};

/** The gradient of a quotient rounded down, which is a staircase. That of TensorFlow.js is the gradient of the quotient. */
const stepwise: tf.GradFunc = (_, saved) => {
  const [a, b] = saved;
  return { a: () => tf.zeros(a.shape), b: () => tf.zeros(b.shape) };
};

/** Makes the gradient of a cast to whole numbers zero, which is a staircase. TensorFlow.js takes it for the identity. */
function zeroIfRounded(gradFunc: tf.GradFunc): tf.GradFunc {
  return (dy, saved, attrs) => {
    const { dtype } = attrs as unknown as { dtype: tf.DataType };
    const isRounded = dtype === 'int32' || dtype === 'bool';
    return isRounded ? { x: () => tf.zeros((dy as tf.Tensor).shape) } : gradFunc(dy, saved, attrs);
  };
}

/** Sums the gradients of inputs that were broadcast. TensorFlow.js refuses them. */
function ofBroadcast(gradFunc: tf.GradFunc): tf.GradFunc {
  return (dy, saved, attrs) => {
    const gradients = Object.entries(gradFunc(dy, saved, attrs));
    const summed = gradients.map(([name, gradient], i) => {
      const { shape } = saved[i];
      const sum = (): tf.Tensor => {
        const whole = gradient();
        const axes = tf.backend_util.getReductionAxes(shape, whole.shape);
        return axes.length === 0 ? whole : whole.sum(axes).reshape(shape);
      };
      return [name, sum] as const;
    });
    return Object.fromEntries(summed);
  };
}
