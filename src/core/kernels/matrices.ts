/** Memory for matrices of one precision. */
export type Heap = Float32Array | Float64Array;

/** A matrix in a heap, row by row. */
export interface Matrix {
  /** Index of its first element. */
  readonly at: number;
  readonly rows: number;
  /** Number of columns, which is also the distance between rows. */
  readonly cols: number;
}

/** Numbers of an update of Adam's moments; the corrections are 1 / (1 − βᵗ). */
export interface MomentNumbers {
  readonly beta1: number;
  readonly beta2: number;
  readonly correction1: number;
  readonly correction2: number;
  readonly epsilon: number;
}

/**
 * Operations on matrices that lie in one heap. In float32 all sizes must be multiples of 8, with zeros beyond what is
 * used. Results must not overlap what is read.
 */
export interface Matrices {
  readonly heap: Heap;
  /** C ← AᵀB, A `[k, m]`, B `[k, n]`, C `[m, n]`; with `lower`, for m = n, perhaps only the lower triangle. */
  product(a: Matrix, b: Matrix, c: Matrix, lower: boolean): void;
  /** B ← Aᵀ. */
  transpose(a: Matrix, b: Matrix): void;
  /** Takes n numbers g into the moments, and puts Adam's direction m̂ / (√v̂ + ε) in their place. */
  adam(g: number, first: number, second: number, n: number, numbers: MomentNumbers): void;
  /**
   * Applies I − uuᵀ to `count` rows, of n numbers each, that begin at `rows` and stand `stride` apart; u begins at `u`. May
   * overwrite the 3 rows after the last one.
   */
  reflect(u: number, rows: number, stride: number, count: number, n: number): void;
}
