import { canStart, refreshBasis, startBasis, updateFactor } from './side.ts';
import { loadBases, rotate, rotateBack } from './rotate.ts';
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

/**
 * Moves a point, block by block.
 *
 * @param state - x `[n]`, which decays; gradient `[n]`; number of steps before this one
 * @param target - moves: x itself, or the point `[n]` that a schedule-free step starts from
 * @param frequency - steps from one refresh of the eigenbases to the next
 * @returns the largest change of an element
 */
export function moveBlocks(
  blocks: readonly Block[],
  state: {
    readonly x: Float64Array;
    readonly gradient: Float64Array;
    readonly steps: number;
    readonly precision: Precision;
  },
  target: Float64Array,
  numbers: StepNumbers,
  frequency: number,
): number {
  const { x, gradient, steps, precision } = state;
  const work = workspaceOf(blocks, precision);
  let moved = 0;
  for (let k = 0; k < blocks.length; k++) {
    // The blocks take turns, so that no step has all the work.
    if (steps > 0 && (steps + k) % frequency === 0) refresh(blocks[k], work);
    learn(blocks[k], gradient, numbers, work);
    moved = Math.max(moved, move(blocks[k], x, target, numbers, work));
  }
  return moved;
}

/** Returns a workspace for the largest of these blocks. */
function workspaceOf(blocks: readonly Block[], precision: Precision): Workspace {
  let size = 0;
  let side = 0;
  for (const { firstMoment, left, right } of blocks) {
    size = Math.max(size, firstMoment.length);
    side = Math.max(side, left?.paddedSize ?? 0, right?.paddedSize ?? 0);
  }
  return workspaceFor(precision, size, side);
}

/** Refreshes the eigenbases of a block. */
function refresh(block: Block, work: Workspace): void {
  const { left, right } = block;
  if (!left?.ready && !right?.ready) return;
  changeBases(block, work, () => {
    if (left?.ready) refreshBasis(left, work.left, work);
    if (right?.ready) refreshBasis(right, work.right, work);
  });
}

/** Learns from the gradient of a block, and leaves the direction, SOAP's update over the rate, in `work.current`. */
function learn(block: Block, gradient: Float64Array, numbers: StepNumbers, work: Workspace): void {
  const { heap } = work.matrices;
  load(block, gradient, numbers.clip, work);
  learnSides(block, numbers.beta2, work);
  const { left, right } = block;
  if ((left && canStart(left)) || (right && canStart(right))) {
    changeBases(block, work, () => {
      if (left && canStart(left)) startBasis(left);
      if (right && canStart(right)) startBasis(right);
    });
    load(block, gradient, numbers.clip, work);
  }
  loadBases(block, work);
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
function move(
  block: Block,
  x: Float64Array,
  target: Float64Array,
  numbers: StepNumbers,
  work: Workspace,
): number {
  const { rate, weightDecay } = numbers;
  const { heap } = work.matrices;
  const rounds = heap instanceof Float32Array && target === x;
  // Math.max and Math.min cost less here than an absolute value and a branch, and a loop for each case less than one for
  // both.
  let least = 0;
  let most = 0;
  for (const { row, col, rows, cols, offset, stride } of block.pieces) {
    for (let i = 0; i < rows; i++) {
      const from = work.current + (row + i) * block.paddedCols + col - offset - i * stride;
      const start = offset + i * stride;
      const end = start + cols;
      if (rounds) {
        for (let j = start; j < end; j++) {
          const value = x[j];
          const s = rate * (heap[from + j] + weightDecay * value);
          most = Math.max(most, s);
          least = Math.min(least, s);
          x[j] = Math.fround(value - s);
        }
      } else {
        for (let j = start; j < end; j++) {
          const s = rate * (heap[from + j] + weightDecay * x[j]);
          most = Math.max(most, s);
          least = Math.min(least, s);
          target[j] -= s;
        }
      }
    }
  }
  return Math.max(most, -least);
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
  loadBases(block, work);
  rotateBack(block, work);
  change();
  loadBases(block, work);
  rotate(block, work);
  firstMoment.set(heap.subarray(work.current, work.current + firstMoment.length));
}
