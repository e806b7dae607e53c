import { Refusal } from '../ir/errors.ts';
import { productOf, unknownDimension, unknownShape, type Dimension, type Shape } from '../ir/shape.ts';
import { numbersOf } from '../ir/tensor.ts';
import { windowOf, type Window } from '../ir/window.ts';
import type { InferContext, InferRule } from '../ir/facts.ts';

/** The spatial sizes that `window` makes of those of `x`. */
export function outputSizes(
  x: Shape,
  { kernel, strides, dilations, pads }: Window,
  ceil: boolean,
): Dimension[] {
  return strides.map((stride, i) => {
    const [size, k, begin] = [x[i + 2], kernel[i], pads[i]];
    if (typeof size !== 'number' || typeof k !== 'number') return unknownDimension();
    const steps = (size + begin + pads[i + strides.length] - dilations[i] * (k - 1) - 1) / stride;
    if (!ceil) return Math.floor(steps) + 1;
    const count = Math.ceil(steps) + 1;
    // A last window that would start in the padding after the end is dropped.
    return (count - 1) * stride >= size + begin ? count - 1 : count;
  });
}

/** The window, or undefined where only run time can tell. */
function windowIn(c: InferContext, kernel: readonly Dimension[]): Window | undefined {
  try {
    return windowOf(c.attributes, c.shape(0), kernel);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

const conv: InferRule = (c) => {
  const [x, w] = [c.shape(0), c.shape(1)];
  const rank = x?.length ?? w?.length;
  const dtype = c.dtype(0);
  if (rank === undefined) return [{ dtype }];
  const window = w && windowIn(c, w.slice(2));
  const spatial = window && x ? outputSizes(x, window, false) : unknownShape(rank - 2);
  return [{ dtype, shape: [x?.[0] ?? unknownDimension(), w?.[0] ?? unknownDimension(), ...spatial] }];
};

const convTranspose: InferRule = (c) => {
  const [x, w] = [c.shape(0), c.shape(1)];
  const rank = x?.length ?? w?.length;
  const dtype = c.dtype(0);
  if (rank === undefined) return [{ dtype }];
  const channels = w ? productOf([w[1], c.attributes.int('group', 1)]) : unknownDimension();
  const auto = c.attributes.string('auto_pad', 'NOTSET');
  const window =
    w && x && auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER' ? windowIn(c, w.slice(2)) : undefined;
  const extra = c.attributes.ints('output_padding') ?? unknownShape(rank).map(() => 0);
  const spatial =
    c.attributes.ints('output_shape') ??
    window?.strides.map((stride, i): Dimension => {
      const [size, k] = [x?.[i + 2], window.kernel[i]];
      if (typeof size !== 'number' || typeof k !== 'number') return unknownDimension();
      const pads = window.pads[i] + window.pads[i + window.strides.length];
      return stride * (size - 1) + extra[i] + window.dilations[i] * (k - 1) + 1 - pads;
    }) ??
    unknownShape(rank - 2);
  return [{ dtype, shape: [x?.[0] ?? unknownDimension(), channels, ...spatial] }];
};

const pool: InferRule = (c) => {
  const x = c.shape(0);
  const kernel = c.attributes.ints('kernel_shape');
  const dtype = c.dtype(0);
  if (x === undefined || kernel === undefined) return [{ dtype }];
  const window = windowIn(c, kernel);
  const spatial = window
    ? outputSizes(x, window, c.attributes.int('ceil_mode', 0) === 1)
    : unknownShape(x.length - 2);
  const shape = [...x.slice(0, 2), ...spatial];
  return [
    { dtype, shape },
    { dtype: 7, shape },
  ];
};

const globalPool: InferRule = (c) => [
  { dtype: c.dtype(0), shape: c.shape(0)?.map((size, i) => (i < 2 ? size : 1)) },
];

const resize: InferRule = (c) => {
  const dtype = c.dtype(0);
  const x = c.shape(0);
  if (x === undefined) return [{ dtype }];
  const axes = c.attributes.ints('axes')?.map((axis) => (axis < 0 ? axis + x.length : axis));
  const policy = c.attributes.string('keep_aspect_ratio_policy', 'stretch');
  const place = (i: number) => (axes ? axes.indexOf(i) : i);
  const scales = c.has(2) && c.shape(2)?.[0] !== 0 ? c.constant(2) : undefined;
  const sizes = c.has(3) && policy === 'stretch' ? c.contents(3) : undefined;
  const factors = scales && numbersOf(scales);
  const shape = x.map((size, i): Dimension => {
    const k = place(i);
    if (k < 0) return size;
    if (sizes) return sizes[k] ?? unknownDimension();
    if (factors && factors[k] === 1) return size;
    return factors && typeof size === 'number' ? Math.floor(size * factors[k]) : unknownDimension();
  });
  return [{ dtype, shape }];
};

/** Convolutions, poolings, Resize. */
export const windows = new Map<string, InferRule>([
  ['Conv', conv],
  ['ConvTranspose', convTranspose],
  ['MaxPool', pool],
  ['AveragePool', pool],
  ['LpPool', pool],
  ['GlobalAveragePool', globalPool],
  ['GlobalMaxPool', globalPool],
  ['GlobalLpPool', globalPool],
  ['Resize', resize],
]);
