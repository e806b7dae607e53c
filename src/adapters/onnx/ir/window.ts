import { refuse } from './errors.ts';
import type { Attributes } from './attributes.ts';
import type { Dimension, Shape } from './shape.ts';

/** The way of a convolution's or a pooling's window over the spatial axes; one number an axis, pads two. */
export interface Window {
  readonly kernel: readonly Dimension[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Begins, then ends. */
  readonly pads: readonly number[];
}

/**
 * Reads a window from a node's attributes.
 *
 * @param x - shape of the input, for `auto_pad`
 * @param kernel - spatial sizes of the kernel, where the attribute `kernel_shape` is absent
 * @throws Refusal if `auto_pad` needs sizes that are not known, or goes with dilations
 */
export function windowOf(attributes: Attributes, x: Shape | undefined, kernel: readonly Dimension[]): Window {
  const sizes = attributes.ints('kernel_shape') ?? kernel;
  const rank = sizes.length;
  const ones = sizes.map(() => 1);
  const strides = attributes.ints('strides') ?? ones;
  const dilations = attributes.ints('dilations') ?? ones;
  const auto = attributes.string('auto_pad', 'NOTSET');
  refuseDilatedSame(attributes);
  let pads = attributes.ints('pads') ?? [...ones, ...ones].fill(0);
  if (auto === 'VALID') pads = pads.map(() => 0);
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    const totals = strides.map((stride, i) => {
      const [size, k] = [x?.[i + 2], sizes[i]];
      if (typeof k !== 'number' || (stride !== 1 && typeof size !== 'number')) {
        refuse(
          `auto_pad ${auto} with strides needs spatial sizes known beforehand; give the model's input fixed height and width.`,
        );
      }
      if (stride === 1) return k - 1;
      return Math.max(0, (Math.ceil(Number(size) / stride) - 1) * stride + k - Number(size));
    });
    const less = totals.map((total) => Math.floor(total / 2));
    const more = totals.map((total) => Math.ceil(total / 2));
    pads = auto === 'SAME_UPPER' ? [...less, ...more] : [...more, ...less];
  }
  if (strides.length !== rank || dilations.length !== rank || pads.length !== 2 * rank) {
    refuse(`strides, dilations and pads must fit a window of ${rank} axes.`);
  }
  return { kernel: sizes, strides, dilations, pads };
}

/** ONNX Runtime refuses a convolution of this kind, and pads a pooling as though it had no dilations. */
export function refuseDilatedSame(attributes: Attributes): void {
  const auto = attributes.string('auto_pad', 'NOTSET');
  if (auto.startsWith('SAME') && attributes.ints('dilations')?.some((dilation) => dilation !== 1))
    refuse(`auto_pad ${auto} with dilations has no rule; give pads.`);
}
