/**
 * Gradients of operations that occur in gradients and have none in tfjs; with them, a gradient can be
 * differentiated again.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';
import { windowWeights } from '../internals/wrongGradients.ts';

/** A gradient in the form that tfjs registers for a kernel. */
export type GradientRule = Omit<tf.GradConfig, 'kernelName'>;

type Shape4D = [number, number, number, number];

/** Attributes of convolutions and pooling, which are passed on to their kernels. */
interface Attributes {
  readonly strides: [number, number];
  readonly pad: 'valid' | 'same' | number;
  readonly dataFormat?: 'NHWC' | 'NCHW';
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
  readonly filterSize: [number, number];
  readonly filterShape: Shape4D;
  readonly inputShape: Shape4D;
}

const rule = (
  inputsToSave: string[],
  gradFunc: (dy: tf.Tensor, saved: tf.Tensor4D[], attrs: Attributes) => Record<string, () => tf.Tensor>,
): GradientRule => ({
  inputsToSave,
  gradFunc: (dy, saved, attrs) =>
    gradFunc(dy as tf.Tensor, saved as tf.Tensor4D[], attrs as unknown as Attributes),
});

/** Returns a zero gradient, for operations with Boolean results. */
const stepwise = (...names: string[]): GradientRule =>
  rule(names, (_dy, saved) =>
    Object.fromEntries(names.map((name, i) => [name, () => tf.zerosLike(saved[i]).toFloat()])),
  );

/** Picks `dy` where x is the largest of its window: the derivative of max pooling along dy. */
function atMaxima(dy: tf.Tensor, x: tf.Tensor4D, { filterSize, strides, pad }: Attributes): tf.Tensor {
  const { indexes } = tf.maxPoolWithArgmax(x, filterSize, strides, pad, true);
  return tf.gather(dy.flatten(), indexes.flatten().toInt()).reshape(indexes.shape);
}

/** Rules by kernel. */
export const gradientRules: Readonly<Record<string, GradientRule>> = {
  Greater: stepwise('a', 'b'),
  GreaterEqual: stepwise('a', 'b'),
  Less: stepwise('a', 'b'),
  LessEqual: stepwise('a', 'b'),
  Equal: stepwise('a', 'b'),
  NotEqual: stepwise('a', 'b'),
  LogicalAnd: stepwise('a', 'b'),
  LogicalOr: stepwise('a', 'b'),
  LogicalNot: stepwise('x'),

  // dy·(y ≥ 0 ? 1 : y + 1)
  EluGrad: rule(['dy', 'y'], (d, [dy, y]) => ({
    dy: () => d.mul(tf.where(y.greaterEqual(0), tf.onesLike(y), y.add(1))),
    y: () => tf.where(y.greaterEqual(0), tf.zerosLike(y), d.mul(dy)),
  })),

  Conv2DBackpropFilter: rule(['x', 'dy'], (d, [x, dy], { strides, pad, dataFormat, dimRoundingMode }) => ({
    x: () =>
      tf.engine().runKernel<tf.Tensor>(
        'Conv2DBackpropInput',
        { dy, filter: d },
        {
          strides,
          pad,
          dataFormat: dataFormat ?? 'NHWC',
          dimRoundingMode: dimRoundingMode!,
          inputShape: x.shape,
        },
      ),
    dy: () => tf.conv2d(x, d as tf.Tensor4D, strides, pad, dataFormat, 1, dimRoundingMode),
  })),
  DepthwiseConv2dNativeBackpropFilter: rule(['x', 'dy'], (d, [x, dy], { strides, pad }) => ({
    x: () => depthwiseInput(x.shape, dy, d as tf.Tensor4D, strides, pad),
    dy: () => tf.depthwiseConv2d(x, d as tf.Tensor4D, strides, pad),
  })),
  DepthwiseConv2dNativeBackpropInput: rule(['dy', 'filter'], (d, [dy, filter], { strides, pad }) => ({
    dy: () => tf.depthwiseConv2d(d as tf.Tensor4D, filter, strides, pad),
    filter: () => depthwiseFilter(d as tf.Tensor4D, dy, filter.shape, strides, pad),
  })),

  // The forward pass of a transposed 3-D convolution, which tfjs cannot differentiate even once.
  Conv3DBackpropInputV2: rule(['dy', 'filter'], (d, saved, { strides, pad }) => {
    const [dy, filter] = saved as unknown as [tf.Tensor5D, tf.Tensor5D];
    const attrs = { strides, pad, filterShape: filter.shape };
    return {
      dy: () => tf.conv3d(d as tf.Tensor5D, filter, strides as unknown as number, pad as 'same'),
      filter: () => tf.engine().runKernel<tf.Tensor>('Conv3DBackpropFilterV2', { x: d, dy }, attrs),
    };
  }),

  // The kernel divides by the size of a whole window, avgPool by the number of elements outside the padding.
  AvgPoolGrad: rule(['dy', 'input'], (d, [, input], attrs) => ({
    dy: () => {
      const { filterSize, strides, pad } = attrs;
      const weights = windowWeights(input.shape, attrs);
      const average = tf.avgPool(d as tf.Tensor4D, filterSize, strides, pad);
      return weights === null ? average : average.div(weights);
    },
    input: () => tf.zerosLike(input),
  })),
  MaxPoolGrad: rule(['dy', 'input'], (d, [dy, input], attrs) => ({
    dy: () => atMaxima(d, input, attrs),
    input: () => tf.zerosLike(input),
    output: () => tf.zerosLike(dy),
  })),
};

function depthwiseInput(
  inputShape: Shape4D,
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  strides: [number, number],
  pad: Attributes['pad'],
): tf.Tensor {
  const attrs = { strides, pad, dilations: [1, 1], inputShape };
  return tf.engine().runKernel<tf.Tensor>('DepthwiseConv2dNativeBackpropInput', { dy, filter }, attrs);
}

function depthwiseFilter(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  filterShape: Shape4D,
  strides: [number, number],
  pad: Attributes['pad'],
): tf.Tensor {
  const attrs = { strides, pad, dilations: [1, 1], filterShape };
  return tf.engine().runKernel<tf.Tensor>('DepthwiseConv2dNativeBackpropFilter', { x, dy }, attrs);
}
