/**
 * Matrices that SOAP makes of tensors.
 *
 * @module
 */
import { checkLayout, sizeOf, type Layout, type TensorEntry } from '../../core/layout.ts';

/** A rectangle of a matrix, and where it lies in the flat vector. */
export interface Piece {
  /** Its first row and column in the matrix. */
  readonly row: number;
  readonly col: number;
  readonly rows: number;
  readonly cols: number;
  /** Index of its first element in the flat vector, and the distance between its rows there. */
  readonly offset: number;
  readonly stride: number;
}

/** A matrix, and the pieces that fill it. */
export interface Whole {
  readonly rows: number;
  readonly cols: number;
  readonly pieces: readonly Piece[];
  /** Sides that may be rotated: vectors have none, embeddings only their features. */
  readonly sides: 'none' | 'right' | 'both';
  /** Side of the inputs, the one that is rotated where only one is: the other one is that of filters or units. */
  readonly inputs: 'left' | 'right';
  /** True if the layout tells which side that is. */
  readonly isDeclared: boolean;
}

/**
 * Returns the tensors of a layout as matrices.
 *
 * @param joinBias - makes a bias another row or column of the matrix before it
 * @throws TypeError if the layout is malformed @throws RangeError if the tensors do not fill the vector `[n]` one after the
 *   other, or a shape has another size
 */
export function matricesOf(layout: Layout | undefined, n: number, joinBias: boolean): Whole[] {
  if (layout === undefined) return [vector(0, n)];
  checkLayout('soap', layout, n, 'the number of unknowns');
  const tensors = layout.tensors.filter(({ size }) => size > 0);
  const wholes: Whole[] = [];
  for (let i = 0; i < tensors.length; i++) {
    const whole = matrixOf(tensors[i]);
    const joined = joinBias ? withBias(whole, tensors[i], tensors[i + 1]) : null;
    if (joined) i++;
    wholes.push(joined ?? whole);
  }
  return wholes;
}

function vector(offset: number, size: number): Whole {
  const piece = { row: 0, col: 0, rows: 1, cols: size, offset, stride: size };
  return { rows: 1, cols: size, pieces: [piece], sides: 'none', inputs: 'right', isDeclared: false };
}

function matrixOf(tensor: TensorEntry): Whole {
  const { offset, size, shape, role } = tensor;
  const isVector =
    shape.length < 2 || role?.kind === 'bias' || role?.kind === 'norm' || role?.kind === 'slope';
  if (isVector) return vector(offset, size);
  const { rows, inputs, isDeclared } = rowsOf(tensor);
  const cols = size / rows;
  const piece = { row: 0, col: 0, rows, cols, offset, stride: cols };
  // The words of an embedding are not mixed with one another: few of them have a gradient at a time.
  const sides = role?.kind === 'embedding' ? 'right' : 'both';
  return { rows, cols, pieces: [piece], sides, inputs, isDeclared };
}

/** The matrix of a kernel with its bias; null where the next tensor is not a bias. */
function withBias(whole: Whole, kernel: TensorEntry, bias: TensorEntry | undefined): Whole | null {
  const { rows, cols, pieces, sides, isDeclared } = whole;
  if (sides !== 'both' || bias === undefined) return null;
  const isBias = bias.role ? bias.role.kind === 'bias' : bias.shape.length === 1;
  // One number for each filter: filters are rows in ONNX, columns in TensorFlow.js.
  const filtersLast = kernel.role?.filterAxes?.includes(kernel.shape.length - 1) ?? bias.size !== rows;
  if (!isBias || bias.size !== (filtersLast ? cols : rows)) return null;
  const { offset } = bias;
  const piece = filtersLast
    ? { row: rows, col: 0, rows: 1, cols, offset, stride: cols }
    : { row: 0, col: cols, rows, cols: 1, offset, stride: 1 };
  return {
    rows: rows + (filtersLast ? 1 : 0),
    cols: cols + (filtersLast ? 0 : 1),
    pieces: [...pieces, piece],
    sides,
    inputs: filtersLast ? 'left' : 'right',
    isDeclared,
  };
}

/**
 * Number of rows of a tensor as a matrix, and the side of its inputs. The axes of its filters make one side, all others
 * the other one: a convolution is `[out, in·h·w]` in ONNX and `[h·w·in, out]` in TensorFlow.js. Where these axes are
 * unknown or stand in the middle, either the first axis makes the rows or the last one the columns: the one that makes the
 * matrix more nearly square, which of most convolutions is that of the filters. The rows then count as filters.
 */
function rowsOf({ shape, size, role }: TensorEntry): Pick<Whole, 'rows' | 'inputs' | 'isDeclared'> {
  const axes = [...(role?.filterAxes ?? [])].sort((a, b) => a - b);
  const count = axes.length;
  if (count > 0 && count < shape.length) {
    if (axes.every((axis, i) => axis === i)) {
      return { rows: sizeOf(shape.slice(0, count)), inputs: 'right', isDeclared: true };
    }
    if (axes.every((axis, i) => axis === shape.length - count + i)) {
      return { rows: sizeOf(shape.slice(0, -count)), inputs: 'left', isDeclared: true };
    }
  }
  const first = shape[0];
  const beforeLast = size / shape[shape.length - 1];
  const longer = (rows: number): number => Math.max(rows, size / rows);
  const rows = longer(beforeLast) < longer(first) ? beforeLast : first;
  return { rows, inputs: 'right', isDeclared: false };
}
