/**
 * Matrices that SOAP makes of tensors, and the sides of them that it rotates.
 *
 * @module
 */
import { sizeOf, type Layout, type TensorEntry } from '../../core/layout.ts';
import { newSide, type Side } from './side.ts';

/** A part of the flat vector, read as a matrix `[rows, cols]` row by row. */
export interface Block {
  /** Index of its first element in the flat vector. */
  readonly offset: number;
  readonly rows: number;
  readonly cols: number;
  /** Curvature of its columns, `[rows, rows]`; null where this side is not rotated. */
  readonly left: Side | null;
  /** Curvature of its rows, `[cols, cols]`; null where this side is not rotated. */
  readonly right: Side | null;
}

/** Limits to what is rotated. */
export interface SideLimits {
  /** Sides longer than this are not rotated. */
  readonly maxSide: number;
  /** Rotate the shorter side only. */
  readonly oneSided: boolean;
}

/**
 * Returns one block for each tensor of a layout; without a layout, one that is not rotated.
 *
 * @throws RangeError if the tensors do not fill the vector `[n]` one after the other, or a shape has another size
 */
export function blocksOf(layout: Layout | undefined, n: number, limits: SideLimits): Block[] {
  if (layout === undefined) return [{ offset: 0, rows: 1, cols: n, left: null, right: null }];
  checkLayout(layout, n);
  return layout.tensors.filter(({ size }) => size > 0).map((tensor) => blockOf(tensor, limits));
}

function blockOf(tensor: TensorEntry, { maxSide, oneSided }: SideLimits): Block {
  const { offset, size, shape, role } = tensor;
  const isVector =
    shape.length < 2 || role?.kind === 'bias' || role?.kind === 'norm' || role?.kind === 'slope';
  const rows = isVector ? 1 : rowsOf(tensor);
  const cols = size / rows;
  const rotates = (side: number, other: number): boolean =>
    !isVector && side > 1 && side <= maxSide && !(oneSided && side > other);
  // The words of an embedding are not mixed with one another: few of them have a gradient at a time.
  const isEmbedding = role?.kind === 'embedding';
  const left = !isEmbedding && rotates(rows, cols);
  const right = rotates(cols, rows) && !(oneSided && left);
  return { offset, rows, cols, left: left ? newSide(rows) : null, right: right ? newSide(cols) : null };
}

/**
 * Number of rows of a tensor as a matrix. The axes of its filters make one side, all others the other one: a
 * convolution is `[out, in·h·w]` in ONNX and `[h·w·in, out]` in TensorFlow.js. Where these axes are unknown or stand
 * in the middle, the first axis makes the rows, after any leading axes of length 1.
 */
function rowsOf({ shape, role }: TensorEntry): number {
  const axes = [...(role?.filterAxes ?? [])].sort((a, b) => a - b);
  const count = axes.length;
  if (count > 0 && count < shape.length) {
    if (axes.every((axis, i) => axis === i)) return sizeOf(shape.slice(0, count));
    if (axes.every((axis, i) => axis === shape.length - count + i)) return sizeOf(shape.slice(0, -count));
  }
  const first = shape.findIndex((dimension, i) => dimension > 1 || i === shape.length - 2);
  return shape[first];
}

function checkLayout({ length, tensors }: Layout, n: number): void {
  let end = 0;
  for (const { name, shape, offset, size } of tensors) {
    if (sizeOf(shape) !== size) {
      throw new RangeError(
        `soap: the layout gives ${name} the shape [${shape.join(', ')}] and the size ${size}; it must be ${sizeOf(shape)}.`,
      );
    }
    if (offset !== end) {
      throw new RangeError(
        `soap: the layout puts ${name} at ${offset}; it must be ${end}, where the tensor before it ends.`,
      );
    }
    end += size;
  }
  if (end !== n || length !== n) {
    throw new RangeError(
      `soap: the layout has ${end} elements in its tensors and the length ${length}; both must be ${n}, the number of unknowns.`,
    );
  }
}
