import { checkOptions } from '../core/options.ts';
import { scaleInto } from '../core/vector.ts';
import { previousStep } from './initialStep.ts';
import { lineSearchRule } from './lineSearchOption.ts';
import { lineSearchSolver, type Descent, type LineSearchState } from './lineSearchSolver.ts';
import { strongWolfe } from './linesearch/strongWolfe.ts';
import type { Solver } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Options of {@link gradientDescent}. */
export interface GradientDescentOptions {
  /** @defaultValue `strongWolfe()` */
  readonly lineSearch?: LineSearch;
}

/**
 * Steepest descent with a line search: the yardstick, rarely the choice.
 *
 * @throws RangeError naming every option that is wrong
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., section 3.3
 */
export function gradientDescent(
  options: GradientDescentOptions = {},
): Solver<LineSearchState<Record<string, never>>> {
  checkOptions('gradientDescent', options, { lineSearch: lineSearchRule });
  const { lineSearch = strongWolfe() } = options;
  return lineSearchSolver({
    name: 'gradientDescent',
    describe: () => `Gradient descent (${lineSearch.name})`,
    descent: steepest,
    lineSearch,
    initialStep: previousStep(),
  });
}

const steepest: Descent<Record<string, never>> = {
  init: () => ({}),
  direction: (_memory, gradient, out) => scaleInto(-1, gradient, out),
  update() {},
  forget() {},
  isFresh: () => true,
};
