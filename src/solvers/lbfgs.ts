import { boolean, callable, checkOptions, oneOf, type Rules } from '../core/options.ts';
import { boxFor, withBoundsOf } from '../core/boundedSolver.ts';
import { boundRule, boxesOf, confine, heldBy, type Bound, type Boxes } from '../core/bounds.ts';
import { solverWithin, stepsWithin } from './boundedSteps.ts';
import { MODEL_LIMIT, modelMatrix, stepInBox } from './boxDirection.ts';
import { staticStep, unitStep, type InitialStep } from './initialStep.ts';
import { limitedMemory, type LbfgsMemory, type LimitedMemoryOptions } from './limitedMemory.ts';
import { lineSearchRule, quasiNewtonSearch } from './lineSearchOption.ts';
import { lineSearchSolver, type Descent, type LineSearchState } from './lineSearchSolver.ts';
import { overlapPairs } from './overlapPairs.ts';
import { defaultMemory, memoryRule } from './pairRing.ts';
import type { Solver } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Options of {@link lbfgs}. */
export interface LbfgsOptions extends LimitedMemoryOptions {
  /**
   * Number m of curvature pairs, which take 2mn numbers. More pairs need fewer evaluations, at a little more
   * time each.
   *
   * @defaultValue 100 for n ≤ 500, 50 for n ≤ 2000, 10 for n ≥ 1e6, otherwise 20
   */
  readonly memory?: number | undefined;
  /** Line search. @defaultValue `strongWolfe({ c2: 0.99, maxRise: Infinity, extrapolation: 10 })` */
  readonly lineSearch?: LineSearch | undefined;
  /** First step that the line search tries. @defaultValue `unitStep()`; with bounds `staticStep(1)` */
  readonly initialStep?: InitialStep | undefined;
  /**
   * With mini-batches, the samples that y of a pair is computed on: the step's own batch, or those that it
   * shares with the next one (`'overlap'`). With `'overlap'`, both gradients of y use the same samples, which
   * are not the ones that determined the step. It takes two more evaluations, on the shared samples, and
   * requires a problem with `nextBatch` and `overlap`.
   *
   * @defaultValue `'sameBatch'`
   * @see Berahas, Nocedal & Takáč (2016), A multi-batch L-BFGS method for machine learning, NIPS 29,
   *   arXiv:1605.06049
   */
  readonly pairs?: 'sameBatch' | 'overlap' | undefined;
  /** Lower bound of x, one number or `[n]`; null means unbounded. @defaultValue `-Infinity` */
  readonly lower?: Bound | undefined;
  /** Upper bound of x, one number or `[n]`; null means unbounded. @defaultValue `Infinity` */
  readonly upper?: Bound | undefined;
}

/** Rules of {@link LbfgsOptions} except `pairs`, which optimizer classes do not offer. */
export const lbfgsRules: Rules<Omit<LbfgsOptions, 'pairs'>> = {
  memory: memoryRule,
  lineSearch: lineSearchRule,
  initialStep: callable,
  modifiedSecant: boolean,
  selfScaling: boolean,
  initialScaling: oneOf('short', 'long', 'geometric', 'none'),
  preconditioner: callable,
  damping: boolean,
  storage: oneOf('float64', 'float32'),
  lower: boundRule,
  upper: boundRule,
};

/**
 * Limited-memory BFGS: the first method to try, for tens to millions of unknowns.
 *
 * With `lower` or `upper`, x always stays within its bounds: elements held by a bound are left out of the
 * two-loop recursion, and steps end where they meet the first bound. For up to 64 unknowns, the step minimizes the
 * quadratic model within the bounds, in 2mn² multiplications.
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
export function lbfgs(options: LbfgsOptions = {}): Solver {
  checkOptions('lbfgs', options, { ...lbfgsRules, pairs: oneOf('sameBatch', 'overlap') });
  return lbfgsFor('lbfgs', options);
}

/** As {@link lbfgs}, of options that follow the rules; errors are in the name of the function called. */
export function lbfgsFor(where: string, options: LbfgsOptions): Solver {
  const { lower, upper, pairs = 'sameBatch', storage, preconditioner } = options;
  if (storage === 'float32' && preconditioner !== undefined) {
    throw new RangeError(
      `${where}: storage 'float32' cannot be combined with a preconditioner; leave one of the two options out.`,
    );
  }
  const boxes = boxesOf(where, lower, upper);
  const descent = boxes === null ? freeDescent(options) : descentIn(boxes, options);
  const { lineSearch = quasiNewtonSearch(), initialStep = boxes === null ? unitStep() : staticStep(1) } =
    options;
  const made: Solver = lineSearchSolver({
    name: 'lbfgs',
    describe: (n) => `L-BFGS (memory ${options.memory ?? defaultMemory(n)}, ${lineSearch.name})`,
    // Pairs on overlaps are learned between the steps.
    descent: pairs === 'overlap' ? { ...descent, learn: () => {} } : descent,
    lineSearch,
    initialStep,
  });
  const plain = made as Solver<LineSearchState<LbfgsMemory>>;
  const solver = boxes === null ? plain : solverWithin(boxes, plain);
  const whole: Solver = pairs === 'overlap' ? overlapPairs(solver, descent) : solver;
  return { ...whole, withBounds: withBoundsOf('lbfgs', options, lbfgsFor) };
}

/** L-BFGS without bounds. */
function freeDescent(options: LbfgsOptions): Descent<LbfgsMemory> {
  const inverse = limitedMemory((n) => options.memory ?? defaultMemory(n), options);
  return {
    ...inverse,
    apply: (memory, gradient, out, _x, ahead) => inverse.apply(memory, gradient, out, [], ahead),
  };
}

/** L-BFGS whose directions stay in a box: with few unknowns they minimize the model there, with more they are cut. */
function descentIn(boxes: Boxes, options: LbfgsOptions): Descent<LbfgsMemory> {
  const inverse = limitedMemory((n) => options.memory ?? defaultMemory(n), options, true);
  const { preconditioner, selfScaling } = options;
  return {
    ...inverse,
    apply(memory, gradient, out, x) {
      const box = boxFor(boxes, memory.rounded);
      const held = heldBy(box, x, gradient);
      if (memory.count > 0 && x.length <= MODEL_LIMIT && preconditioner === undefined) {
        const matrix = modelMatrix(memory, x.length, selfScaling);
        if (stepInBox({ matrix, gradient }, box, x, held, out)) return;
      }
      inverse.apply(memory, gradient, out, held);
      confine(box, x, out);
    },
    ...stepsWithin(boxes),
  };
}
