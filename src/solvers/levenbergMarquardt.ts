import { checkOptions, finitePositive, numberBetween, oneOf } from '../core/options.ts';
import { EPSILON } from '../core/epsilon.ts';
import { askResiduals, type Scheme } from '../core/jacobian.ts';
import { normInf } from '../core/vector.ts';
import { boxFor as boxOfState, startsWithin, withBoundsOf } from '../core/boundedSolver.ts';
import { boundRule, boxesOf, type Bound, type Box } from '../core/bounds.ts';
import { hold } from './leastSquares/dampedSystem.ts';
import { accelerate, cutToBox, moveBy } from './leastSquares/geodesicStep.ts';
import { dampingOfShortStep, FIRST_DAMPING, startRadius } from './leastSquares/firstDamping.ts';
import {
  followDamping,
  lengthOf,
  nextRadius,
  relax,
  solveWithin,
  strays,
  unbentRadius,
} from './leastSquares/trustRegion.ts';
import { accept, linearize, refine, solverOf } from './leastSquares/linearize.ts';
import { chooseScale, isFar, WIDE_SPREAD } from './leastSquares/linearModel.ts';
import { obstacleIn } from './leastSquares/obstacle.ts';
import { judgePromise, RESOLVED } from './leastSquares/hiddenDecrease.ts';
import { standstill } from './leastSquares/standstill.ts';
import { checkState, newState, type LevenbergMarquardtState, type Method } from './leastSquares/state.ts';
import type { Asks } from '../core/question.ts';
import type { Solver, StepOutcome } from '../core/solver.ts';

export type { LevenbergMarquardtState } from './leastSquares/state.ts';

/** Options of {@link levenbergMarquardt}. */
export interface LevenbergMarquardtOptions {
  /**
   * First damping λ, relative to the largest squared column of J in units of D.
   *
   * @defaultValue 1e-3 where D is the identity; where it follows the columns, the least power of 10 from 1e-12 on whose
   * step is not longer than x
   */
  readonly damping?: number | undefined;
  /**
   * Measure ‖Dδ‖ of a step: D is the identity, or the largest norms that the columns of J have had, so that the units
   * of x do not matter.
   *
   * @defaultValue `'auto'`: `'columns'` where the norms of the first J differ by a factor of 5000 or more
   */
  readonly scaling?: 'auto' | 'identity' | 'columns' | undefined;
  /**
   * Second-order correction of each step, for one further evaluation. With `'auto'`, which suits a few unknowns far from
   * their solution, only after a step whose decrease differed by a quarter or more from that of the linear model, and for
   * steps that bend up to twice as much.
   *
   * @defaultValue `true`
   */
  readonly acceleration?: boolean | 'auto' | undefined;
  /**
   * Limit of a step: the damping itself, which suits problems with many unknowns, or a radius that ‖Dδ₁‖ may not exceed,
   * for which a damping is found each time. With few unknowns, the radius takes fewer evaluations, and finds the solution
   * from more starts.
   *
   * @defaultValue `'damping'`
   */
  readonly control?: 'damping' | 'radius' | undefined;
  /**
   * Formula of the Jacobian where the problem writes none.
   *
   * @defaultValue `'auto'`: `'2-point'` until no step lowers f, then `'3-point'`
   */
  readonly differences?: 'auto' | Scheme | undefined;
  /**
   * Solution of a step: `'dense'` with the Jacobian and a factorization; `'dual'` with JJᵀ and a factorization, for problems
   * that have `jacobianGram`, without bounds and scaling by columns; or `'iterative'` with only products Jv and Jᵀu, for
   * problems that have `jacobianVector` and `vectorJacobian`.
   *
   * @defaultValue `'auto'`: `'dual'` where the problem has JJᵀ, and m ≤ n residuals are some hundred to 2289; `'iterative'` where the problem has these, and J takes more than a gigabyte or a step more than
   * 2e9 multiplications
   */
  readonly method?: Method | undefined;
  /**
   * Relative accuracy of an iterative step. Ill-conditioned problems, such as physics-informed networks, need 1e-3.
   *
   * @defaultValue 0.1
   */
  readonly tolerance?: number | undefined;
  /** lower ≤ x, one number or `[n]`; a start outside is moved to the nearest point within. @defaultValue `-Infinity` */
  readonly lower?: Bound | undefined;
  /** x ≤ upper, one number or `[n]`. @defaultValue `Infinity` */
  readonly upper?: Bound | undefined;
}

/** Damping stays within these, in units of the first J. */
const LEAST_DAMPING = 1e-20;
const MOST_DAMPING = 1e32;
/** Below this predicted relative decrease, second differences are noise and Gauss–Newton converges by itself. */
const LEAST_ACCELERATED = 1e-6;
/**
 * Largest 2‖Dδ₂‖/‖Dδ₁‖ of a step that is tried: beyond it, the expansion does not hold. Where evaluations are few, it
 * pays to try more.
 */
const MAX_BEND = 1.5;
const MAX_BEND_AUTO = 3;
/** A step that bends too much is taken if f falls by this fraction of the predicted decrease. */
const LEAST_PLAIN = 0.25;

/**
 * Levenberg–Marquardt with geodesic acceleration, for sums of squares f(x) = Σ rᵢ(x)².
 *
 * δ₁ minimizes ‖r + Jδ‖² + λ‖Dδ‖²; δ₂ corrects it for the curvature of r along δ₁, which one further evaluation
 * shows; the step is δ₁ + ½δ₂. With n unknowns and m residuals it takes O(mn·min(m, n)) work. The problem must have
 * residuals: `leastSquares` makes one.
 *
 * Within bounds, unknowns that a bound holds are left out of the system, and steps are projected.
 *
 * @throws RangeError naming every option that is wrong
 *
 * @example
 * ```js
 * import { leastSquares, levenbergMarquardt, minimize } from 'quasi-newton';
 *
 * const line = leastSquares({
 *   p0: Float64Array.of(0, 0),
 *   residualCount: 3,
 *   residuals: ([a, b], r) => [1, 3, 5].forEach((y, t) => (r[t] = a + b * t - y)),
 * });
 * console.log(minimize(line, levenbergMarquardt({ lower: 0 })).x); // [1, 2]
 * ```
 *
 * @see Transtrum & Sethna (2012), Improvements to the Levenberg–Marquardt algorithm for nonlinear least-squares
 *   minimization, arXiv:1201.5885; Moré (1978), The Levenberg–Marquardt algorithm, Lecture Notes in Mathematics 630,
 *   doi:10.1007/BFb0067700, for D
 */
export function levenbergMarquardt(options: LevenbergMarquardtOptions = {}): Solver {
  checkOptions('levenbergMarquardt', options, {
    damping: finitePositive,
    scaling: oneOf('auto', 'identity', 'columns'),
    acceleration: {
      allowed: "true, false or 'auto'",
      accepts: (v) => typeof v === 'boolean' || v === 'auto',
    },
    control: oneOf('damping', 'radius'),
    differences: oneOf('auto', '2-point', '3-point'),
    method: oneOf('auto', 'dense', 'dual', 'iterative'),
    tolerance: numberBetween(0, 1),
    lower: boundRule,
    upper: boundRule,
  });
  return levenbergMarquardtFor('levenbergMarquardt', options);
}

/** As {@link levenbergMarquardt}, of options that follow the rules; errors of bounds are in the name of the function called. */
function levenbergMarquardtFor(where: string, options: LevenbergMarquardtOptions): Solver {
  const { damping, scaling = 'auto', acceleration = true, differences = 'auto', method = 'auto' } = options;
  const { control = 'damping', tolerance = 0.1 } = options;
  const mayRefine = differences === 'auto';
  const maxBend = acceleration === 'auto' ? MAX_BEND_AUTO : MAX_BEND;
  const boxes = boxesOf(where, options.lower, options.upper);
  const boxFor = ({ rounded }: LevenbergMarquardtState): Box | null => boxes && boxOfState(boxes, rounded);

  /** Evaluates the model at x; chooses D and λ the first time. */
  function* begin(state: LevenbergMarquardtState, box: Box | null): Asks<void> {
    if (!(yield* linearize(state, box, false))) {
      throw new RangeError(
        `levenbergMarquardt: the Jacobian is not finite at the start; start elsewhere. ${state.obstacle}`.trim(),
      );
    }
    if (state.unit > 0) return;
    const norms = yield* solverOf(state).columnNorms(state);
    // The Jacobian of the start may still be a function's own, or seem so.
    const mayBeFar = mayRefine && !state.rounded;
    if (mayBeFar && isFar(state.x, norms, Math.sqrt(state.f))) state.scheme = '3-point';
    const spread = state.isDual ? WIDE_SPREAD : undefined;
    const largest = chooseScale(state, norms, method === 'dual' ? 'identity' : scaling, spread);
    // The dual form without J is that of the identity.
    if (state.byColumns) state.isDual = false;
    state.unit = state.byColumns ? 1 : largest ** 2 || 1;
    hold(state, box, state);
    solverOf(state).prepare(state);
    state.damping =
      damping ?? (state.byColumns ? yield* dampingOfShortStep(state, solverOf(state)) : FIRST_DAMPING);
    state.damping *= state.unit;
    state.first = state.damping;
    if (control === 'radius') {
      yield* startRadius(state, solverOf(state), damping !== undefined, LEAST_DAMPING * state.unit);
    }
  }

  /**
   * Tries the step δ₁ of the linear model.
   *
   * @param whole - decrease that the linear model promises
   * @returns true if the trial point has become the iterate
   */
  function* attempt(state: LevenbergMarquardtState, box: Box | null, whole: number): Asks<boolean> {
    const solver = solverOf(state);
    const length = lengthOf(state);
    const predicted = box === null ? whole : yield* cutToBox(state, solver, box, whole);
    const isSmall = predicted < LEAST_ACCELERATED * state.f;
    const isStraight = isSmall || (acceleration === 'auto' ? state.isStraight : !acceleration);
    // A matrix that is not positive definite has no step (NaN).
    const bend = isStraight || !(predicted > 0) ? 0 : yield* accelerate(state, solver, box, maxBend);
    // Where a factorization costs more than an evaluation, a step that bends too much is tried as it is.
    const isPlain = state.isDual && bend > maxBend && bend < Infinity;
    if (!(predicted > 0 && (bend <= maxBend || isPlain))) {
      if (bend === Infinity) followDamping(state);
      state.radius = unbentRadius(length, bend, maxBend);
      return false;
    }
    moveBy(state, 1, state.step, box);
    const trialF = yield askResiduals(state.trial, state.trialResiduals, null);
    if (!Number.isFinite(trialF))
      state.obstacle = obstacleIn('residuals', state.trialResiduals, state.trial) || state.obstacle;
    const mayBend = isStraight && !isSmall && acceleration !== false;
    const tried = { length, predicted, trialF, mayBend };
    const least = isPlain ? LEAST_PLAIN * predicted : 0;
    const isLower = trialF < state.f - least && !(state.byRadius && strays(state, tried));
    state.radius = nextRadius(state, tried, isLower);
    const isTaken = isLower && (yield* accept(state, box, trialF));
    if (isLower !== isTaken || !Number.isFinite(trialF)) followDamping(state);
    if (!isTaken) return false;
    state.obstacle = '';
    relax(state, (state.before - trialF) / predicted, LEAST_DAMPING * state.unit);
    return true;
  }

  function* step(state: LevenbergMarquardtState): Asks<StepOutcome> {
    const box = boxFor(state);
    if (!state.ready || state.stochastic) yield* begin(state, box);
    const noise = EPSILON[state.rounded ? 'float32' : 'float64'];
    const solver = solverOf(state);
    hold(state, box, state);
    solver.prepare(state);
    let promised = 0;
    const before = { damping: state.damping, radius: state.radius, growth: 2 };
    const [leastDamping, most] = [LEAST_DAMPING * state.unit, MOST_DAMPING * state.unit];
    while (state.damping < most) {
      const whole = yield* state.byRadius ? solveWithin(state, solver, most) : solver.solve(state);
      if (whole <= noise * state.f && mayRefine && (yield* refine(state, box, before))) {
        promised = 0;
        continue;
      }
      if (whole <= RESOLVED * noise * state.f) {
        const verdict = yield* judgePromise(state, solver, box, { whole, promised, leastDamping });
        if (verdict === 'again') continue;
        if (verdict !== 'try') {
          // Steps of forward differences may be refused for the errors of these.
          const isFinal = verdict.termination === 'precisionFloor' || !mayRefine;
          if (isFinal || !(yield* refine(state, box, before))) return verdict;
          promised = 0;
          continue;
        }
      }
      if (whole > promised) promised = whole; // not NaN
      if (yield* attempt(state, box, whole)) {
        return { kind: 'accepted', alpha: 1, moved: normInf(state.step) };
      }
      state.isStraight = false;
      if (state.byRadius) continue;
      state.damping *= state.growth;
      state.growth *= 2;
    }
    return standstill(state, 'lineSearchFailed');
  }

  const isPlain = boxes === null && scaling !== 'columns';
  const scheme = differences === '3-point' ? '3-point' : '2-point';
  return {
    name: 'levenbergMarquardt',
    asksBesides: () => 'residuals and their Jacobian',
    descends: true,
    leavesPoint: true,
    anyScale: true,
    describe: () => `Levenberg–Marquardt${acceleration ? ' (geodesic acceleration)' : ''}`,
    check: (setting) => checkState(setting, { method, isPlain }),
    init: (setting) => newState(setting, scheme, { method, tolerance, isPlain }),
    step,
    ...(boxes && startsWithin(boxes)),
    withBounds: withBoundsOf('levenbergMarquardt', options, levenbergMarquardtFor),
  };
}
