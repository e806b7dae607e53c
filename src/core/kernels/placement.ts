import { plainKernels } from './plain.ts';
import { arrays, type Row, type Storage } from './rows.ts';
import type { Kernels } from './kernels.ts';

/** Where large rows lie, that kernels can work on them faster than plain loops, with the same results. */
export interface Placement {
  /** Rows of zeros in one memory, or null where that cannot be had or does not pay. */
  allocate(n: number, count: number, storage: Storage): Row[] | null;
  /** A vector of zeros in the memory of a row, or null where there is none or no room. */
  beside(row: Row): Float64Array | null;
  /** Moves rows that came from elsewhere, as from a `structuredClone`, to such a memory if it can. */
  adopt(rows: Row[]): void;
  kernelsFor(row: Row): Kernels | undefined;
}

/** Null until {@link placeRowsBy} has been called: rows are then arrays of their own. */
let placement: Placement | null = null;

export function placeRowsBy(by: Placement): void {
  placement = by;
}

/** Allocates rows of zeros. */
export const allocateRows = (n: number, count: number, storage: Storage): Row[] =>
  placement?.allocate(n, count, storage) ?? Array.from({ length: count }, () => new arrays[storage](n));

/** Allocates a vector of zeros, `[n]`: beside a row, where the kernels need no copy of it, if there is room. */
export const vectorBeside = (row: Row): Float64Array =>
  placement?.beside(row) ?? new Float64Array(row.length);

/**
 * Moves rows that came from elsewhere to where the kernels can work on them.
 *
 * The results are the same to the last bit without it, but later.
 */
export const adoptRows = (rows: Row[]): void => placement?.adopt(rows);

/** The kernels for rows like this one: those of the place where it lies, else plain; equal to the last bit. */
export const kernelsFor = (row: Row): Kernels => placement?.kernelsFor(row) ?? plainKernels;
