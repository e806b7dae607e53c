import { boolean, callable, checkOptions } from '../core/options.ts';
import { broydenFamily, type DenseMemory } from './broyden.ts';
import { unitStep, type InitialStep } from './initialStep.ts';
import { lineSearchRule } from './lineSearchOption.ts';
import { lineSearchSolver, type LineSearchState } from './lineSearchSolver.ts';
import { strongWolfe } from './linesearch/strongWolfe.ts';
import type { Solver } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Options of {@link bfgs}. */
export interface BfgsOptions {
  /** @defaultValue `strongWolfe()` */
  readonly lineSearch?: LineSearch;
  /** @defaultValue `unitStep()` */
  readonly initialStep?: InitialStep;
  /**
   * Learn curvature from the values of f too, not from its gradients alone.
   *
   * @defaultValue true in float64, false in float32 and on mini-batches, whose values are too noisy for it
   */
  readonly modifiedSecant?: boolean;
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
  checkOptions('bfgs', options, {
    lineSearch: lineSearchRule,
    initialStep: callable,
    modifiedSecant: boolean,
  });
  const { lineSearch = strongWolfe(), initialStep = unitStep() } = options;
  return lineSearchSolver({
    name: 'bfgs',
    describe: () => `BFGS (${lineSearch.name})`,
    descent: broydenFamily(
      () => ({ phi: 1, tau: 1 }),
      (sy, yy) => Math.max(1, sy / yy),
      options.modifiedSecant,
    ),
    lineSearch,
    initialStep,
  });
}
