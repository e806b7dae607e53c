/**
 * A sum of squares: f(x) = Σ rᵢ(x)².
 *
 * @typedef {object} ResidualProblem
 * @property {number} m - number of residuals
 * @property {readonly number[]} start - the standard start, `[n]`
 * @property {readonly number[]} minima - f at its known minima, the lowest first: the published values, computed further
 * @property {(x: Float64Array, r: Float64Array, jacobian: Float64Array | null) => void} residuals - writes
 *   r, `[m]`, and unless null the entries of ∂rᵢ/∂xⱼ that are not 0 into `jacobian`, `[m, n]`, zero before
 */

/**
 * f(x) = Σ rᵢ(x)² with its gradient 2Jᵀr.
 *
 * @param {ResidualProblem} problem
 * @returns {import('quasi-newton').Objective}
 */
export function sumOfSquares({ m, start, residuals }) {
  const n = start.length;
  const r = new Float64Array(m);
  const jacobian = new Float64Array(m * n);
  return (x, gradient) => {
    if (gradient) jacobian.fill(0);
    residuals(x, r, gradient && jacobian);
    let f = 0;
    for (let i = 0; i < m; i++) f += r[i] * r[i];
    if (gradient) {
      gradient.fill(0);
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) gradient[j] += 2 * r[i] * jacobian[i * n + j];
      }
    }
    return f;
  };
}
