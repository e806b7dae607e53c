import { refuse } from './errors.ts';
import type { Attributes } from './attributes.ts';
import type { Dimension, Shape } from './shape.ts';

/** Sliding window of a convolution or pooling over the spatial axes: one number per axis, two for pads. */
export interface Window {
  readonly kernel: readonly Dimension[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** At the start of each axis, then at the end of each. */
  readonly pads: readonly number[];
}

/**
 * Reads a window from a node's attributes. SAME pads as if there were no dilations, as ONNX Runtime does for poolings.
 *
 * @param x - shape of the input, for `auto_pad`
 * @param kernel - spatial sizes of the kernel, used if the attribute `kernel_shape` is absent
 * @param auto - `auto_pad`, `'VALID'` for a window whose input is padded already. @defaultValue that of the attributes
 * @throws Refusal if `auto_pad` needs sizes that are not known
 */
export function windowOf(
  attributes: Attributes,
  x: Shape | undefined,
  kernel: readonly Dimension[],
  auto = attributes.string('auto_pad', 'NOTSET'),
): Window {
  const sizes = attributes.ints('kernel_shape') ?? kernel;
  const rank = sizes.length;
  const ones = sizes.map(() => 1);
  const strides = attributes.ints('strides') ?? ones;
  const dilations = attributes.ints('dilations') ?? ones;
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
    const lengths = [strides, dilations, pads].map(({ length }) => length);
    refuse(
      `strides, dilations and pads must have ${rank}, ${rank} and ${2 * rank} elements for a window of ${rank} axes; they have ${lengths.join(', ')}.`,
    );
  }
  return { kernel: sizes, strides, dilations, pads };
}

/** Refuses a convolution with SAME padding and dilations, which ONNX Runtime rejects when it runs. */
export function refuseDilatedSame(attributes: Attributes): void {
  const auto = attributes.string('auto_pad', 'NOTSET');
  if (auto.startsWith('SAME') && attributes.ints('dilations')?.some((dilation) => dilation !== 1))
    refuse(`auto_pad ${auto} with dilations has no rule; give pads.`);
}
