import { rotate, rotateBack, type Buffers } from './rotate.ts';
import { refreshBasis, startBasis, updateFactor } from './side.ts';
import type { Block } from './blocks.ts';

/** The vectors of a run, `[n]` each. */
export interface Vectors {
  readonly x: Float64Array;
  readonly gradient: Float64Array;
  readonly firstMoment: Float64Array;
  readonly secondMoment: Float64Array;
}

/** Numbers that all elements of a step share. */
export interface StepNumbers {
  /** Factor of the gradient. */
  readonly clip: number;
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** 1 − β₁ᵗ and 1 − β₂ᵗ. */
  readonly correction1: number;
  readonly correction2: number;
}

/** Working memory; nothing in it outlasts a step. */
export interface Scratch {
  /** For the largest block. */
  readonly buffers: Buffers;
  /** For the largest factor. */
  readonly square: Float64Array;
}

/** Returns working memory for these blocks, the one given where it is large enough. */
export function scratchFor(blocks: readonly Block[], present: Scratch | null): Scratch {
  let size = 0;
  let square = 0;
  for (const { rows, cols, left, right } of blocks) {
    size = Math.max(size, rows * cols);
    square = Math.max(square, left?.factor.length ?? 0, right?.factor.length ?? 0);
  }
  if (present !== null && present.buffers.from.length >= size && present.square.length >= square)
    return present;
  return {
    buffers: { from: new Float64Array(size), to: new Float64Array(size) },
    square: new Float64Array(square),
  };
}

/** Refreshes the eigenbases of a block. */
export function refresh({ left, right }: Block, { square }: Scratch): void {
  if (left?.ready) refreshBasis(left, square);
  if (right?.ready) refreshBasis(right, square);
}

/**
 * Learns from the gradient of a block and moves its part of x.
 *
 * @returns the largest change of an element
 * @see Vyas et al. (2024), SOAP, arXiv:2409.11321, Algorithm 3
 */
export function move(block: Block, vectors: Vectors, numbers: StepNumbers, scratch: Scratch): number {
  const { x, gradient, firstMoment, secondMoment } = vectors;
  const { clip, rate, beta1, beta2, epsilon, weightDecay, correction1, correction2 } = numbers;
  const { buffers } = scratch;
  const { offset } = block;
  const size = block.rows * block.cols;

  let { from } = buffers;
  for (let i = 0; i < size; i++) from[i] = clip * gradient[offset + i];
  learnSides(block, beta2, scratch);
  for (let i = 0; i < size; i++) {
    firstMoment[offset + i] = beta1 * firstMoment[offset + i] + (1 - beta1) * from[i];
  }

  rotate(block, buffers);
  ({ from } = buffers);
  for (let i = 0; i < size; i++) {
    secondMoment[offset + i] = beta2 * secondMoment[offset + i] + (1 - beta2) * from[i] * from[i];
  }

  for (let i = 0; i < size; i++) from[i] = firstMoment[offset + i] / correction1;
  rotate(block, buffers);
  ({ from } = buffers);
  for (let i = 0; i < size; i++) from[i] /= Math.sqrt(secondMoment[offset + i] / correction2) + epsilon;
  rotateBack(block, buffers);
  ({ from } = buffers);

  let moved = 0;
  for (let i = 0; i < size; i++) {
    const s = rate * (from[i] + weightDecay * x[offset + i]);
    moved = Math.max(moved, Math.abs(s));
    x[offset + i] -= s;
  }
  return moved;
}

/** Takes the gradient in `buffers.from` into the factors; the first one that is not 0 also sets their bases. */
function learnSides({ rows, cols, left, right }: Block, beta2: number, { buffers, square }: Scratch): void {
  const values = buffers.from;
  if (left) {
    updateFactor(left, { values, count: rows, length: cols, vectorStride: cols, stride: 1 }, beta2, square);
    if (!left.ready) startBasis(left);
  }
  if (right) {
    updateFactor(right, { values, count: cols, length: rows, vectorStride: 1, stride: cols }, beta2, square);
    if (!right.ready) startBasis(right);
  }
}
