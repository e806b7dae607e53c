import { begin } from './begin.ts';
import { runAsync, runSync } from './drive.ts';
import { plainSolveRules, type PlainSolveOptions } from './solveOptions.ts';
import type { AsyncProblem, Problem } from './problem.ts';
import type { SolveResult } from './result.ts';
import type { Solver } from './solver.ts';

/** As `minimize` of `quasi-newton`, without the option `transform`. */
export function minimize(problem: Problem, solver: Solver, options: PlainSolveOptions = {}): SolveResult {
  return runSync(begin('minimize', problem, solver, options, plainSolveRules), problem);
}

/** As `minimizeAsync` of `quasi-newton`, without the option `transform`. */
export async function minimizeAsync(
  problem: AsyncProblem | Problem,
  solver: Solver,
  options: PlainSolveOptions = {},
): Promise<SolveResult> {
  return runAsync(begin('minimizeAsync', problem, solver, options, plainSolveRules), problem);
}
