import { boundedSolver } from './boundedSolver.ts';
import { boundRule } from './bounds.ts';
import { runAsync, runSync } from './drive.ts';
import { oneOf } from './options.ts';
import { solve } from './solve.ts';
import {
  completeSolveOptions,
  plainSolveRules,
  type AsyncSolveOptions,
  type SolveOptions,
} from './solveOptions.ts';
import { readOnly } from './callback.ts';
import { checkProblem, checkSolver } from './start.ts';
import { transformBy } from './transform.ts';
import { validationRule } from './validation.ts';
import type { AsyncProblem, Problem } from './problem.ts';
import type { Asks } from './question.ts';
import type { SolveResult } from './result.ts';
import type { Solver } from './solver.ts';

/**
 * Minimizes a function using its gradients with the solver given; `minimize` of `quasi-newton` does the same, and has a
 * default solver.
 *
 * Numerical failures are not thrown: `result.termination` names them and `result.message` explains them.
 * Afterwards `problem.params` always hold the best finite point.
 *
 * @param problem - any `{ p0, fg }`: the start, `[n]`, and an `Objective`
 * @param solver - `lbfgs()`, `bfgs()`, …
 * @param options - limits, tolerances, traces and callbacks
 * @throws TypeError if there is no solver
 * @throws RangeError naming every option that is wrong, or if the start or the values there are not finite
 * @throws unchanged, the errors of the objective and the callback, and the reason of an aborted signal
 *
 * @example
 * ```js
 * import { lbfgs } from 'quasi-newton';
 * import { minimize } from 'quasi-newton/core';
 *
 * const bowl = {
 *   p0: Float64Array.of(3, -4),
 *   fg(x, gradient) {
 *     if (gradient) gradient.set([2 * x[0], 20 * x[1]]);
 *     return x[0] ** 2 + 10 * x[1] ** 2;
 *   },
 * };
 * console.log(String(minimize(bowl, lbfgs())));
 * ```
 */
export function minimize(problem: Problem, solver: Solver, options: SolveOptions = {}): SolveResult {
  return runSync(minimizing('minimize', problem, solver, options), problem);
}

/**
 * As {@link minimize}, for a problem whose methods may return promises. A callback that returns one is awaited.
 */
export async function minimizeAsync(
  problem: AsyncProblem | Problem,
  solver: Solver,
  options: AsyncSolveOptions = {},
): Promise<SolveResult> {
  return runAsync(minimizing('minimizeAsync', problem, solver, options), problem);
}

/**
 * Checks the arguments in the name of the function called, and returns the computation of {@link minimize}.
 */
export function minimizing(
  where: string,
  problem: AsyncProblem | Problem,
  solver: Solver,
  options: AsyncSolveOptions,
): Asks<SolveResult> {
  checkProblem(where, problem);
  checkSolver(where, solver);
  const rules = {
    ...plainSolveRules,
    transform: oneOf('none', 'log', 'sqrt'),
    validation: validationRule,
    lower: boundRule,
    upper: boundRule,
  };
  const complete = completeSolveOptions(where, options, rules);
  const callback = complete.callback && readOnly(where, complete.callback);
  const bounded = boundedSolver(where, solver, options.lower, options.upper, problem.p0?.length);
  return solve(
    bounded,
    problem,
    { ...complete, ...(callback && { callback }) },
    transformBy(where, options.transform, bounded),
  );
}
