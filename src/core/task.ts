import type { ProblemFacts } from './problem.ts';

/** A problem as seen by the loop: its data, and which methods it has. */
export interface Task extends ProblemFacts {
  /** Methods of the problem; undefined if absent. */
  readonly fg?: unknown;
  readonly nextBatch?: unknown;
  readonly overlap?: unknown;
  readonly residuals?: unknown;
  readonly jacobianVector?: unknown;
  readonly vectorJacobian?: unknown;
  readonly jacobianGram?: unknown;
  readonly hessianVector?: unknown;
}
