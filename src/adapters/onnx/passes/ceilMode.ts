import { isStatic } from '../ir/shape.ts';
import { windowOf } from '../ir/window.ts';
import { outputSizes } from '../infer/windows.ts';
import type { Lowering } from './rewrite.ts';

/**
 * A pooling with `ceil_mode` as one without, padded at the end by what it reaches beyond: what is put there counts for
 * neither a maximum nor a mean. ONNX Runtime drops a window that begins in the padding after the end, but its inference
 * of shapes has it, and then takes other sizes for a mistake.
 */
const withoutCeil: Lowering = (g, node, attributes) => {
  if (attributes.int('ceil_mode', 0) === 0) return undefined;
  const x = g.shapeOf(node.input[0]);
  const kernel = attributes.ints('kernel_shape');
  if (!isStatic(x?.slice(2)) || x === undefined || kernel === undefined) return undefined;
  const window = windowOf(attributes, x, kernel);
  const { strides, dilations, pads } = window;
  const rank = kernel.length;
  const [sizes, floor] = [outputSizes(x, window, true), outputSizes(x, window, false)];
  const more = sizes.map((size, i) => {
    const reached = (Number(size) - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1;
    const end = Math.max(pads[i + rank], reached - Number(x[i + 2]) - pads[i]);
    return size === floor[i] ? pads[i + rank] : end;
  });
  // ONNX Runtime pads by less than a window.
  if (more.some((end, i) => end >= kernel[i] && end !== pads[i + rank])) return undefined;
  const counted = attributes.int('count_include_pad', 0) === 1;
  if (counted && more.some((end, i) => end !== pads[i + rank])) return undefined;
  const outputs = g.ops(
    node.opType,
    [node.input[0]],
    {
      kernel_shape: kernel,
      strides,
      dilations: dilations.some((dilation) => dilation !== 1) ? dilations : undefined,
      pads: [...pads.slice(0, rank), ...more],
      count_include_pad: counted ? 1 : undefined,
      storage_order: attributes.has('storage_order') ? attributes.int('storage_order', 0) : undefined,
    },
    node.output.length,
  );
  return outputs;
};

/** Poolings that may have `ceil_mode`. */
export const ceilModes = new Map<string, Lowering>([
  ['MaxPool', withoutCeil],
  ['AveragePool', withoutCeil],
]);
