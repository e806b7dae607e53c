/**
 * `quasi-newton/lean`: `minimize` and `lbfgs` in 10 kB, for pages on which each kilobyte counts.
 *
 * They are those of `quasi-newton` without SIMD, bounds, overlapping batches and transforms of the loss. Results are
 * the same to the last bit; the solver's own part of an iteration takes five to nine times longer.
 *
 * @module quasi-newton/lean
 */

export { minimize, minimizeAsync } from './core/plainMinimize.ts';
export { terminations, type Outcome, type Termination } from './core/termination.ts';
export { lbfgs, type PlainLbfgsOptions } from './solvers/plainLbfgs.ts';
export { strongWolfe, type StrongWolfeOptions } from './solvers/linesearch/strongWolfe.ts';
export type { AsyncObjective, AsyncProblem, Objective, Problem } from './core/problem.ts';
export type { SolveResult } from './core/result.ts';
export type { PlainSolveOptions, Progress } from './core/solveOptions.ts';
export type { Solver } from './core/solver.ts';
