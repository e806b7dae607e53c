import { boolean, callable, checkOptions, oneOf } from '../core/options.ts';
import {
  boundRule,
  boxOf,
  confine,
  heldBy,
  longestStep,
  measureInBox,
  project,
  type Bound,
  type Box,
} from './bounds.ts';
import { memoryRule } from './pairRing.ts';
import { staticStep, unitStep, type InitialStep } from './initialStep.ts';
import {
  limitedMemory,
  type LbfgsMemory,
  type LimitedMemory,
  type LimitedMemoryOptions,
} from './limitedMemory.ts';
import { lineSearchRule } from './lineSearchOption.ts';
import {
  lineSearchSolver,
  type Descent,
  type LineSearchMethod,
  type LineSearchState,
} from './lineSearchSolver.ts';
import { overlapPairs } from './overlapPairs.ts';
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
  /** @defaultValue `unitStep()`; with bounds `staticStep(1)` */
  readonly initialStep?: InitialStep;
  /**
   * Of which samples a pair's y is made, where f changes from batch to batch: of the step's own batch, or, with
   * `'overlap'`, of those that it shares with the next one. Then y sees the same samples on both sides and the
   * step does not decide on its own batch what is learned of it; it takes two evaluations more, on the samples
   * shared, and a problem with `nextBatch` and `overlap`.
   *
   * @defaultValue `'sameBatch'`
   * @see Berahas, Nocedal & Takáč (2016), A multi-batch L-BFGS method for machine learning, NIPS 29,
   *   arXiv:1605.06049
   */
  readonly pairs?: 'sameBatch' | 'overlap';
  /** lower ≤ x, one number or `[n]`. @defaultValue `-Infinity` */
  readonly lower?: Bound;
  /** x ≤ upper, one number or `[n]`. @defaultValue `Infinity` */
  readonly upper?: Bound;
}

/**
 * Limited-memory BFGS: the method to begin with, for tens to millions of unknowns.
 *
 * With `lower` or `upper` x stays within its bounds throughout: elements held by a bound are left out of
 * the two-loop recursion, and steps end where the first bound is met.
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
    memory: memoryRule,
    lineSearch: lineSearchRule,
    pairs: oneOf('sameBatch', 'overlap'),
    initialStep: callable,
    modifiedSecant: boolean,
    selfScaling: boolean,
    initialScaling: oneOf('short', 'long', 'geometric', 'none'),
    preconditioner: callable,
    damping: boolean,
    lower: boundRule,
    upper: boundRule,
    storage: oneOf('float64', 'float32'),
  });
  if (options.storage === 'float32' && options.preconditioner !== undefined) {
    throw new RangeError(
      "lbfgs: storage 'float32' does not go with a preconditioner; leave one of the two options out.",
    );
  }
  const { lower = -Infinity, upper = Infinity, pairs = 'sameBatch' } = options;
  const free = lower === -Infinity && upper === Infinity;
  const { lineSearch = strongWolfe(), initialStep = free ? unitStep() : staticStep(1) } = options;
  const memoryFor = (n: number) => options.memory ?? defaultMemory(n);
  const box = free ? null : boxOf('lbfgs', lower, upper);
  const estimate = limitedMemory(memoryFor, options, free ? 'gradient' : 'freeElements');
  const model = box === null ? estimate : boxed(estimate, box);
  const method = {
    name: 'lbfgs',
    describe: (n: number) => `L-BFGS (memory ${memoryFor(n)}, ${lineSearch.name})`,
    descent: pairs === 'overlap' ? { ...model, update: () => {} } : model,
    lineSearch,
    initialStep,
  };
  const solver = box === null ? lineSearchSolver(method) : inBox(method, box);
  return pairs === 'overlap' ? overlapPairs(solver, model) : solver;
}

/** A method whose descent keeps within a box. */
function inBox(method: LineSearchMethod<LbfgsMemory>, box: Box): Solver<LineSearchState<LbfgsMemory>> {
  return {
    ...lineSearchSolver(method),
    admit(x) {
      box.checkLength(x.length);
      project(box, x);
    },
    measure: (state) => measureInBox(box, state),
  };
}

/** Keeps a descent in a box. */
function boxed(estimate: LimitedMemory, box: Box): Descent<LbfgsMemory> {
  return {
    ...estimate,
    direction(memory, gradient, out, x) {
      estimate.directionWithin(memory, gradient, heldBy(box, x, gradient), out);
      confine(box, x, out);
    },
    longestStep: (x, direction) => longestStep(box, x, direction),
    project: (trial) => project(box, trial),
  };
}

/** The number of pairs where none is chosen. */
export function defaultMemory(n: number): number {
  if (n <= 2000) return 50;
  return n >= 1e6 ? 10 : 20;
}
