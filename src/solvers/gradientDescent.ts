import { boxFor, startsWithin, withBoundsOf } from '../core/boundedSolver.ts';
import { boundRule, boxesOf, confine, heldBy, projectFrom, type Bound, type Boxes } from '../core/bounds.ts';
import { boolean, checkOptions, nonNegative, type Rules } from '../core/options.ts';
import { evaluate, type Asks } from '../core/question.ts';
import { roundToFloat32, scaleInto } from '../core/vector.ts';
import { solverWithin, stepsWithin } from './boundedSteps.ts';
import { previousStep } from './initialStep.ts';
import { lineSearchRule } from './lineSearchOption.ts';
import { lineSearchSolver, type Descent, type LineSearchState } from './lineSearchSolver.ts';
import { strongWolfe } from './linesearch/strongWolfe.ts';
import { scheduleOf, scheduleRule, showSchedule, type Schedule } from './schedules.ts';
import type { Iterate, Solver, StepOutcome } from '../core/solver.ts';
import type { LineSearch } from './linesearch/lineSearch.ts';

/** Options of {@link gradientDescent}. */
export interface GradientDescentOptions {
  /** Line search. @defaultValue `strongWolfe()`, unless there is a learning rate */
  readonly lineSearch?: LineSearch | undefined;
  /** Fixed rate or schedule, instead of a line search. */
  readonly learningRate?: number | Schedule | undefined;
  /** With a learning rate: fraction of the previous step that is kept, in [0, 1). @defaultValue `0` */
  readonly momentum?: number | undefined;
  /** With momentum: true for Nesterov's form. @defaultValue `false` */
  readonly nesterov?: boolean | undefined;
  /** Lower bound of x, one number or `[n]`; null means unbounded. @defaultValue `-Infinity` */
  readonly lower?: Bound | undefined;
  /** Upper bound of x, one number or `[n]`; null means unbounded. @defaultValue `Infinity` */
  readonly upper?: Bound | undefined;
}

/** Rules of {@link GradientDescentOptions}. */
export const gradientDescentRules: Rules<GradientDescentOptions> = {
  lineSearch: lineSearchRule,
  learningRate: scheduleRule,
  momentum: nonNegative,
  nesterov: boolean,
  lower: boundRule,
  upper: boundRule,
};

/** State of gradient descent with momentum; the velocity is `[n]`. */
export interface MomentumState extends Iterate {
  readonly velocity: Float64Array;
  /** With bounds: the point where the last step began, `[n]`. */
  readonly start?: Float64Array;
  steps: number;
  readonly rounded: boolean;
  readonly stochastic: boolean;
}

/**
 * Steepest descent with a line search, as a baseline, or with a learning rate and momentum, the classic
 * method for mini-batches.
 *
 * With a learning rate: v ← momentum·v − rate·∇f, x ← x + v; in Nesterov's form x ← x + momentum·v − rate·∇f.
 *
 * With `lower` or `upper`, x never leaves its bounds. A step with a learning rate ends at the nearest point within them. A
 * line search leaves out the elements that a bound holds, cuts the others' steps of length 1 at their bounds, and ends where the
 * first bound is met.
 *
 * @throws RangeError naming every option that is wrong
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., section 3.3; Sutskever et al. (2013), On the
 *   importance of initialization and momentum in deep learning, ICML
 */
export function gradientDescent(options: GradientDescentOptions = {}): Solver {
  checkOptions('gradientDescent', options, gradientDescentRules);
  return gradientDescentFor('gradientDescent', options);
}

/** Checks options that depend on each other, in the name of the function called. */
function checkTogether(where: string, options: GradientDescentOptions): void {
  const { lineSearch, learningRate, momentum = 0, nesterov = false } = options;
  if (learningRate === undefined) {
    const moving = momentum > 0 ? 'momentum' : 'nesterov';
    if (momentum > 0 || nesterov) throw new RangeError(`${where}: ${moving} needs a learningRate.`);
    return;
  }
  if (lineSearch !== undefined) {
    throw new RangeError(`${where}: give either a lineSearch or a learningRate, not both.`);
  }
  if (momentum >= 1) throw new RangeError(`${where}: momentum must be below 1, got ${momentum}.`);
  if (nesterov && momentum === 0) throw new RangeError(`${where}: nesterov needs momentum > 0.`);
}

/** As {@link gradientDescent}, of options that follow the rules; errors are in the name of the function called. */
export function gradientDescentFor(where: string, options: GradientDescentOptions): Solver {
  checkTogether(where, options);
  const { lineSearch = strongWolfe(), learningRate, momentum = 0, nesterov = false } = options;
  const boxes = boxesOf(where, options.lower, options.upper);
  const solver: Solver =
    learningRate === undefined
      ? searching(lineSearch, boxes)
      : rolling(learningRate, momentum, nesterov, boxes);
  const withBounds = withBoundsOf('gradientDescent', options, gradientDescentFor);
  return { ...solver, withBounds };
}

function searching(lineSearch: LineSearch, boxes: Boxes | null): Solver {
  const parts = {
    name: 'gradientDescent',
    describe: () => `Gradient descent (${lineSearch.name})`,
    lineSearch,
    initialStep: previousStep(),
  };
  if (boxes === null) return lineSearchSolver({ ...parts, descent: steepest });
  const solver: Solver = lineSearchSolver({ ...parts, descent: steepestIn(boxes) });
  return solverWithin(boxes, solver as Solver<LineSearchState<Rounding>>);
}

interface Rounding {
  readonly rounded: boolean;
}

const steepest: Descent<Rounding> = {
  init: ({ precision }) => ({ rounded: precision === 'float32' }),
  apply: (_memory, gradient, out) => scaleInto(-1, gradient, out),
  learn() {},
  reset() {},
  isFresh: () => true,
};

/** −∇f of the elements that no bound holds, cut back to the box. */
const steepestIn = (boxes: Boxes): Descent<Rounding> => ({
  ...steepest,
  apply({ rounded }, gradient, out, x) {
    const box = boxFor(boxes, rounded);
    scaleInto(-1, gradient, out);
    for (const i of heldBy(box, x, gradient)) out[i] = 0;
    confine(box, x, out);
  },
  ...stepsWithin(boxes),
});

function rolling(
  learningRate: number | Schedule,
  momentum: number,
  nesterov: boolean,
  boxes: Boxes | null,
): Solver {
  const rateAt = scheduleOf(learningRate);
  function* step(state: MomentumState): Asks<StepOutcome> {
    const { x, gradient, velocity } = state;
    const rate = rateAt(state.steps++);
    state.start?.set(x);
    let moved = 0;
    for (let i = 0; i < x.length; i++) {
      const push = rate * gradient[i];
      velocity[i] = momentum * velocity[i] - push;
      const s = nesterov ? momentum * velocity[i] - push : velocity[i];
      moved = Math.max(moved, Math.abs(s));
      x[i] += s;
    }
    if (state.rounded) roundToFloat32(x);
    if (boxes && state.start) moved = projectFrom(boxFor(boxes, state.rounded), x, state.start);
    // The next mini-batch will be evaluated here anyway.
    if (!state.stochastic) state.f = yield evaluate(x, gradient);
    return { kind: 'accepted', alpha: rate, moved };
  }
  const solver: Solver<MomentumState> = {
    name: 'gradientDescent',
    descends: false,
    describe: () =>
      `Gradient descent (learning rate ${showSchedule(learningRate)}, ${nesterov ? 'Nesterov ' : ''}momentum ${momentum})`,
    init: ({ n, precision, stochastic = false }) => ({
      x: new Float64Array(n),
      gradient: new Float64Array(n),
      f: NaN,
      velocity: new Float64Array(n),
      ...(boxes && { start: new Float64Array(n) }),
      steps: 0,
      rounded: precision === 'float32',
      stochastic,
    }),
    step,
    ...(boxes && startsWithin(boxes)),
  };
  return solver;
}
