/**
 * Dense symmetric matrices that outer products are added to: sums of these while they are few, triangles after that.
 *
 * @module
 */
import {
  addProducts,
  clearProducts,
  isFull,
  multiplyProducts,
  outerProducts,
  termsOf,
  type OuterProducts,
} from './outerProducts.ts';
import {
  addToTriangle,
  checkTriangles,
  multiplyTriangle,
  newTriangle,
  setTriangle,
  updateTriangle,
  type Triangle,
  type Update,
} from './triangle.ts';

/** A symmetric matrix A, `[n, n]`; plain data. */
export interface Symmetric {
  readonly n: number;
  /** A, if it is not the sum. */
  readonly triangle: Triangle;
  readonly sum: OuterProducts;
  isSum: boolean;
}

/** From this number of rows on, adding terms to a sum takes less time than it saves. */
const LONG = 512;

/**
 * Largest number of terms of a sum. With n/3, their products and writing the triangle take together as long as all would
 * have taken with a triangle from the start.
 */
const MOST_TERMS = 1024;
const mostTerms = (n: number): number => (n < LONG ? 0 : Math.min(MOST_TERMS, Math.floor(n / 3)));

/**
 * Checks that `count` matrices `[n, n]` can be allocated.
 *
 * @throws RangeError if there is not enough memory
 */
export const checkRoom = (n: number, count: number): void => checkTriangles(n, count, 2 * n * mostTerms(n));

/**
 * Returns `diagonal·I`, `[n, n]`.
 *
 * @throws RangeError if there is not enough memory
 */
export function diagonalMatrix(n: number, diagonal: number): Symmetric {
  const matrix = { n, triangle: newTriangle(n), sum: outerProducts(mostTerms(n)), isSum: true };
  setDiagonal(matrix, diagonal);
  return matrix;
}

/** `A ← diagonal·I`. */
export function setDiagonal(matrix: Symmetric, diagonal: number): void {
  clearProducts(matrix.sum, diagonal);
  matrix.isSum = !isFull(matrix.sum);
  if (!matrix.isSum) setTriangle(matrix.triangle, diagonal);
}

/**
 * `A ← scale·A + a·uuᵀ + b·(uvᵀ + vuᵀ) + c·vvᵀ`. The vectors, `[n]`, are copied.
 *
 * @param scale - not 0
 */
export function update(matrix: Symmetric, scale: number, by: Update): void {
  if (matrix.isSum && isFull(matrix.sum)) writeTriangle(matrix);
  if (matrix.isSum) addProducts(matrix.sum, scale, by);
  else updateTriangle(matrix.triangle, scale, by);
}

/** `out ← Ax`; `out` may be `x`. */
export function multiply({ triangle, sum, isSum }: Symmetric, x: Float64Array, out: Float64Array): void {
  if (isSum) multiplyProducts(sum, x, out);
  else multiplyTriangle(triangle, x, out);
}

function writeTriangle(matrix: Symmetric): void {
  const { triangle, sum } = matrix;
  setTriangle(triangle, sum.diagonal);
  addToTriangle(triangle, termsOf(sum));
  clearProducts(sum, 0);
  matrix.isSum = false;
}
