import { canStart, refreshBasis, startBasis, updateFactor } from './side.ts';
import { loadBases, rotate, rotateBack, turn } from './rotate.ts';
import { workspaceOf, type Workspace } from './workspace.ts';
import type { Heap, MomentNumbers, StepSizes } from '../../core/kernels/matrices.ts';
import type { Precision } from '../../core/problem.ts';
import type { Block } from './blocks.ts';

/** Numbers that all elements of a step share. */
export interface StepNumbers extends MomentNumbers, StepSizes {
  /** Factor of the gradient. */
  readonly clip: number;
}

/** State of a run, as far as a move needs it. */
interface MovingState {
  /** Decays; `[n]`. */
  readonly x: Float64Array;
  readonly gradient: Float64Array;
  /** Number of steps before this one. */
  readonly steps: number;
  readonly precision: Precision;
  readonly blocks: readonly Block[];
  memory: Heap;
}

/**
 * Steps before the first refresh. A basis that turns sooner, by gradients of low rank, has directions that have a first moment
 * but hardly any second: with one sample a batch, steps were 60 times as long as they should be.
 */
const FIRST_REFRESH = 4;

/**
 * Moves a point, block by block.
 *
 * @param target - moves: x itself, or the point `[n]` that a schedule-free step starts from
 * @param frequency - steps from one refresh of the eigenbases to the next; before step 2·frequency, a fifth as many
 * @returns the largest change of an element
 */
export function moveBlocks(
  state: MovingState,
  target: Float64Array,
  numbers: StepNumbers,
  frequency: number,
): number {
  const { x, gradient, steps, blocks } = state;
  const work = workspaceOf(state);
  // The bases of the first gradients are poor.
  const interval = steps < 2 * frequency ? Math.max(1, Math.round(frequency / 5)) : frequency;
  let moved = 0;
  for (let k = 0; k < blocks.length; k++) {
    // The blocks take turns, so that no step has all the work.
    if (steps >= FIRST_REFRESH && (steps + k) % interval === 0) refresh(blocks[k], work);
    learn(blocks[k], gradient, numbers, work);
    moved = Math.max(moved, move(blocks[k], x, target, numbers, work));
  }
  return moved;
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
  const { left, right, firstMoment, secondMoment, paddedRows, paddedCols } = block;
  const { heap } = work.matrices;
  load(block, gradient, numbers.clip, work);
  learnSides(block, numbers.beta2, work);
  if ((left && canStart(left, heap)) || (right && canStart(right, heap))) {
    changeBases(block, work, () => {
      const transposed = { at: work.spare, rows: paddedCols, cols: paddedRows };
      const loaded = { at: work.current, rows: paddedRows, cols: paddedCols };
      if (left && canStart(left, heap)) startBasis(left, transposed, block.cols, work);
      if (right && canStart(right, heap)) startBasis(right, loaded, block.rows, work);
    });
    load(block, gradient, numbers.clip, work);
  }
  loadBases(block, work);
  rotate(block, work);
  work.matrices.adam(work.current, firstMoment, secondMoment, paddedRows * paddedCols, numbers);
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
  { pieces, paddedCols }: Block,
  x: Float64Array,
  target: Float64Array,
  numbers: StepNumbers,
  { matrices, current }: Workspace,
): number {
  let moved = 0;
  for (const piece of pieces) {
    const from = current + piece.row * paddedCols + piece.col;
    moved = Math.max(moved, matrices.move(x, target, piece, from, paddedCols, numbers));
  }
  return moved;
}

/** Copies the gradient of a block, times `clip`, to `work.current`. */
function load(block: Block, gradient: Float64Array, clip: number, { matrices, current }: Workspace): void {
  const { rows, cols, paddedRows, paddedCols, pieces } = block;
  if (rows < paddedRows || cols < paddedCols) {
    matrices.heap.fill(0, current, current + paddedRows * paddedCols);
  }
  for (const piece of pieces) {
    matrices.load(gradient, piece, clip, current + piece.row * paddedCols + piece.col, paddedCols);
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
  const { firstMoment, paddedRows, paddedCols } = block;
  const { heap } = work.matrices;
  const length = paddedRows * paddedCols;
  loadBases(block, work);
  change();
  heap.copyWithin(work.current, firstMoment, firstMoment + length);
  turn(block, work);
  heap.copyWithin(firstMoment, work.current, work.current + length);
}
