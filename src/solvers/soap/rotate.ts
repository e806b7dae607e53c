/**
 * Products of a block with the eigenbases of its sides.
 *
 * @module
 */
import { swap, type BasisPlace, type Workspace } from './workspace.ts';
import type { Block } from './blocks.ts';
import type { Side } from './side.ts';

/** Copies the bases of a block to their places, for {@link rotate} and {@link rotateBack}. */
export function loadBases({ left, right }: Block, work: Workspace): void {
  if (left) loadBasis(left, work.left, work);
  if (right) loadBasis(right, work.right, work);
}

function loadBasis(
  { basis, paddedSize }: Side,
  { rows, columns }: BasisPlace,
  { matrices }: Workspace,
): void {
  matrices.heap.set(basis, rows);
  const square = { rows: paddedSize, cols: paddedSize };
  matrices.transpose({ at: rows, ...square }, { at: columns, ...square });
}

/** Puts Q_LᵀAQ_R in the place of A, the current matrix. */
export function rotate(block: Block, work: Workspace): void {
  multiply(block, work, work.left.columns, work.right.columns);
}

/** Puts Q_LAQ_Rᵀ in the place of A. */
export function rotateBack(block: Block, work: Workspace): void {
  multiply(block, work, work.left.rows, work.right.rows);
}

/** Puts LᵀAR in the place of A, where L and R lie at these places; sides that are not rotated have none. */
function multiply(block: Block, work: Workspace, leftAt: number, rightAt: number): void {
  const { paddedRows: rows, paddedCols: cols, left, right } = block;
  const { matrices } = work;
  const L = { at: leftAt, rows, cols: rows };
  const R = { at: rightAt, rows: cols, cols };
  const A = { at: work.current, rows, cols };
  if (left && !right) {
    matrices.product(L, A, { at: work.spare, rows, cols });
    swap(work);
  } else if (right) {
    const transposed = { at: work.spare, rows: cols, cols: rows };
    if (left) matrices.product(A, L, transposed);
    else matrices.transpose(A, transposed);
    swap(work);
    matrices.product(transposed, R, { at: work.spare, rows, cols });
    swap(work);
  }
}
