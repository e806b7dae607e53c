/**
 * Products of a block with the eigenbases of its sides.
 *
 * @module
 */
import { swap, type Workspace } from './workspace.ts';
import type { Block } from './blocks.ts';
import type { Side } from './side.ts';

/** Copies the bases of a block, with their vectors as columns, to where {@link rotate} reads them. */
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

/**
 * Expresses A, the current matrix, in the present bases; those it is in, their vectors as columns, are at the places that
 * {@link loadBases} writes to. A product of bases costs less than to rotate A back and forth.
 */
export function turn(block: Block, work: Workspace): void {
  const { left, right } = block;
  if (left) productOfBases(left, work.left, work.square, work);
  if (right) productOfBases(right, work.right, work.fresh, work);
  multiply(block, work, work.square, work.fresh);
}

/** Writes EᵀQ, of the earlier basis E at a place and the present one. */
function productOfBases(side: Side, earlier: number, to: number, work: Workspace): void {
  const square = { rows: side.paddedSize, cols: side.paddedSize };
  transposeBasis(side, work.factor, work);
  work.matrices.product({ at: earlier, ...square }, { at: work.factor, ...square }, { at: to, ...square });
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
