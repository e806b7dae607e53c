/**
 * Shapes that the windows of convolutions and poolings make.
 *
 * @module
 */

import { Refusal } from '../ir/errors.ts';
import type { InferContext } from '../ir/facts.ts';
import { unknownDimension, type Dimension, type Shape } from '../ir/shape.ts';
import { windowOf, type Window } from '../ir/window.ts';

/** Returns the spatial sizes of the output of a window that slides over `x`. */
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
export function windowIn(c: InferContext, kernel: readonly Dimension[]): Window | undefined {
  try {
    return windowOf(c.attributes, c.shape(0), kernel);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}
