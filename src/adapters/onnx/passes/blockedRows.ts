/**
 * Convolutions with so few filters that they would leave half of each block empty.
 *
 * @module
 */
import type { TensorType } from '../ir/shape.ts';
import { isStatic, range } from '../ir/shape.ts';
import type { Value } from '../ir/graph.ts';
import type { Form } from './blockedForms.ts';
import { blocked, convolveBlocks, weightInLayout, type Blocks } from './blockedLayout.ts';

/** Rows that are computed as filters of one block. */
const ROWS = 2;

/** A convolution in one group, with a stride and dilation of 1. */
interface Convolution {
  /** The image in the layout, or in the standard one for the form `'few channels'`. */
  readonly source: Value;
  readonly weight: Value;
  /** Shape of the weight, `[M, C, kH, kW]`. */
  readonly shape: readonly number[];
  readonly form: Form;
  readonly pads: readonly number[];
  readonly bias?: Value | undefined;
  readonly activation?: string | undefined;
}

/** True if two rows of a result `[N, M, H, W]` fill the filters of a block. */
export const pairsRows = (
  { size }: Blocks,
  [filters, , length]: readonly number[],
  result: TensorType | undefined,
): boolean => {
  const height = result?.shape?.[2];
  return (
    ROWS * filters === size &&
    length > 1 &&
    isStatic(result?.shape?.slice(2)) &&
    Number(height) > 0 &&
    Number(height) % ROWS === 0
  );
};

/**
 * Makes `output` of a convolution that moves two rows at a time, and has its weight twice, within a window that is longer by
 * one row: (k + 1)/2k times the work of a half-empty block.
 */
export function byRows(
  { g, size }: Blocks,
  { source, weight, shape, form, pads, bias, activation }: Convolution,
  output: Value,
  type: TensorType,
): void {
  const [filters, inner, length, width] = shape;
  const moved = range(ROWS).map((row) => g.pad(weight, [0, 0, row, 0, 0, 0, ROWS - 1 - row, 0]));
  const long = length + ROWS - 1;
  const whole = [size, inner, long, width];
  const convolved = convolveBlocks(
    g,
    [
      source,
      weightInLayout(g, g.concat(moved, 0), whole, form, size),
      ...(bias ? [g.concat(Array(ROWS).fill(bias), 0)] : []),
    ],
    { kernel_shape: [long, width], strides: [ROWS, 1], pads, activation },
  );
  const [rows, columns] = (type.shape ?? []).slice(2).map(Number);
  const channels = blocked(g, 'ReorderOutput', [convolved], { channels: size });
  const apart = g.reshape(channels, [-1, ROWS, filters, rows / ROWS, columns]);
  const joined = g.transpose(apart, [0, 2, 3, 1, 4]);
  g.naming(output).reshape(joined, [-1, filters, rows, columns]);
  g.types.set(output, type);
}
