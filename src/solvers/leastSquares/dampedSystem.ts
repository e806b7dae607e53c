import { gram } from '../../core/kernels/gram.ts';
import { factor } from '../../core/kernels/cholesky.ts';
import { solveFactored } from '../../core/kernels/choleskyColumns.ts';
import { heldBy, type Box } from '../../core/bounds.ts';
import { dot } from '../../core/vector.ts';
import type { Iterate } from '../../core/solver.ts';

/**
 * The system (JᵀJ + λD²)δ = −Jᵀb over the free unknowns, in its dual form where m < n:
 * δ = −D⁻²Jᵀ(JD⁻²Jᵀ + λI)⁻¹b.
 */
export interface DampedSystem {
  /** `[m, n]` row by row */
  readonly jacobian: Float64Array;
  /** D, `[n]`; 0 counts as 1 */
  readonly scale: Float64Array;
  /** 1 for unknowns that may move, 0 for those held by a bound, `[n]` */
  readonly free: Float64Array;
  /** JᵀJ or JD⁻²Jᵀ, whichever is smaller, `[k, k]`; the lower triangle counts */
  readonly normal: Float64Array;
  /** Factor of the damped matrix, `[k, k]` */
  readonly factor: Float64Array;
  /** Scratch of the dual form, `[m]`; empty in the primal form */
  readonly dual: Float64Array;
}

const squareOf = (scale: number): number => (scale > 0 ? scale * scale : 1);

/** `normal ← JᵀJ` or `JD⁻²Jᵀ` over the free unknowns. */
export function formNormal({ jacobian: values, normal, dual, free, scale }: DampedSystem): void {
  const n = free.length;
  const m = values.length / n;
  if (dual.length > 0) {
    const weights = free.map((isFree, j) => isFree / squareOf(scale[j]));
    gram({ values, count: m, length: n, vectorStride: n, stride: 1, weights }, normal);
  } else {
    gram({ values, count: n, length: m, vectorStride: 1, stride: n, factors: free }, normal);
  }
}

/** Factors the system at damping λ; false where rounding leaves it not positive definite. */
export function factorDamped(system: DampedSystem, damping: number): boolean {
  const { normal, factor: matrix, dual, free, scale } = system;
  const k = dual.length || free.length;
  matrix.set(normal);
  for (let i = 0; i < k; i++) {
    const add = dual.length > 0 ? damping : damping * squareOf(scale[i]);
    // The row of a held unknown is zero; a pivot of 1 keeps the matrix definite.
    matrix[i * k + i] += dual.length > 0 || free[i] === 1 ? add : 1;
  }
  return factor(matrix, k, k);
}

/** `out ← δ` of the factored system, `[n]`, for a right-hand side b, `[m]`; 0 for held unknowns. */
export function solveDamped(system: DampedSystem, b: Float64Array, out: Float64Array): void {
  const { jacobian, factor: matrix, dual, free, scale } = system;
  const n = out.length;
  let rows = b;
  if (dual.length > 0) {
    dual.set(b);
    solveFactored(matrix, dual.length, dual.length, dual);
    rows = dual;
  }
  out.fill(0);
  for (let i = 0, row = 0; i < rows.length; i++, row += n) {
    const factor = rows[i];
    for (let j = 0; j < n; j++) out[j] -= factor * jacobian[row + j];
  }
  for (let j = 0; j < n; j++) out[j] *= dual.length > 0 ? free[j] / squareOf(scale[j]) : free[j];
  if (dual.length === 0) solveFactored(matrix, n, n, out);
}

/** `out ← Jv`, `[m]`. */
export function timesJacobian(jacobian: Float64Array, v: Float64Array, out: Float64Array): void {
  const n = v.length;
  for (let i = 0, row = 0; i < out.length; i++, row += n) {
    out[i] = n < SHORT ? shortDot(jacobian, row, v) : dot(jacobian.subarray(row, row + n), v);
  }
}

/** Below this length, a view of a row takes longer than its product. */
const SHORT = 64;

/** Returns the product of a row that starts at `row` with v, added up as `dot` does. */
function shortDot(matrix: Float64Array, row: number, v: Float64Array): number {
  const n = v.length;
  const whole = n - (n % 4);
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let i = 0;
  for (; i < whole; i += 4) {
    s0 += matrix[row + i] * v[i];
    s1 += matrix[row + i + 1] * v[i + 1];
    s2 += matrix[row + i + 2] * v[i + 2];
    s3 += matrix[row + i + 3] * v[i + 3];
  }
  if (i < n) s0 += matrix[row + i] * v[i];
  if (i + 1 < n) s1 += matrix[row + i + 1] * v[i + 1];
  if (i + 2 < n) s2 += matrix[row + i + 2] * v[i + 2];
  return s0 + s1 + (s2 + s3);
}

/** Marks the unknowns that a bound holds at a point. */
export function hold({ free }: DampedSystem, box: Box | null, { x, gradient }: Iterate): void {
  if (box === null) return;
  free.fill(1);
  for (const j of heldBy(box, x, gradient)) free[j] = 0;
}

/** ‖Dv‖². */
export function scaledSquare(scale: Float64Array, v: Float64Array): number {
  let sum = 0;
  for (let j = 0; j < v.length; j++) sum += squareOf(scale[j]) * v[j] * v[j];
  return sum;
}
