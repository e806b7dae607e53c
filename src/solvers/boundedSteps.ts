import { longestStep, projectStep, type Boxes } from '../core/bounds.ts';
import { boxFor, startsWithin } from '../core/boundedSolver.ts';
import type { Solver } from '../core/solver.ts';
import type { Descent, LineSearchState } from './lineSearchSolver.ts';

/** Returns the parts of a {@link Descent} that end steps at the first bound. */
export const stepsWithin = (boxes: Boxes): Required<Pick<Descent<unknown>, 'longestStep' | 'project'>> => ({
  longestStep: ({ x, direction, rounded }) => longestStep(boxFor(boxes, rounded), x, direction),
  project(trial, { x, direction, rounded }, alpha) {
    projectStep(boxFor(boxes, rounded), trial, { x, direction, alpha });
  },
});

/** Makes a line-search method start within its box, and measure convergence there. */
export const solverWithin = <Memory>(
  boxes: Boxes,
  solver: Solver<LineSearchState<Memory>>,
): Solver<LineSearchState<Memory>> => ({ ...solver, ...startsWithin(boxes) });
