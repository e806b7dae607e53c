import { show } from './options.ts';
import { dot } from './vector.ts';
import type { Problem, Residuals } from './problem.ts';

/**
 * Makes a problem of residuals: f(x) = Σ rᵢ(x)², for `levenbergMarquardt()` and for every other solver.
 *
 * @param problem - the start, `[n]`; the number m of residuals; and the function that computes them and their
 *   Jacobian
 * @throws RangeError if `residualCount` is not a whole number ≥ 1
 * @throws TypeError if `residuals` is not a function
 *
 * @example
 * ```js
 * import { leastSquares, levenbergMarquardt, minimize } from 'quasi-newton';
 *
 * // Fits a·exp(b·t) to four points.
 * const data = [[0, 2], [1, 1.2], [2, 0.7], [3, 0.45]];
 * const problem = leastSquares({
 *   p0: Float64Array.of(1, -1),
 *   residualCount: data.length,
 *   residuals([a, b], residuals, jacobian) {
 *     data.forEach(([t, y], i) => {
 *       const e = Math.exp(b * t);
 *       residuals[i] = a * e - y;
 *       jacobian?.set([e, a * t * e], 2 * i);
 *     });
 *   },
 * });
 * console.log(minimize(problem, levenbergMarquardt()).x);
 * ```
 */
export function leastSquares(problem: {
  readonly p0: Float64Array;
  readonly residualCount: number;
  readonly residuals: Residuals;
}): Problem {
  const { p0, residualCount: m, residuals } = problem;
  if (!(Number.isInteger(m) && m >= 1)) {
    throw new RangeError(`leastSquares: residualCount must be a whole number ≥ 1, got ${show(m)}.`);
  }
  if (typeof residuals !== 'function') {
    throw new TypeError(`leastSquares: residuals must be a function, got ${show(residuals)}.`);
  }
  const n = p0.length;
  const r = new Float64Array(m);
  let jacobian: Float64Array | null = null; // made when a gradient is first wanted
  return {
    ...problem,
    fg(x, gradient) {
      if (gradient !== null) jacobian ??= new Float64Array(m * n);
      residuals(x, r, gradient && jacobian);
      if (gradient !== null && jacobian !== null) gradientOfSquares(r, jacobian, gradient);
      return dot(r, r);
    },
  };
}

/** `gradient ← 2Jᵀr`. */
export function gradientOfSquares(r: Float64Array, jacobian: Float64Array, gradient: Float64Array): void {
  const n = gradient.length;
  gradient.fill(0);
  for (let i = 0, row = 0; i < r.length; i++, row += n) {
    const twice = 2 * r[i];
    for (let j = 0; j < n; j++) gradient[j] += twice * jacobian[row + j];
  }
}
