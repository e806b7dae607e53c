/**
 * Transposed convolutions with strides in ONNX Runtime's blocked layout, without zeros between the places of the image.
 *
 * @module
 */
import type { Value } from '../ir/graph.ts';
import { range } from '../ir/shape.ts';
import { upTo } from './blockedForms.ts';
import { convolveBlocks, inLayout, weightInLayout, type Blocks } from './blockedLayout.ts';

/** The elements of a window that meet the places of one phase of the result, along one axis. */
interface Phase {
  /** Places in the window, in the order of the places of the image that they meet. */
  readonly taps: readonly number[];
  /** Padding of the image at both ends. */
  readonly pads: readonly [begin: number, end: number];
}

/** A transposed convolution, its weight `[outer, inner, …kernel]` not flipped. */
interface Transposed {
  readonly x: Value;
  readonly weight: Value;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  /** Padding at the beginning of each axis. */
  readonly begins: readonly number[];
  readonly image: readonly number[];
  /** Sizes of the result's image. */
  readonly outs: readonly number[];
}

/**
 * Returns the result in the layout; undefined if its phases have different sizes, or one is empty.
 *
 * The places of the result that are a stride apart are a plain convolution of the image with every stride-th element of the
 * window. The phases are then put side by side: columns first, then rows, whole blocks of channels at a time.
 */
export function byPhases(blocks: Blocks, convolution: Transposed): Value | undefined {
  const { g, size } = blocks;
  const { x, weight, shape, strides, begins, image, outs } = convolution;
  const [outer, inner, ...kernel] = shape;
  const axes = kernel.map((length, i) => phasesOf(length, strides[i], begins[i]));
  const isWhole = outs.every((out, i) => out === strides[i] * image[i]);
  if (!isWhole || axes.flat().some(({ taps, pads }) => taps.length === 0 || Math.min(...pads) < 0))
    return undefined;
  const source = inLayout(blocks, x);
  const [height, width] = image;
  const rows = axes[0].map((row) => {
    const rowWeight = g.gather(weight, g.integers(row.taps), 2);
    const columns = axes[1].map((column) => {
      const part = g.gather(rowWeight, g.integers(column.taps), 3);
      const lengths = [row.taps.length, column.taps.length];
      const convolved = convolveBlocks(
        g,
        [source, weightInLayout(g, part, [outer, inner, ...lengths], 'blocks', size)],
        {
          kernel_shape: lengths,
          pads: [row.pads[0], column.pads[0], row.pads[1], column.pads[1]],
        },
      );
      return g.reshape(convolved, [-1, 1, size]);
    });
    return g.reshape(g.concat(columns, 1), [-1, 1, strides[1] * width * size]);
  });
  return g.reshape(g.concat(rows, 1), [-1, upTo(outer, size), strides[0] * height, strides[1] * width]);
}

/** Phase a of the result has the elements k of the window with a + begin − k = stride·t at the places i + t of the image. */
const phasesOf = (length: number, stride: number, begin: number): Phase[] =>
  range(stride).map((a) => {
    const taps = range(length)
      .filter((k) => (a + begin - k) % stride === 0)
      .toReversed();
    const steps = taps.map((k) => (a + begin - k) / stride);
    return { taps, pads: [-(steps[0] ?? 0), steps.at(-1) ?? 0] };
  });
