import type { ProblemFacts } from './problem.ts';

/** A problem as the loop sees it: its facts, and which methods it has. */
export interface Task extends ProblemFacts {
  /** Methods of the problem, present or not. */
  readonly nextBatch?: unknown;
  readonly overlap?: unknown;
  readonly residuals?: unknown;
  readonly jacobianVector?: unknown;
  readonly vectorJacobian?: unknown;
  readonly hessianVector?: unknown;
}
