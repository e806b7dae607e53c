import type { NodeProto } from 'onnx-buf';
import type { Attributes } from '../ir/attributes.ts';
import { refuse } from '../ir/errors.ts';
import type { Lowering } from '../ir/op.ts';
import { isStatic, type Dimension, type Shape } from '../ir/shape.ts';

/** Padding of a transposed convolution; also by how much its result is lengthened. */
interface TransposedPads {
  readonly pads: readonly number[];
  readonly output_padding: readonly number[];
}

/** True if a transposed convolution gives the size of its result instead of its padding. */
export const isPaddedToSize = (attributes: Attributes): boolean =>
  attributes.has('output_shape') || attributes.string('auto_pad', 'NOTSET').startsWith('SAME');

/**
 * Padding that gives a transposed convolution its `output_shape`, or the size of its input times the strides if
 * `auto_pad` is SAME. ONNX Runtime pads the start by the larger half unless it is SAME_UPPER.
 *
 * @param x - shape of the input
 * @param kernel - spatial sizes of the weight
 */
export function transposedPads(
  attributes: Attributes,
  x: Shape | undefined,
  kernel: readonly Dimension[],
): TransposedPads {
  const sizes = attributes.ints('kernel_shape') ?? kernel;
  if (!isStatic(sizes)) refuse('the shape of its weight is not known before the model runs.');
  const ones = sizes.map(() => 1);
  const [strides, dilations] = [attributes.ints('strides') ?? ones, attributes.ints('dilations') ?? ones];
  const extra = attributes.ints('output_padding') ?? ones.map(() => 0);
  const shape = attributes.ints('output_shape')?.slice(-sizes.length);
  const totals = sizes.map((size, i) => {
    const reach = dilations[i] * (size - 1) + 1 + extra[i];
    // SAME does not lengthen what is shorter than its input times the strides.
    if (shape === undefined) return Math.max(0, reach - strides[i]);
    const length = x?.[i + 2];
    if (typeof length !== 'number')
      refuse(
        'output_shape needs spatial sizes known beforehand; give pads and output_padding, or fix the shape of its input.',
      );
    return strides[i] * (length - 1) + reach - shape[i];
  });
  const upper = attributes.string('auto_pad', 'NOTSET') === 'SAME_UPPER';
  const begins = totals.map((total) => Math.max(0, upper ? Math.floor(total / 2) : Math.ceil(total / 2)));
  const ends = totals.map((total, i) => Math.max(0, total) - begins[i]);
  const lengthened = totals.map((total, i) => extra[i] + Math.max(0, -total));
  if (lengthened.some((more, i) => more >= Math.max(strides[i], dilations[i])))
    refuse(`output_shape [${shape?.join(', ')}] is longer than its input can make.`);
  return { pads: [...begins, ...ends], output_padding: lengthened };
}

/** Writes the size of the result as pads and output_padding. */
export const withPads: Lowering = (g, node: NodeProto, attributes) => {
  if (!isPaddedToSize(attributes)) return undefined;
  const [x, w, bias] = node.input;
  const { pads, output_padding } = transposedPads(attributes, g.shapeOf(x), g.shapeOf(w)?.slice(2) ?? []);
  const window = {
    kernel_shape: attributes.ints('kernel_shape'),
    strides: attributes.ints('strides'),
    dilations: attributes.ints('dilations'),
    group: attributes.has('group') ? attributes.int('group', 1) : undefined,
    pads,
    output_padding: output_padding.some((more) => more !== 0) ? output_padding : undefined,
  };
  return [g.convolveTransposed(x, w, window, bias || undefined)];
};
