import { checkOptions, oneOf } from '../core/options.ts';
import { enableSimd } from '../core/kernels/enableSimd.ts';
import {
  boundRule,
  boxIn,
  boxOf,
  confine,
  heldBy,
  longestStep,
  measureInBox,
  project,
  projectStep,
  type Bound,
  type Box,
} from './bounds.ts';
import { staticStep, unitStep } from './initialStep.ts';
import { lineSearchSolver, type LineSearchMethod, type LineSearchState } from './lineSearchSolver.ts';
import { overlapPairs } from './overlapPairs.ts';
import { lbfgsMethod, lbfgsMethodRules, type LbfgsMethodOptions } from './lbfgsMethod.ts';
import { directionWithin } from './within.ts';
import type { Precision } from '../core/problem.ts';
import type { Solver } from '../core/solver.ts';
import type { LbfgsMemory } from './limitedMemory.ts';

/** Options of {@link lbfgs}. */
export interface LbfgsOptions extends LbfgsMethodOptions {
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
  /** lower ≤ x, one number or `[n]`; null where x is unbounded. @defaultValue `-Infinity` */
  readonly lower?: Bound;
  /** x ≤ upper, one number or `[n]`; null where x is unbounded. @defaultValue `Infinity` */
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
  const rules = { pairs: oneOf('sameBatch', 'overlap'), lower: boundRule, upper: boundRule };
  checkOptions('lbfgs', options, { ...lbfgsMethodRules, ...rules });
  enableSimd();
  const { lower = -Infinity, upper = Infinity, pairs = 'sameBatch' } = options;
  const free = (lower ?? -Infinity) === -Infinity && (upper ?? Infinity) === Infinity;
  const boxes = free ? null : boxesOf(lower, upper);
  const method = boxes === null ? lbfgsMethod(options, 'gradient', unitStep()) : methodIn(boxes, options);
  const { descent } = method;
  // Of overlaps it is learned between the steps.
  const stepping = pairs === 'overlap' ? { ...method, descent: { ...descent, update: () => {} } } : method;
  const solver = boxes === null ? lineSearchSolver(stepping) : solverIn(boxes, stepping);
  return pairs === 'overlap' ? overlapPairs(solver, descent) : solver;
}

/** The box of each precision. */
type Boxes = Readonly<Record<Precision, Box>>;

function boxesOf(lower: Bound, upper: Bound): Boxes {
  const box = boxOf('lbfgs', lower, upper);
  return { float64: box, float32: boxIn('float32', box) };
}

const boxFor = (boxes: Boxes, rounded: boolean): Box => (rounded ? boxes.float32 : boxes.float64);

/** L-BFGS with directions that keep within a box. */
function methodIn(boxes: Boxes, options: LbfgsOptions): LineSearchMethod<LbfgsMemory> {
  const method = lbfgsMethod(options, 'freeElements', staticStep(1));
  return {
    ...method,
    descent: {
      ...method.descent,
      direction(memory, gradient, out, x) {
        const box = boxFor(boxes, memory.rounded);
        directionWithin(options, memory, gradient, heldBy(box, x, gradient), out);
        confine(box, x, out);
      },
      longestStep: ({ x, direction, rounded }) => longestStep(boxFor(boxes, rounded), x, direction),
      project(trial, { x, direction, rounded }, alpha) {
        projectStep(boxFor(boxes, rounded), trial, { x, direction, alpha });
      },
    },
  };
}

/** A solver that begins within a box, too, and is measured by the elements that no bound holds. */
function solverIn(boxes: Boxes, method: LineSearchMethod<LbfgsMemory>): Solver<LineSearchState<LbfgsMemory>> {
  return {
    ...lineSearchSolver(method),
    admit(x, { precision }) {
      boxes.float64.checkLength(x.length);
      project(boxes[precision], x);
    },
    measure: (state) => measureInBox(boxFor(boxes, state.rounded), state),
  };
}
