/**
 * Measurements whose errors are correlated: the fit minimizes rᵀΣ⁻¹r = ‖R⁻¹D⁻¹r‖², where D has the standard deviations and
 * RRᵀ is the correlation matrix of the errors.
 *
 * @see Seber & Wild (1989), Nonlinear Regression, Wiley, chapter 2: generalized least squares
 * @module
 */
import { isList, show } from '../../core/options.ts';
import { factor } from '../../core/kernels/cholesky.ts';

/** A covariance matrix, `[m, m]` row by row. */
export type CovarianceMatrix = ArrayLike<ArrayLike<number>>;

/** Relative difference of Σᵢⱼ and Σⱼᵢ that rounding may leave. */
const ASYMMETRY = 1e-9;

/** Returns true for a list of lists. */
export const isMatrix = (value: unknown): value is CovarianceMatrix => isList(value) && isList(value[0]);

/**
 * Returns the standard deviations of all points, `[m]`; NaN for those whose variance is missing.
 *
 * @throws RangeError naming a row of another length, or a variance that is not positive
 */
export function deviationsOf(covariance: CovarianceMatrix): Float64Array {
  const m = covariance.length;
  return Float64Array.from({ length: m }, (_, i) => {
    const row: unknown = covariance[i];
    if (!isList(row) || row.length !== m) {
      const got = isList(row) ? `${row.length} values` : show(row);
      throw new RangeError(
        `curveFit: a matrix sigma must have ${m} numbers in each row, as many as rows; sigma[${i}] has ${got}.`,
      );
    }
    const variance: unknown = row[i] ?? NaN;
    if (typeof variance === 'number' && ((variance > 0 && variance < Infinity) || Number.isNaN(variance))) {
      return Math.sqrt(variance);
    }
    throw new RangeError(
      `curveFit: sigma[${i}][${i}], a variance, must be a finite number > 0, got ${show(variance)}.`,
    );
  });
}

/**
 * Returns the Cholesky factor R of the correlation matrix of some points, `[k, k]`, in the lower triangle.
 *
 * @param points - indices of the points to use, `[k]`
 * @param deviations - standard deviations of all points, `[m]`
 * @throws RangeError naming a covariance that is not finite or not symmetric, or if the matrix is not positive definite
 */
export function correlationRoot(
  covariance: CovarianceMatrix,
  points: readonly number[],
  deviations: Float64Array,
): Float64Array {
  const k = points.length;
  const root = new Float64Array(k * k);
  points.forEach((i, row) => {
    for (let column = 0; column <= row; column++) {
      const j = points[column];
      const [given, mirrored] = [covariance[i][j], covariance[j][i]].map((value: unknown) =>
        typeof value === 'number' ? value / deviations[i] / deviations[j] : NaN,
      );
      if (!Number.isFinite(given)) {
        throw new RangeError(
          `curveFit: sigma[${i}][${j}] must be a finite number, got ${show(covariance[i][j])}.`,
        );
      }
      if (!(Math.abs(given - mirrored) <= ASYMMETRY)) {
        throw new RangeError(
          `curveFit: a matrix sigma must be symmetric; sigma[${i}][${j}] is ${show(covariance[i][j])} and sigma[${j}][${i}] ${show(covariance[j][i])}.`,
        );
      }
      root[row * k + column] = given;
    }
  });
  if (factor(root, k, k)) return root;
  throw new RangeError(
    'curveFit: sigma, a covariance matrix, is not positive definite: errors of some points follow from those of others, or cannot be correlated like this. Leave such points out, or add the variance of independent errors to the diagonal.',
  );
}

/** Standard deviations of measurements, and the correlations of their errors. */
export interface Errors {
  /** 1/σ of each point, `[m]`; 1 where no σ is known */
  readonly rootWeights: Float64Array;
  /** Cholesky factor of the correlation matrix of the errors, `[m, m]`; null if they are independent */
  readonly correlationRoot: Float64Array | null;
}

/**
 * `rows ← R⁻¹D⁻¹·rows`: residuals whose errors are independent, with a standard deviation of 1.
 *
 * @param rows - `[m, n]`, overwritten
 * @returns `rows`
 */
export function whiten(
  { rootWeights, correlationRoot: root }: Errors,
  rows: Float64Array,
  n = 1,
): Float64Array {
  const m = rootWeights.length;
  for (let i = 0, at = 0; i < m; i++) for (let k = 0; k < n; k++) rows[at++] *= rootWeights[i];
  if (root === null) return rows;
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < i; j++) {
      const share = root[i * m + j];
      if (share !== 0) for (let k = 0; k < n; k++) rows[i * n + k] -= share * rows[j * n + k];
    }
    for (let k = 0; k < n; k++) rows[i * n + k] /= root[i * m + i];
  }
  return rows;
}
