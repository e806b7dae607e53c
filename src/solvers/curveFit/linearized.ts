import type { Scheme } from '../../core/jacobian.ts';
import { gradientOfSquares } from '../../core/leastSquares.ts';
import { EPSILON } from '../../core/epsilon.ts';
import { dot, roundToFloat32 } from '../../core/vector.ts';
import { columnNorms } from '../leastSquares/linearModel.ts';
import { resolvedJacobian } from './resolvedJacobian.ts';
import { pivotedQr, solveByQr, type PivotedQr } from './qr.ts';
import type { Precision, Problem, Residuals } from '../../core/problem.ts';
import type { CompleteSolveOptions } from '../../core/solveOptions.ts';

/** A problem with bounds, and limits on the work. */
export interface FitProblem {
  readonly problem: Problem & { readonly residuals: Residuals };
  /** True if `residuals` writes its Jacobian. */
  readonly hasJacobian: boolean;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  /** ‖y/σ‖: rounding errors of residuals are relative to it */
  readonly size: number;
  readonly limits: CompleteSolveOptions;
}

/** The linear model at a point, over the unknowns that no bound holds. */
export interface Linearized {
  /** Point, `[n]`, and f there */
  readonly x: Float64Array;
  readonly f: number;
  /** Factors of the Jacobian over the free unknowns. */
  readonly qr: PivotedQr;
  /** Indices of the free unknowns, and of those that a bound holds. */
  readonly free: readonly number[];
  readonly held: readonly number[];
  /** Gauss–Newton step, `[n]`, and the decrease of f that it promises */
  readonly step: Float64Array;
  readonly decrease: number;
  /** Accuracy of the Jacobian. */
  readonly accuracy: Accuracy;
  /** Largest ‖Jⱼxⱼ‖ of the free unknowns, at least ‖y/σ‖: rounding errors of the model are relative to it */
  readonly largestTerm: number;
}

/** Accuracy of a Jacobian: about 8 digits (forward differences), or 11 and more (central ones, or the user's own). */
export type Accuracy = 'rough' | 'fine';

/** A diagonal element of R below this, for columns of length 1, is rounding of differences. */
export const RANK_TOLERANCE: Record<Precision, number> = { float32: 1e-4, float64: 1e-9 };

const SCHEMES: Record<Accuracy, Scheme> = { rough: '2-point', fine: '3-point' };

/** Computes and factors the Jacobian at a point. */
export function linearizeAt(fit: FitProblem, x: Float64Array, accuracy: Accuracy): Linearized {
  return linearModel(fit, slopesAt(fit, x, accuracy), accuracy);
}

/** Residuals and their Jacobian, `[m, n]` row by row, at a point. */
export interface SlopesAt {
  readonly x: Float64Array;
  readonly residuals: Float64Array;
  readonly jacobian: Float64Array;
}

/** Computes residuals and their Jacobian; zeros if differences fail. */
export function slopesAt(fit: FitProblem, x: Float64Array, accuracy: Accuracy): SlopesAt {
  const { problem, lower, upper, hasJacobian } = fit;
  const m = problem.residualCount ?? 0;
  const residuals = new Float64Array(m);
  const jacobian = new Float64Array(m * x.length);
  problem.residuals(x, residuals, hasJacobian ? jacobian : null);
  if (!hasJacobian) {
    const bounds = { lower: (j: number) => lower[j], upper: (j: number) => upper[j] };
    const steps = { scheme: SCHEMES[accuracy], precision: precisionOf(fit), bounds };
    const at = { problem, x, residuals, start: problem.p0, size: fit.size };
    if (!resolvedJacobian(at, steps, jacobian)) jacobian.fill(0);
  }
  return { x, residuals, jacobian };
}

/**
 * Factors a Jacobian, `[m, n]`, over the unknowns that no bound holds.
 *
 * @param tolerance - diagonal elements of R below this count as 0
 */
export function linearModel(
  fit: FitProblem,
  at: SlopesAt,
  accuracy: Accuracy,
  tolerance = RANK_TOLERANCE[precisionOf(fit)],
): Linearized {
  const { lower, upper, hasJacobian } = fit;
  const { residuals, jacobian } = at;
  const x = at.x.slice();
  const n = x.length;
  const m = residuals.length;
  const gradient = new Float64Array(n);
  gradientOfSquares(residuals, jacobian, gradient);
  // In float32, points are rounded to the nearest number within the bounds.
  const near = precisionOf(fit) === 'float32' ? 2 * EPSILON.float32 : 0;
  const slack = (bound: number): number => (Number.isFinite(bound) ? near * Math.abs(bound) : 0);
  const isHeld = (j: number): boolean =>
    (x[j] <= lower[j] + slack(lower[j]) && gradient[j] > 0) ||
    (x[j] >= upper[j] - slack(upper[j]) && gradient[j] < 0);
  const indices = Array.from(x, (_, j) => j);
  const held = indices.filter(isHeld);
  const free = indices.filter((j) => !isHeld(j));
  const qr = pivotedQr(columnsOf(jacobian, n, free), m, free.length, tolerance);
  const { x: solution, decrease } = solveByQr(qr, residuals);
  const step = new Float64Array(n);
  free.forEach((j, k) => (step[j] = -solution[k]));
  const f = dot(residuals, residuals);
  const norms = columnNorms(jacobian, n);
  const largestTerm = Math.max(fit.size, ...free.map((j) => norms[j] * Math.abs(x[j])));
  const isOwn = hasJacobian ? 'fine' : accuracy;
  return { x, f, qr, free, held, step, decrease, accuracy: isOwn, largestTerm };
}

/** Returns these columns of a matrix `[m, n]`: itself if they are all. */
function columnsOf(matrix: Float64Array, n: number, columns: readonly number[]): Float64Array {
  if (columns.length === n) return matrix;
  const out = new Float64Array((matrix.length / n) * columns.length);
  for (let row = 0, at = 0; row < matrix.length; row += n) {
    for (const column of columns) out[at++] = matrix[row + column];
  }
  return out;
}

/** Relative error of an element of a Jacobian by forward differences. */
const ROUGH_ERROR = 1.5e-8;

/** Fraction of f that a step promises only because of errors in a rough Jacobian. */
export function roughness({ qr: { factors, n, rank } }: Linearized): number {
  const least = rank === 0 ? 1 : factors[(rank - 1) * n + rank - 1];
  return (ROUGH_ERROR / least) ** 2;
}

/** Returns x + δ. */
export const plusStep = ({ x, step }: Linearized): Float64Array => x.map((value, j) => value + step[j]);

/** True if a point lies within the bounds. */
export const isWithin = ({ lower, upper }: Pick<FitProblem, 'lower' | 'upper'>, x: Float64Array): boolean =>
  x.every((value, j) => value >= lower[j] && value <= upper[j]);

/** Value of f that is only rounding of y: residuals of 100 ε‖y/σ‖. */
export const exactness = (fit: FitProblem): number => (100 * EPSILON[precisionOf(fit)] * fit.size) ** 2;

/** Amount by which f may rise because of rounding. */
export const roundingOf = (fit: FitProblem, f: number): number =>
  64 * EPSILON[precisionOf(fit)] * (f + fit.size * Math.sqrt(f));

/** Precision of the model's values. */
export const precisionOf = ({ problem }: FitProblem): Precision => problem.precision ?? 'float64';

/** Rounds a point to float32 as the steps of a fit are rounded, within the bounds. */
export function roundInto({ lower, upper }: FitProblem, x: Float64Array): void {
  roundToFloat32(x);
  for (let j = 0; j < x.length; j++) x[j] = Math.min(upper[j], Math.max(lower[j], x[j]));
}
