import { checkOptions } from '../core/options.ts';
import { broydenFamily, type DenseMemory } from './broyden.ts';
import { lineSearchRule } from './lineSearchOption.ts';
import { lineSearchSolver, type LineSearchState } from './lineSearchSolver.ts';
import { strongWolfe } from './linesearch/strongWolfe.ts';
import type { Solver } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Options of {@link bfgs}. */
export interface BfgsOptions {
  /** @defaultValue `strongWolfe()` */
  readonly lineSearch?: LineSearch;
}

/**
 * BFGS with a dense inverse Hessian: n² numbers and O(n²) work an iteration, for up to about a thousand
 * unknowns. There it reaches losses that limited memory does not.
 *
 * H starts as max(1, sᵀy/yᵀy)·I at the first update.
 *
 * @throws RangeError naming every option that is wrong
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., Algorithm 6.1 and eq. (6.17), (6.20)
 */
export function bfgs(options: BfgsOptions = {}): Solver<LineSearchState<DenseMemory>> {
  checkOptions('bfgs', options, { lineSearch: lineSearchRule });
  const { lineSearch = strongWolfe() } = options;
  return lineSearchSolver({
    name: 'bfgs',
    describe: () => `BFGS (${lineSearch.name})`,
    descent: broydenFamily(
      () => ({ phi: 1, tau: 1 }),
      (sy, yy) => Math.max(1, sy / yy),
    ),
    lineSearch,
  });
}
