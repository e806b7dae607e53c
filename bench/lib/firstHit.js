import { minimize } from 'quasi-newton';

/**
 * Counts as the recorded peers do: evaluations until f − f* ≤ 1e-8·max(1, |f*|) or ‖∇f‖∞ ≤ 1e-6·max(1, |f*|/n)
 * first holds, whether or not the solver has noticed.
 *
 * @param {import('quasi-newton').Problem} problem
 * @param {number} minimum - f*
 * @param {number} limit - evaluations allowed
 */
export function hitCounter(problem, minimum, limit) {
  const n = problem.p0.length;
  const gap = 1e-8 * Math.max(1, Math.abs(minimum));
  const norm = 1e-6 * Math.max(1, Math.abs(minimum) / n);
  let evaluations = 0;
  /** @type {number | null} */
  let hit = null;
  /** @type {import('quasi-newton').Objective} */
  const fg = (x, gradient) => {
    const f = problem.fg(x, gradient);
    evaluations++;
    if (hit === null && (f - minimum <= gap || (gradient !== null && normInf(gradient) <= norm))) {
      hit = evaluations;
    }
    return f;
  };
  /** Number of the evaluation that met the rule; null where none within the limit has. */
  const firstHit = () => (hit !== null && hit <= limit ? hit : null);
  return { fg, hit: firstHit };
}

/**
 * Runs `solver` until the rule of {@link hitCounter} holds.
 *
 * @param {import('quasi-newton').Problem} problem
 * @param {number} minimum
 * @param {import('quasi-newton').Solver} solver
 */
export function evaluationsToSolve(problem, minimum, solver, limit = 3000) {
  const counter = hitCounter(problem, minimum, limit);
  minimize({ ...problem, fg: counter.fg }, solver, {
    maxEvaluations: limit,
    maxIterations: Infinity,
    gtol: 0,
    storeTrace: false,
    callback: () => counter.hit() !== null,
  });
  return counter.hit();
}

/** @param {Float64Array} x */
function normInf(x) {
  let max = 0;
  for (let i = 0; i < x.length; i++) {
    const a = Math.abs(x[i]);
    if (!(a <= max)) max = a;
  }
  return max;
}
