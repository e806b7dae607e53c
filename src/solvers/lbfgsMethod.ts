import { boolean, callable, oneOf, type Rules } from '../core/options.ts';
import { memoryRule } from './pairRing.ts';
import type { InitialStep } from './initialStep.ts';
import {
  limitedMemory,
  type DirectionOf,
  type LbfgsMemory,
  type LimitedMemoryOptions,
} from './limitedMemory.ts';
import { lineSearchRule } from './lineSearchOption.ts';
import type { LineSearchMethod } from './lineSearchSolver.ts';
import { strongWolfe } from './linesearch/strongWolfe.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Options of L-BFGS, without bounds and overlapping batches. */
export interface LbfgsMethodOptions extends LimitedMemoryOptions {
  /**
   * Number m of curvature pairs kept: 2mn numbers. More pairs take fewer evaluations, and a little more
   * time each.
   *
   * @defaultValue 50 for n ≤ 2000, 10 for n ≥ 1e6, else 20
   */
  readonly memory?: number;
  /** @defaultValue `strongWolfe()` */
  readonly lineSearch?: LineSearch;
  /** @defaultValue `unitStep()`; with bounds `staticStep(1)` */
  readonly initialStep?: InitialStep;
}

/** Rules of {@link LbfgsMethodOptions}. */
export const lbfgsMethodRules: Rules<LbfgsMethodOptions> = {
  memory: memoryRule,
  lineSearch: lineSearchRule,
  initialStep: callable,
  modifiedSecant: boolean,
  selfScaling: boolean,
  initialScaling: oneOf('short', 'long', 'geometric', 'none'),
  preconditioner: callable,
  damping: boolean,
  storage: oneOf('float64', 'float32'),
};

/**
 * Returns the method that the options describe.
 *
 * @param firstStep - where the options have none
 * @throws RangeError if they contradict each other
 */
export function lbfgsMethod(
  options: LbfgsMethodOptions,
  directionOf: DirectionOf,
  firstStep: InitialStep,
): LineSearchMethod<LbfgsMemory> {
  if (options.storage === 'float32' && options.preconditioner !== undefined) {
    throw new RangeError(
      "lbfgs: storage 'float32' does not go with a preconditioner; leave one of the two options out.",
    );
  }
  const { lineSearch = strongWolfe(), initialStep = firstStep } = options;
  const memoryFor = (n: number) => options.memory ?? defaultMemory(n);
  return {
    name: 'lbfgs',
    describe: (n) => `L-BFGS (memory ${memoryFor(n)}, ${lineSearch.name})`,
    descent: limitedMemory(memoryFor, options, directionOf),
    lineSearch,
    initialStep,
  };
}

/** The number of pairs where none is chosen. */
export function defaultMemory(n: number): number {
  if (n <= 2000) return 50;
  return n >= 1e6 ? 10 : 20;
}
