import { partAfter, refreshBasis, squaresAlong, traceOf, updateFactor, type Side } from './side.ts';
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

/** Steps before the first refresh: no part of a side is longer than one element until then. */
const FIRST_REFRESH = 4;

/** Refreshes before this step also estimate the second moments: the first bases change too fast for these to follow. */
const LAST_ESTIMATE = 200;

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
  // The first bases change fast.
  const interval = steps < 2 * frequency ? Math.max(1, Math.round(frequency / 5)) : frequency;
  let moved = 0;
  for (let k = 0; k < blocks.length; k++) {
    // The blocks take turns, so that no step has all the work.
    if (steps >= FIRST_REFRESH && (steps + k) % interval === 0) {
      refresh(blocks[k], steps, steps < LAST_ESTIMATE, work);
    }
    learn(blocks[k], gradient, numbers, work);
    moved = Math.max(moved, move(blocks[k], x, target, numbers, work));
  }
  return moved;
}

/**
 * Refreshes the eigenbases of a block, and expresses its mean gradient in the new ones.
 *
 * @param steps - number of gradients that the factors have seen
 * @param estimates - estimate the second moments, too, which is otherwise done only if longer parts are rotated than before
 */
function refresh(block: Block, steps: number, estimates: boolean, work: Workspace): void {
  const { left, right, firstMoment, paddedRows, paddedCols } = block;
  const { heap } = work.matrices;
  const length = paddedRows * paddedCols;
  const parts = partsOf(block);
  loadBases(block, work);
  const isLeft = left !== null && refreshBasis(left, work.left, partAfter(steps, left.size), work);
  const isRight = right !== null && refreshBasis(right, work.right, partAfter(steps, right.size), work);
  if (!isLeft && !isRight) return;
  heap.copyWithin(work.current, firstMoment, firstMoment + length);
  turn(block, work);
  heap.copyWithin(firstMoment, work.current, work.current + length);
  if (estimates || partsOf(block) > parts) estimateSquares(block, work);
}

const partsOf = ({ left, right }: Block): number => (left?.part ?? 0) + (right?.part ?? 0);

/**
 * Estimates the second moments in the present bases from the factors: vᵢⱼ = lᵢrⱼ / tr L, where l and r are the mean squares
 * along the vectors of the two bases, or in the rows or columns of a side that is not rotated. Moments along former bases say
 * little about new vectors, and steps along dominant ones would be too long.
 */
function estimateSquares(block: Block, work: Workspace): void {
  const { rows, cols, paddedCols, left, right, secondMoment } = block;
  const { heap } = work.matrices;
  const l = left ? squaresAlong(left, work) : sumsOf(block, work).ofRows;
  const r = right ? squaresAlong(right, work) : sumsOf(block, work).ofCols;
  const trace = traceOf((left ?? right) as Side, heap);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) heap[secondMoment + i * paddedCols + j] = (l[i] / trace) * r[j];
  }
}

/** Sums of the second moments of a block. */
function sumsOf({ rows, cols, paddedCols, secondMoment }: Block, { matrices: { heap } }: Workspace) {
  const ofRows = new Float64Array(rows);
  const ofCols = new Float64Array(cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      const v = heap[secondMoment + i * paddedCols + j];
      ofRows[i] += v;
      ofCols[j] += v;
    }
  }
  return { ofRows, ofCols };
}

/** Learns from the gradient of a block, and leaves the direction, SOAP's update over the rate, in `work.current`. */
function learn(block: Block, gradient: Float64Array, numbers: StepNumbers, work: Workspace): void {
  const { firstMoment, secondMoment, paddedRows, paddedCols } = block;
  load(block, gradient, numbers.clip, work);
  learnSides(block, numbers.beta2, work);
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
