/**
 * Products of a block with the eigenbases of its sides.
 *
 * @module
 */
import { swap, type Workspace } from './workspace.ts';
import type { Block } from './blocks.ts';
import type { Side } from './side.ts';

/** Writes the bases of a block, their vectors as columns, to their places, for {@link rotate}. */
export function loadBases({ left, right }: Block, work: Workspace): void {
  if (left) transposeBasis(left, work.left, work);
  if (right) transposeBasis(right, work.right, work);
}

function transposeBasis({ basis, paddedSize }: Side, to: number, { matrices }: Workspace): void {
  const square = { rows: paddedSize, cols: paddedSize };
  matrices.transpose({ at: basis, ...square }, { at: to, ...square });
}

/** Puts Q_LᵀAQ_R in the place of A, the current matrix. */
export function rotate(block: Block, work: Workspace): void {
  multiply(block, work, work.left, work.right);
}

/** Puts Q_LAQ_Rᵀ in the place of A. */
export function rotateBack(block: Block, work: Workspace): void {
  multiply(block, work, block.left?.basis ?? 0, block.right?.basis ?? 0);
}

/** Puts LᵀAR in the place of A, where L and R lie at these places; sides that are not rotated have none. */
function multiply(block: Block, work: Workspace, leftAt: number, rightAt: number): void {
  const { paddedRows: rows, paddedCols: cols, left, right } = block;
  const { matrices } = work;
  const L = { at: leftAt, rows, cols: rows };
  const R = { at: rightAt, rows: cols, cols };
  const A = { at: work.current, rows, cols };
  if (left && right) {
    const transposed = { at: work.spare, rows: cols, cols: rows };
    matrices.product(A, L, transposed);
    matrices.product(transposed, R, A);
  } else if (left) {
    matrices.product(L, A, { at: work.spare, rows, cols });
    swap(work);
  } else if (right) {
    matrices.multiply(A, R, { at: work.spare, rows, cols });
    swap(work);
  }
}
