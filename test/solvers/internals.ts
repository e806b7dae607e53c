import type { Iterate } from '../../src/core/solver.ts';
import type { LbfgsMemory } from '../../src/solvers/limitedMemory.ts';
import type { LineSearchState } from '../../src/solvers/lineSearchSolver.ts';

/** A state as its solver sees it: its type is not public. */
export const inside = <State extends Iterate>(state: Iterate | State): State => state as State;

/** The memory of a line-search method. */
export const memoryOf = <Memory = LbfgsMemory>(state: Iterate | LineSearchState<Memory>): Memory =>
  inside<LineSearchState<Memory>>(state).memory;
