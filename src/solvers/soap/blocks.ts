/**
 * Blocks that SOAP works on, one after the other: matrices, or parts of those with long sides.
 *
 * @module
 */
import { paddedSide } from '../../core/kernels/newMatrices.ts';
import type { Layout } from '../../core/layout.ts';
import type { Precision } from '../../core/problem.ts';
import { newSide, type Side } from './side.ts';
import { matricesOf, type Piece, type Whole } from './tensors.ts';

/** A part of the unknowns, read as a matrix `[rows, cols]` row by row. */
export interface Block {
  readonly rows: number;
  readonly cols: number;
  /** Rows and columns with the zeros that fill them up. */
  readonly paddedRows: number;
  readonly paddedCols: number;
  /** Places of its elements in the flat vector. */
  readonly pieces: readonly Piece[];
  /** Curvature of its columns, `[rows, rows]`; null where this side is not rotated. */
  readonly left: Side | null;
  /** Curvature of its rows, `[cols, cols]`; null where this side is not rotated. */
  readonly right: Side | null;
  /** Place of the mean gradient in the eigenbases, `[paddedRows, paddedCols]`, in the memory of the state. */
  readonly firstMoment: number;
  /** Place of the mean squared gradient there. */
  readonly secondMoment: number;
}

/** Limits to what is rotated. */
export interface SideLimits {
  /** Longest part of a side: longer sides are cut into equal ones. If undefined, it depends on the size of the matrix. */
  readonly maxSide: number | undefined;
  /**
   * Rotate the side of the inputs only; if undefined, of matrices whose sides are cut to less than {@link BOTH_FROM} and whose
   * inputs the layout tells.
   */
  readonly oneSided: boolean | undefined;
  readonly joinBias: boolean;
}

/** Bounds of the default of `maxSide`. */
const SHORTEST = 16;
const LONGEST = 128;

/** Elements of a matrix times `maxSide` stay below, as far as these bounds allow. Plain loops multiply a tenth as fast as SIMD. */
const BUDGET: Record<Precision, number> = { float64: 2 ** 18, float32: 2 ** 20 };

/** Parts of sides that are at least this long leave both sides rotated by default: such matrices are small. */
const BOTH_FROM = 64;

/** Number of elements in the parts that vectors are cut into; the cache holds them. */
const VECTOR_PART = 2 ** 16;

/** Blocks, and how many numbers of memory they need. */
export interface Blocks {
  readonly blocks: readonly Block[];
  readonly length: number;
}

/** Returns memory for a number of elements. */
type Take = (numbers: number) => number;

/**
 * Returns the blocks of the tensors of a layout; without a layout, the unknowns are one vector.
 *
 * @throws RangeError if the tensors do not fill the vector `[n]` one after the other, or a shape has another size
 */
export function blocksOf(
  layout: Layout | undefined,
  n: number,
  precision: Precision,
  limits: SideLimits,
): Blocks {
  let length = 0;
  const take: Take = (numbers) => {
    length += numbers;
    return length - numbers;
  };
  const wholes = matricesOf(layout, n, limits.joinBias);
  const blocks = wholes.flatMap((whole) => cut(whole, precision, limits, take));
  return { blocks, length };
}

/** Cuts the sides of a matrix that are rotated into parts of at most `maxSide`, and others into what the cache holds. */
function cut(whole: Whole, precision: Precision, limits: SideLimits, take: Take): Block[] {
  const { rows, cols, sides, inputs, isDeclared } = whole;
  const { maxSide = defaultSide(rows * cols, precision), oneSided } = limits;
  const allowLeft = sides === 'both' && rows > 1 && maxSide > 1;
  const allowRight = sides !== 'none' && cols > 1 && maxSide > 1;
  const isCut = maxSide < BOTH_FROM && (rows > maxSide || cols > maxSide);
  const onlyOne = (oneSided ?? (isCut && isDeclared)) && allowLeft && allowRight;
  const left = allowLeft && !(onlyOne && inputs === 'right');
  const right = allowRight && !(onlyOne && inputs === 'left');
  const acrossRows = left ? parts(rows, maxSide) : [[0, rows] as const];
  const acrossCols = right ? parts(cols, maxSide) : parts(cols, left ? cols : VECTOR_PART);
  return acrossRows.flatMap((from) =>
    acrossCols.map((to) => newBlock(whole, from, to, { left, right }, precision, take)),
  );
}

/** Longest side of the parts of a matrix by default, a power of 2. */
function defaultSide(size: number, precision: Precision): number {
  const affordable = 2 ** (Math.ceil(Math.log2(BUDGET[precision] / size)) - 1);
  return Math.min(LONGEST, Math.max(SHORTEST, affordable));
}

type Range = readonly [from: number, to: number];

/** Cuts a side into equal parts of at most `limit`. */
function parts(length: number, limit: number): Range[] {
  const count = Math.max(1, Math.ceil(length / limit));
  return Array.from({ length: count }, (_, k) => [
    Math.floor((k * length) / count),
    Math.floor(((k + 1) * length) / count),
  ]);
}

function newBlock(
  { pieces }: Whole,
  [top, bottom]: Range,
  [start, end]: Range,
  rotated: { left: boolean; right: boolean },
  precision: Precision,
  take: Take,
): Block {
  const [rows, cols] = [bottom - top, end - start];
  const inside = pieces.flatMap((piece): Piece[] => {
    const row = Math.max(top, piece.row);
    const col = Math.max(start, piece.col);
    const size = {
      rows: Math.min(bottom, piece.row + piece.rows) - row,
      cols: Math.min(end, piece.col + piece.cols) - col,
    };
    if (size.rows <= 0 || size.cols <= 0) return [];
    const offset = piece.offset + (row - piece.row) * piece.stride + (col - piece.col);
    return [{ row: row - top, col: col - start, ...size, offset, stride: piece.stride }];
  });
  const isRotated = rotated.left || rotated.right;
  const paddedRows = isRotated ? paddedSide(rows, precision) : rows;
  const paddedCols = paddedSide(cols, precision);
  return {
    rows,
    cols,
    paddedRows,
    paddedCols,
    pieces: inside,
    left: rotated.left ? newSide(rows, precision, take) : null,
    right: rotated.right ? newSide(cols, precision, take) : null,
    firstMoment: take(paddedRows * paddedCols),
    secondMoment: take(paddedRows * paddedCols),
  };
}
