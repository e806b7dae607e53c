import { diagonalMatrix, multiply, setDiagonal, update, type Symmetric } from '../core/kernels/symmetric.ts';
import { dot, sameNumbers } from '../core/vector.ts';

/** A matrix A with its product with one gradient g; plain data. */
export interface MatrixAt {
  /** A, `[n, n]`. */
  readonly matrix: Symmetric;
  /** g, `[n]`; NaN if the product is not known. */
  readonly at: Float64Array;
  /** Ag, `[n]`. */
  readonly product: Float64Array;
}

/** Returns `diagonal·I`, `[n, n]`, without a product yet. */
export const diagonalAt = (n: number, diagonal: number): MatrixAt => ({
  matrix: diagonalMatrix(n, diagonal),
  at: new Float64Array(n).fill(NaN),
  product: new Float64Array(n),
});

/** `A ← diagonal·I`; discards the product. */
export function resetAt({ matrix, at }: MatrixAt, diagonal: number): void {
  setDiagonal(matrix, diagonal);
  at.fill(NaN);
}

/** Computes the product with this gradient, unless it is known. */
export function multiplyAt({ matrix, at, product }: MatrixAt, gradient: Float64Array): void {
  if (sameNumbers(at, gradient)) return;
  at.set(gradient);
  multiply(matrix, gradient, product);
}

/**
 * `A ← A⁺ = A/tau + a·uuᵀ + b·(uvᵀ + vuᵀ) + c·vvᵀ`, and the product A⁺g⁺ in O(n).
 *
 * @param gradient - g⁺
 * @param next - Ag⁺, with the matrix before the update
 */
export function updateAt(
  { matrix, at, product }: MatrixAt,
  tau: number,
  [a, b, c]: readonly [a: number, b: number, c: number],
  u: Float64Array,
  v: Float64Array,
  { gradient, next }: { readonly gradient: Float64Array; readonly next: Float64Array },
): void {
  update(matrix, 1 / tau, { factors: [a, b, c], u, v });
  const ug = dot(u, gradient);
  const vg = dot(v, gradient);
  const alongU = a * ug + b * vg;
  const alongV = b * ug + c * vg;
  for (let i = 0; i < product.length; i++) product[i] = next[i] / tau + alongU * u[i] + alongV * v[i];
  at.set(gradient);
}
