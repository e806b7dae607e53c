/**
 * Memory of a run of SOAP: what its state keeps comes first, and a workspace after it. A state is plain data, so that it
 * does not refer to its workspace, which is found by the array.
 *
 * @module
 */
import { newMatrices } from '../../core/kernels/newMatrices.ts';
import type { Heap, Matrices } from '../../core/kernels/matrices.ts';
import type { Precision } from '../../core/problem.ts';

/** Places in a heap that a step works in; nothing there outlasts the step. */
export interface Workspace {
  readonly matrices: Matrices;
  /** For a block: the matrix at work, and one that the next product goes to. */
  current: number;
  spare: number;
  /** Bases of the sides, their vectors as columns. */
  readonly left: number;
  readonly right: number;
  /** For a side: its factor, a product, and a new basis. */
  readonly factor: number;
  readonly square: number;
  readonly fresh: number;
}

/** Sizes of a block with the zeros that fill them up. */
interface BlockSizes {
  readonly paddedRows: number;
  readonly paddedCols: number;
  readonly left: { readonly paddedSize: number } | null;
  readonly right: { readonly paddedSize: number } | null;
}

/** Memory of the blocks of a state, and vectors. */
export interface Memory {
  /** Factors, bases and moments, at the places that the blocks tell. */
  readonly memory: Heap;
  /** Vectors of zeros, `[n]`. */
  readonly vectors: readonly Float64Array[];
}

/** Rows that may be overwritten after a matrix. */
const EXTRA_ROWS = 3;

const workspaces = new WeakMap<ArrayBufferLike, Workspace>();

/**
 * Allocates memory for blocks.
 *
 * @param length - numbers of the blocks
 * @param n - length of the vectors
 */
export function newMemory(
  blocks: readonly BlockSizes[],
  length: number,
  precision: Precision,
  n: number,
  count: number,
): Memory {
  let size = 0;
  let side = 0;
  for (const { paddedRows, paddedCols, left, right } of blocks) {
    size = Math.max(size, paddedRows * paddedCols);
    side = Math.max(side, left?.paddedSize ?? 0, right?.paddedSize ?? 0);
  }
  const square = side * (side + EXTRA_ROWS);
  let end = length;
  const take = (numbers: number): number => {
    end += numbers;
    return end - numbers;
  };
  const places = {
    current: take(size),
    spare: take(size),
    left: take(square),
    right: take(square),
    factor: take(square),
    square: take(square),
    fresh: take(square),
  };
  const { matrices, vectors } = newMatrices(precision, end, n, count);
  const { heap } = matrices;
  workspaces.set(heap.buffer, Object.assign(places, { matrices }));
  return { memory: heap.subarray(0, length), vectors };
}

/**
 * Returns the workspace of a state. Memory that came from elsewhere, such as from `structuredClone`, is moved to where there
 * is one.
 */
export function workspaceOf(state: {
  memory: Heap;
  readonly blocks: readonly BlockSizes[];
  readonly precision: Precision;
}): Workspace {
  const { memory, blocks, precision } = state;
  const known = workspaces.get(memory.buffer);
  if (known) return known;
  const moved = newMemory(blocks, memory.length, precision, 0, 0).memory;
  moved.set(memory);
  state.memory = moved;
  return workspaces.get(moved.buffer) as Workspace;
}

/** Makes the result of a product the current matrix. */
export function swap(work: Workspace): void {
  const { current, spare } = work;
  work.current = spare;
  work.spare = current;
}
