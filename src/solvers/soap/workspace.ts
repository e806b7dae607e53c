import { matricesFor } from '../../core/kernels/matricesFor.ts';
import type { Matrices } from '../../core/kernels/matrices.ts';
import type { Precision } from '../../core/problem.ts';

/** Places in a heap that a step works in; nothing there outlasts the step. */
export interface Workspace {
  readonly matrices: Matrices;
  /** For a block: the matrix at work, and one that the next product goes to. */
  current: number;
  spare: number;
  readonly firstMoment: number;
  readonly secondMoment: number;
  /** For a side: its basis with vectors as rows and as columns, its factor, and a product. */
  readonly basis: number;
  readonly columns: number;
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
    basis: take(square),
    columns: take(square),
    factor: take(square),
    square: take(square),
  };
  return { matrices: matricesFor(precision, end), ...places };
}
