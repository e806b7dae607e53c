import { runAsync, runSync } from '../core/drive.ts';
import { minimizing } from '../core/minimize.ts';
import { auto } from './auto.ts';
import type { AsyncProblem, Problem } from '../core/problem.ts';
import type { SolveResult } from '../core/result.ts';
import type { AsyncSolveOptions, SolveOptions } from '../core/solveOptions.ts';
import type { Solver } from '../core/solver.ts';

/**
 * Minimizes a function using its gradients.
 *
 * Numerical failures are not thrown: `result.termination` names them and `result.message` explains them.
 * Afterwards `problem.params` always hold the best finite point.
 *
 * @param problem - any `{ p0, fg }`: the start, `[n]`, and an {@link Objective}
 * @param solver - `lbfgs()`, `bfgs()`, …; by default {@link auto} chooses one. `minimize` of `quasi-newton/core` has
 *   no default, and loads no solver.
 * @param options - limits, tolerances, traces and callbacks
 * @throws RangeError naming every option that is wrong, or if the start or the values there are not finite
 * @throws unchanged, the errors of the objective and the callback, and the reason of an aborted signal
 *
 * @example
 * ```js
 * import { minimize } from 'quasi-newton';
 *
 * const bowl = {
 *   p0: Float64Array.of(3, -4),
 *   fg(x, gradient) {
 *     if (gradient) gradient.set([2 * x[0], 20 * x[1]]);
 *     return x[0] ** 2 + 10 * x[1] ** 2;
 *   },
 * };
 * console.log(String(minimize(bowl)));
 * ```
 */
export function minimize(problem: Problem, solver: Solver = auto(), options: SolveOptions = {}): SolveResult {
  return runSync(minimizing('minimize', problem, solver, options), problem);
}

/**
 * As {@link minimize}, for a problem whose methods may return promises. A callback that returns one is awaited.
 */
export async function minimizeAsync(
  problem: AsyncProblem | Problem,
  solver: Solver = auto(),
  options: AsyncSolveOptions = {},
): Promise<SolveResult> {
  return runAsync(minimizing('minimizeAsync', problem, solver, options), problem);
}
