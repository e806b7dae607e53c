/**
 * Products of a block with the eigenbases of its sides.
 *
 * @module
 */
import type { Matrix } from '../../core/kernels/matrices.ts';
import type { Block } from './blocks.ts';
import type { Side } from './side.ts';
import type { Workspace } from './workspace.ts';

/** Puts Q_LᵀAQ_R, or its transpose if the right side is rotated, in the place of A. */
export function rotate({ paddedRows, paddedCols, left, right }: Block, work: Workspace): void {
  if (left) multiply(left, paddedCols, work, false);
  if (right) {
    transpose(paddedRows, paddedCols, work);
    multiply(right, paddedRows, work, false);
  }
}

/** Undoes {@link rotate}. */
export function rotateBack({ paddedRows, paddedCols, left, right }: Block, work: Workspace): void {
  if (right) {
    multiply(right, paddedRows, work, true);
    transpose(paddedCols, paddedRows, work);
  }
  if (left) multiply(left, paddedCols, work, true);
}

/** Multiplies the current matrix, `[side, cols]`, by Qᵀ, or by Q if `back`; the rows of `basis` are the columns of Q. */
function multiply(
  { basis, paddedSize: rows, ready }: Side,
  cols: number,
  work: Workspace,
  back: boolean,
): void {
  if (!ready) return;
  const { matrices, current, spare, columns } = work;
  matrices.heap.set(basis, work.basis);
  const byRows: Matrix = { at: work.basis, rows, cols: rows };
  const byColumns: Matrix = { at: columns, rows, cols: rows };
  if (!back) matrices.transpose(byRows, byColumns);
  matrices.product(back ? byRows : byColumns, { at: current, rows, cols }, { at: spare, rows, cols }, false);
  swap(work);
}

/** Transposes the current matrix, `[rows, cols]`. */
function transpose(rows: number, cols: number, work: Workspace): void {
  work.matrices.transpose({ at: work.current, rows, cols }, { at: work.spare, rows: cols, cols: rows });
  swap(work);
}

function swap(work: Workspace): void {
  const { current, spare } = work;
  work.current = spare;
  work.spare = current;
}
