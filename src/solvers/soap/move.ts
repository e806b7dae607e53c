import { canStart, refreshBasis, startBasis, updateFactor } from './side.ts';
import { rotate, rotateBack } from './rotate.ts';
import { workspaceFor, type Workspace } from './workspace.ts';
import type { MomentNumbers } from '../../core/kernels/matrices.ts';
import type { Precision } from '../../core/problem.ts';
import type { Block } from './blocks.ts';

/** Numbers that all elements of a step share. */
export interface StepNumbers extends MomentNumbers {
  /** Factor of the gradient. */
  readonly clip: number;
  readonly rate: number;
  readonly weightDecay: number;
}

/** Returns a workspace for the largest of these blocks. */
export function workspaceOf(blocks: readonly Block[], precision: Precision): Workspace {
  let size = 0;
  let side = 0;
  for (const { firstMoment, left, right } of blocks) {
    size = Math.max(size, firstMoment.length);
    side = Math.max(side, left?.paddedSize ?? 0, right?.paddedSize ?? 0);
  }
  return workspaceFor(precision, size, side);
}

/** Refreshes the eigenbases of a block. */
export function refresh(block: Block, work: Workspace): void {
  const sides = [block.left, block.right].filter((side) => side?.ready);
  if (sides.length > 0) changeBases(block, work, () => sides.forEach((side) => refreshBasis(side!, work)));
}

/** Learns from the gradient of a block, and leaves the direction, SOAP's update over the rate, in `work.current`. */
export function learn(block: Block, gradient: Float64Array, numbers: StepNumbers, work: Workspace): void {
  const { heap } = work.matrices;
  load(block, gradient, numbers.clip, work);
  learnSides(block, numbers.beta2, work);
  const starting = [block.left, block.right].filter((side) => side !== null && canStart(side));
  if (starting.length > 0) {
    changeBases(block, work, () => starting.forEach((side) => startBasis(side!)));
    load(block, gradient, numbers.clip, work);
  }
  rotate(block, work);
  const { firstMoment, secondMoment } = block;
  heap.set(firstMoment, work.firstMoment);
  heap.set(secondMoment, work.secondMoment);
  work.matrices.adam(work.current, work.firstMoment, work.secondMoment, firstMoment.length, numbers);
  firstMoment.set(heap.subarray(work.firstMoment, work.firstMoment + firstMoment.length));
  secondMoment.set(heap.subarray(work.secondMoment, work.secondMoment + secondMoment.length));
  rotateBack(block, work);
}

/**
 * Moves the part of a point that a block has along the direction in `work.current`.
 *
 * @param x - decays
 * @param target - moves, x itself or the point that a schedule-free step starts from
 * @returns the largest change of an element
 */
export function move(
  block: Block,
  x: Float64Array,
  target: Float64Array,
  numbers: StepNumbers,
  work: Workspace,
): number {
  const { rate, weightDecay } = numbers;
  const { heap } = work.matrices;
  const rounds = heap instanceof Float32Array && target === x;
  let moved = 0;
  for (const { row, col, rows, cols, offset, stride } of block.pieces) {
    for (let i = 0; i < rows; i++) {
      const from = work.current + (row + i) * block.paddedCols + col;
      const to = offset + i * stride;
      for (let j = 0; j < cols; j++) {
        const s = rate * (heap[from + j] + weightDecay * x[to + j]);
        const size = Math.abs(s);
        if (size > moved) moved = size;
        target[to + j] = rounds ? Math.fround(target[to + j] - s) : target[to + j] - s;
      }
    }
  }
  return moved;
}

/** Copies the gradient of a block, times `clip`, to `work.current`. */
function load(block: Block, gradient: Float64Array, clip: number, { matrices, current }: Workspace): void {
  const { rows: height, cols: width, paddedRows, paddedCols } = block;
  const { heap } = matrices;
  if (height < paddedRows || width < paddedCols) heap.fill(0, current, current + paddedRows * paddedCols);
  for (const { row, col, rows, cols, offset, stride } of block.pieces) {
    for (let i = 0; i < rows; i++) {
      const to = current + (row + i) * paddedCols + col;
      const from = offset + i * stride;
      for (let j = 0; j < cols; j++) heap[to + j] = clip * gradient[from + j];
    }
  }
}

/** Takes the gradient in `work.current` into the factors. */
function learnSides(block: Block, beta2: number, work: Workspace): void {
  const { paddedRows: rows, paddedCols: cols, left, right } = block;
  const gradient = { at: work.current, rows, cols };
  if (left) {
    const transposed = { at: work.spare, rows: cols, cols: rows };
    work.matrices.transpose(gradient, transposed);
    updateFactor(left, transposed, beta2, work);
  }
  if (right) updateFactor(right, gradient, beta2, work);
}

/** Changes the bases of a block and expresses its mean gradient in the new ones. */
function changeBases(block: Block, work: Workspace, change: () => void): void {
  const { firstMoment } = block;
  const { heap } = work.matrices;
  heap.set(firstMoment, work.current);
  rotateBack(block, work);
  change();
  rotate(block, work);
  firstMoment.set(heap.subarray(work.current, work.current + firstMoment.length));
}
