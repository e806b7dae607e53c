import { boolean, callable, checkOptions, integerFrom, oneOf } from '../core/options.ts';
import { unitStep, type InitialStep } from './initialStep.ts';
import { limitedMemory, type LbfgsMemory, type LimitedMemoryOptions } from './limitedMemory.ts';
import { lineSearchRule } from './lineSearchOption.ts';
import { lineSearchSolver, type LineSearchState } from './lineSearchSolver.ts';
import { strongWolfe } from './linesearch/strongWolfe.ts';
import type { Solver } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Options of {@link lbfgs}. */
export interface LbfgsOptions extends LimitedMemoryOptions {
  /**
   * Number m of curvature pairs kept: 2mn numbers. More pairs take fewer evaluations, and a little more
   * time each.
   *
   * @defaultValue 50 for n ≤ 2000, 10 for n ≥ 1e6, else 20
   */
  readonly memory?: number;
  /** @defaultValue `strongWolfe()` */
  readonly lineSearch?: LineSearch;
  /** @defaultValue `unitStep()` */
  readonly initialStep?: InitialStep;
}

/**
 * Limited-memory BFGS: the method to begin with, for tens to millions of unknowns.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { lbfgs, minimize, strongWolfe } from 'quasi-newton';
 *
 * const solver = lbfgs({ memory: 10, lineSearch: strongWolfe() });
 * ```
 *
 * @see Nocedal (1980), Updating quasi-Newton matrices with limited storage, Math. Comp. 35,
 *   doi:10.1090/S0025-5718-1980-0572855-7; Liu & Nocedal (1989), Math. Programming 45, doi:10.1007/BF01589116
 */
export function lbfgs(options: LbfgsOptions = {}): Solver<LineSearchState<LbfgsMemory>> {
  checkOptions('lbfgs', options, {
    memory: integerFrom(1),
    lineSearch: lineSearchRule,
    initialStep: callable,
    modifiedSecant: boolean,
    selfScaling: boolean,
    initialScaling: oneOf('short', 'long', 'geometric', 'none'),
    preconditioner: callable,
    damping: boolean,
  });
  const { lineSearch = strongWolfe(), initialStep = unitStep() } = options;
  const memoryFor = (n: number) => options.memory ?? defaultMemory(n);
  return lineSearchSolver({
    name: 'lbfgs',
    describe: (n) => `L-BFGS (memory ${memoryFor(n)}, ${lineSearch.name})`,
    descent: limitedMemory(memoryFor, options),
    lineSearch,
    initialStep,
  });
}

/** The number of pairs where none is chosen. */
export function defaultMemory(n: number): number {
  if (n <= 2000) return 50;
  return n >= 1e6 ? 10 : 20;
}
