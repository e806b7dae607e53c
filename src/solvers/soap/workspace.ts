import { matricesFor } from '../../core/kernels/matricesFor.ts';
import type { Matrices } from '../../core/kernels/matrices.ts';
import type { Precision } from '../../core/problem.ts';

/** Places of a basis, `[side, side]`: its vectors as rows, and as columns. */
export interface BasisPlace {
  readonly rows: number;
  readonly columns: number;
}

/** Places in a heap that a step works in; nothing there outlasts the step. */
export interface Workspace {
  readonly matrices: Matrices;
  /** For a block: the matrix at work, and one that the next product goes to. */
  current: number;
  spare: number;
  readonly firstMoment: number;
  readonly secondMoment: number;
  readonly left: BasisPlace;
  readonly right: BasisPlace;
  /** For a side: its factor, and a product. */
  readonly factor: number;
  readonly square: number;
}

/** Rows that may be overwritten after a matrix. */
const EXTRA_ROWS = 3;

/**
 * Returns places for blocks of up to `size` elements, with sides up to `side`, both with the zeros that fill them up.
 */
export function workspaceFor(precision: Precision, size: number, side: number): Workspace {
  const square = side * (side + EXTRA_ROWS);
  let end = 0;
  const take = (length: number): number => {
    end += length;
    return end - length;
  };
  const places = {
    current: take(size),
    spare: take(size),
    firstMoment: take(size),
    secondMoment: take(size),
    left: { rows: take(square), columns: take(square) },
    right: { rows: take(square), columns: take(square) },
    factor: take(square),
    square: take(square),
  };
  return { matrices: matricesFor(precision, end), ...places };
}

/** Makes the result of a product the current matrix. */
export function swap(work: Workspace): void {
  const { current, spare } = work;
  work.current = spare;
  work.spare = current;
}
