import { solve } from './solve.ts';
import { checkProblem, checkSolver } from './start.ts';
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
 * @throws RangeError naming every option that is wrong
 * @throws TypeError if `problem` or `solver` is none
 */
export function begin<Options extends PlainSolveOptions>(
  where: string,
  problem: AsyncProblem | Problem,
  solver: Solver,
  options: Options,
  rules: Rules<Options>,
  filter: Filter | null,
): Asks<SolveResult> {
  checkProblem(where, problem);
  checkSolver(where, solver);
  return solve(solver, problem, completeSolveOptions(where, options, rules), filter);
}
