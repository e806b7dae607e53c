/**
 * Transposed convolutions with strides in ONNX Runtime's blocked layout, without zeros between the places of the image.
 *
 * @module
 */
import type { Value } from '../ir/graph.ts';
import { range } from '../ir/shape.ts';
import { DType } from '../ir/tensor.ts';
import { upTo } from './blockedForms.ts';
import { convolveBlocks, inLayout, weightInLayout, type Blocks, type Phases } from './blockedLayout.ts';

/** The elements of a window that meet the places of one phase of the result, along one axis. */
interface Phase {
  /** Places in the window, in the order of the places of the image that they meet. */
  readonly taps: readonly number[];
  /** Padding of the image at both ends. */
  readonly pads: readonly [begin: number, end: number];
}

/** A transposed convolution, its weight `[outer, inner, …kernel]` not flipped. */
export interface Transposed {
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
 * The phases of a result; undefined if they have different sizes, or need the image cut.
 *
 * The places of the result that are a stride apart are a plain convolution of the image with every stride-th element of the
 * window; zero where the window has none.
 */
export function phasesOf(blocks: Blocks, convolution: Transposed): Phases | undefined {
  const { g, size } = blocks;
  const { x, weight, shape, strides, begins, image, outs } = convolution;
  const [outer, inner, ...kernel] = shape;
  const axes = kernel.map((length, i) => tapsOf(length, strides[i], begins[i]));
  const isWhole = outs.every((out, i) => out === strides[i] * image[i]);
  if (!isWhole || axes.flat().some(({ pads }) => Math.min(...pads) < 0)) return undefined;
  const source = inLayout(blocks, x);
  const parts = axes[0].map((row) => {
    const rowWeight = row.taps.length > 0 ? g.gather(weight, g.integers(row.taps), 2) : undefined;
    return axes[1].map((column) => {
      if (rowWeight === undefined || column.taps.length === 0) return undefined;
      const part = g.gather(rowWeight, g.integers(column.taps), 3);
      const lengths = [row.taps.length, column.taps.length];
      return convolveBlocks(
        g,
        [source, weightInLayout(g, part, [outer, inner, ...lengths], 'blocks', size)],
        {
          kernel_shape: lengths,
          pads: [row.pads[0], column.pads[0], row.pads[1], column.pads[1]],
        },
      );
    });
  });
  return { parts, channels: upTo(outer, size), image };
}

/** Puts phases side by side: columns first, then rows, whole blocks of channels at a time. */
export function joinPhases({ g, size }: Blocks, { parts, channels, image: [height, width] }: Phases): Value {
  const zeros = () => {
    const some = parts.flat().find((part) => part !== undefined) ?? '';
    return g.once(`zeros like ${some}`, () => g.filled(g.shape(some), 0, DType.FLOAT));
  };
  const rows = parts.map((columns) => {
    const flat = columns.map((part) => g.reshape(part ?? zeros(), [-1, 1, size]));
    return g.reshape(g.concat(flat, 1), [-1, 1, columns.length * width * size]);
  });
  const sizes = [parts.length * height, parts[0].length * width];
  return g.reshape(g.concat(rows, 1), [-1, channels, ...sizes]);
}

const sizesOf = ({ parts, channels, image }: Phases) =>
  [parts.length, parts[0].length, channels, ...image].join();

/** The sum of two results with phases of the same sizes; undefined if they differ. */
export function addPhases({ g }: Blocks, a: Phases, b: Phases): Phases | undefined {
  if (sizesOf(a) !== sizesOf(b)) return undefined;
  const sum = (first: Value | undefined, second: Value | undefined) =>
    first === undefined || second === undefined ? (first ?? second) : g.add(first, second);
  const parts = a.parts.map((row, i) => row.map((part, j) => sum(part, b.parts[i][j])));
  return Object.assign({}, a, { parts });
}

/** Phase a of the result has the elements k of the window with a + begin − k = stride·t at the places i + t of the image. */
const tapsOf = (length: number, stride: number, begin: number): Phase[] =>
  range(stride).map((a) => {
    const taps = range(length)
      .filter((k) => (a + begin - k) % stride === 0)
      .toReversed();
    const steps = taps.map((k) => (a + begin - k) / stride);
    return { taps, pads: [-(steps[0] ?? 0), steps.at(-1) ?? 0] };
  });
