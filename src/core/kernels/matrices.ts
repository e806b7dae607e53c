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

/** A rectangle of a matrix that lies in a vector. */
export interface Rectangle {
  readonly rows: number;
  readonly cols: number;
  /** Index of its first element in the vector, and the distance between its rows there. */
  readonly offset: number;
  readonly stride: number;
}

/** Numbers of an update of Adam's moments; the corrections are 1 / (1 − βᵗ). */
export interface MomentNumbers {
  readonly beta1: number;
  readonly beta2: number;
  readonly correction1: number;
  readonly correction2: number;
  readonly epsilon: number;
}

/** Numbers of a step along a direction. */
export interface StepSizes {
  readonly rate: number;
  /** Decoupled weight decay. */
  readonly weightDecay: number;
}

/**
 * Operations on matrices that lie in one heap. In float32 all sizes must be multiples of 8, with zeros beyond what is
 * used. Results must not overlap what is read.
 */
export interface Matrices {
  readonly heap: Heap;
  /** C ← AᵀB, A `[k, m]`, B `[k, n]`, C `[m, n]`. */
  product(a: Matrix, b: Matrix, c: Matrix): void;
  /** C ← AB, A `[m, k]`, B `[k, n]`, C `[m, n]`. */
  multiply(a: Matrix, b: Matrix, c: Matrix): void;
  /**
   * C ← βC + (1 − β)AᵀA, A `[k, n]`, C `[n, n]`; in row i at least columns up to i, and none beyond the multiple of 8
   * after i.
   */
  blendProduct(a: Matrix, c: Matrix, beta: number): void;
  /** B ← Aᵀ. */
  transpose(a: Matrix, b: Matrix): void;
  /**
   * Updates the moments with n gradient elements at `g`, and overwrites these with Adam's direction m̂ / (√v̂
   * + ε).
   */
  adam(g: number, first: number, second: number, n: number, numbers: MomentNumbers): void;
  /**
   * Writes orthonormal rows to `to` that span, one after the other, what the `size` rows of as many numbers at `from` span: Qᵀ
   * of `rowsᵀ = QR`. Householder reflections keep them orthonormal however nearly dependent the rows are.
   *
   * @param from - overwritten, as are 3 rows after either matrix
   * @param stride - from one row to the next; the rows after the last one, up to `stride`, become 0 at `to`
   * @see Golub & Van Loan (2013), Matrix Computations, 4th ed., section 5.2
   */
  orthonormalize(from: number, to: number, size: number, stride: number): void;
  /** Copies a rectangle of a vector, times `factor`, to `at`, where rows lie `width` numbers apart. */
  load(vector: Float64Array, part: Rectangle, factor: number, at: number, width: number): void;
  /**
   * Moves a rectangle of `target` by −rate·(d + weightDecay·x), d being at `at`, with rows `width` numbers apart. The result
   * is rounded to the heap's precision where `target` is `x`.
   *
   * @returns the largest absolute value of the move; NaN if any is NaN
   */
  move(
    x: Float64Array,
    target: Float64Array,
    part: Rectangle,
    at: number,
    width: number,
    sizes: StepSizes,
  ): number;
}
