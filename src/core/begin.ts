import { solve } from './solve.ts';
import { checkProblem, checkSolver, readOnly } from './start.ts';
import { completeSolveOptions, type PlainSolveOptions } from './solveOptions.ts';
import type { Rules } from './options.ts';
import type { AsyncProblem, Problem } from './problem.ts';
import type { Asks } from './question.ts';
import type { SolveResult } from './result.ts';
import type { Solver } from './solver.ts';
import type { Filter } from './transform.ts';

/**
 * Checks what a user has given, and begins to solve.
 *
 * @param where - the function called, named in messages
 * @param filterFor - what the solver is to see of f, by options that have been found right; default f itself
 * @throws RangeError naming every option that is wrong
 * @throws TypeError if `problem` or `solver` is none
 */
export function begin<Options extends PlainSolveOptions>(
  where: string,
  problem: AsyncProblem | Problem,
  solver: Solver,
  options: Options,
  rules: Rules<Options>,
  filterFor: (options: Options) => Filter | null = () => null,
): Asks<SolveResult> {
  checkProblem(where, problem);
  checkSolver(where, solver);
  const complete = completeSolveOptions(where, options, rules);
  const { callback } = complete;
  const guarded = callback === undefined ? complete : { ...complete, callback: readOnly(callback) };
  return solve(solver, problem, guarded, filterFor(options));
}
