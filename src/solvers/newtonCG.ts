import { checkOptions, finitePositive, integerFrom, numberBetween, positive } from '../core/options.ts';
import { evaluate, type Asks } from '../core/question.ts';
import { scaleOf, sizeAt, type Scale } from '../core/scale.ts';
import { dot, normInf } from '../core/vector.ts';
import {
  move,
  multiply,
  scaleSlope,
  shortenDifferences,
  sizeOfX,
  type NewtonCGState,
} from './newtonModel.ts';
import { obstacleIn } from './leastSquares/obstacle.ts';
import { solveInRegion, type RegionStep } from './steihaug.ts';
import type { Precision } from '../core/problem.ts';
import type { Setting, Solver, StepOutcome } from '../core/solver.ts';

export type { NewtonCGState } from './newtonModel.ts';

/** Options of {@link newtonCG}. */
export interface NewtonCGOptions {
  /**
   * First radius of the trust region, in units of `scale`.
   *
   * @defaultValue `'auto'`: the larger of ‖x‖∞ and the minimizer of the model along the gradient
   */
  readonly radius?: number | undefined;
  /** Largest radius. @defaultValue `Infinity` */
  readonly maxRadius?: number | undefined;
  /** A step is accepted if f falls by this fraction of the predicted decrease. @defaultValue `1e-4` */
  readonly acceptance?: number | undefined;
  /** Largest number of products with the Hessian in a step. @defaultValue `min(n, 200)` */
  readonly maxProducts?: number | undefined;
  /**
   * Typical size of the unknowns, one number for all or one for each, `[n]`. The trust region and the
   * conjugate gradients are in these units; set it if the units differ by powers of 10.
   *
   * @defaultValue `1`
   */
  readonly scale?: Scale | undefined;
}

/** A smaller relative change of f is rounding; the gradient then decides. */
const NOISE: Record<Precision, number> = { float64: 1e-14, float32: 1e-6 };
/** A decrease below this is nearly subnormal, where nothing is exact. */
const NEGLIGIBLE = 1e-292;
/** Number of trials along one step before the trust-region problem is solved again. */
const TRIALS = 5;

/**
 * Newton's method in a trust region, its equations solved by conjugate gradients (Steihaug).
 *
 * Fast if Hessian-vector products are cheap and exact: give the problem a `hessianVector`. Without it, each
 * product is a difference of gradients, at one evaluation in float64 and two in float32, and `lbfgs` is
 * usually the better choice. A step that does not lower f is shortened before the trust-region problem is
 * solved again.
 *
 * @throws RangeError naming every option that is wrong
 * @throws TypeError, in a solve, if a `hessianVector` contradicts the gradients of its `fg`
 * @see Steihaug (1983), SIAM J. Numer. Anal. 20(3), doi:10.1137/0720042; Nocedal & Wright (2006), Numerical
 *   Optimization, 2nd ed., Algorithms 4.1, 7.1 and 7.2; Nocedal & Yuan (1998), Combining trust region and line search
 *   techniques, in: Advances in Nonlinear Programming, Kluwer, 153-175
 */
export function newtonCG(options: NewtonCGOptions = {}): Solver {
  checkOptions('newtonCG', options, {
    radius: finitePositive,
    maxRadius: positive,
    acceptance: numberBetween(0, 0.25),
    maxProducts: integerFrom(1),
    scale: scaleOf(),
  });
  const { radius = 0, maxRadius = Infinity, acceptance = 1e-4, maxProducts, scale } = options;
  if (!(radius <= maxRadius)) {
    throw new RangeError(
      `newtonCG: radius must not exceed maxRadius, got radius = ${radius} and maxRadius = ${maxRadius}.`,
    );
  }

  function* step(state: NewtonCGState): Asks<StepOutcome> {
    const unit = scaleSlope(state);
    if (unit === 0) return { kind: 'failed', termination: 'precisionFloor' };
    const forcing = forcingTerm(state, unit);
    const products = maxProducts ?? Math.min(state.x.length, 200);
    let promised = NaN;
    let cause = '';
    function* product(): Asks<void> {
      yield* multiply(state, unit);
      if (state.exact) cause ||= obstacleIn('hessianVector', state.product, state.x);
    }
    for (;;) {
      const limits = { radius: state.radius, forcing, maxProducts: products };
      const region = yield* solveInRegion(
        state,
        { ...limits, firstRadius: (cauchy) => Math.min(firstRadius(state, cauchy), maxRadius) },
        product,
      );
      if (cause !== '') return { kind: 'failed', termination: 'lineSearchFailed', cause };
      state.radius = region.radius;
      // The predicted decrease is that of the first region; smaller regions predict less.
      if (Number.isNaN(promised)) promised = unit * region.predicted;
      if (promised < NEGLIGIBLE) return { kind: 'failed', termination: 'precisionFloor' };
      const outcome = yield* walk(state, region, unit);
      if (outcome?.kind === 'accepted') return outcome;
      if (isRounding(state, promised)) return { kind: 'failed', termination: 'precisionFloor' };
      if (!shortenDifferences(state, region.length) && outcome !== null) return outcome;
    }
  }

  /** Tries the step of a region and shorter ones along it; returns null if a smaller region may do better. */
  function* walk(state: NewtonCGState, region: RegionStep, unit: number): Asks<StepOutcome | null> {
    const slope = unit * dot(state.slope, state.step);
    const predicted = unit * region.predicted;
    let along = 1;
    for (let k = 0; k < TRIALS; k++) {
      const moved = move(state, along);
      if (!(moved > 0)) break;
      const value = yield evaluate(state.trial, state.trialGradient);
      // Without a finite gradient, nothing could follow from the trial.
      const trialF = Number.isFinite(normInf(state.trialGradient)) ? value : NaN;
      const promised = modelDecrease(slope, predicted, along);
      const ratio = gainRatio(state, trialF, promised);
      const length = along * region.length;
      if (!(ratio >= 0.25)) state.radius = 0.25 * length;
      else if (along < 1) state.radius = length;
      else if (ratio > 0.75 && region.onBoundary) state.radius = Math.min(2 * length, maxRadius);
      // If f falls by much more than the model predicts, the model overestimates the curvature.
      if (ratio > 1.5) shortenDifferences(state, length);
      if (ratio > acceptance) {
        [state.x, state.trial] = [state.trial, state.x];
        [state.gradient, state.trialGradient] = [state.trialGradient, state.gradient];
        state.f = trialF;
        return { kind: 'accepted', alpha: along, moved };
      }
      if (state.stochastic) break;
      along = shorter(along, slope, trialF - state.f);
    }
    const isLost = state.stochastic || isRounding(state, predicted) || !(move(state, along) > 0);
    if (!isLost) return null;
    state.radius = radius;
    return { kind: 'failed', termination: 'lineSearchFailed' };
  }

  return {
    name: 'newtonCG',
    asksBesides: () => 'products with the Hessian',
    descends: true,
    describe: () => 'Newton–CG (trust region, Steihaug)',
    init: (setting) => initialState(setting, radius, scale),
    step,
  };
}

function initialState(
  { n, precision, stochastic = false, hessianVector = false }: Setting,
  radius: number,
  scale: Scale | undefined,
): NewtonCGState {
  checkOptions('newtonCG', { scale }, { scale: scaleOf(n) });
  const vector = () => new Float64Array(n);
  return {
    x: vector(),
    gradient: vector(),
    f: NaN,
    trial: vector(),
    trialGradient: vector(),
    slope: vector(),
    step: vector(),
    residual: vector(),
    direction: vector(),
    product: vector(),
    scaled: new Float64Array(scale === undefined ? 0 : n),
    sizes: scale === undefined ? null : vector().map((_, i) => sizeAt(scale, i)),
    radius,
    firstNorm: 0,
    firstValue: 0,
    reach: 1,
    exact: hessianVector,
    checked: false,
    precision,
    stochastic,
  };
}

/**
 * Returns the forcing term, the fraction of the gradient that the residual must fall below: √(‖g‖/‖g₀‖), at
 * most ½.
 */
function forcingTerm(state: NewtonCGState, unit: number): number {
  const norm = unit * Math.sqrt(dot(state.slope, state.slope));
  if (state.firstNorm === 0) {
    state.firstNorm = norm;
    state.firstValue = Math.abs(state.f);
  }
  return Math.min(0.5, Math.sqrt(norm / state.firstNorm));
}

/** Returns a radius that fits the units of x and f: the size of x, or of the model's minimizer along the gradient. */
function firstRadius(state: NewtonCGState, cauchy: number): number {
  const size = Math.max(sizeOfX(state), Number.isFinite(cauchy) ? cauchy : 0);
  return size > 0 ? size : 1;
}

/** Returns the decrease that the model predicts at αz, from its slope gᵀz and its decrease at z. */
function modelDecrease(slope: number, predicted: number, alpha: number): number {
  // −αgᵀz − α²zᵀHz/2, where zᵀHz/2 = −gᵀz − predicted.
  return -alpha * slope + alpha * alpha * (slope + predicted);
}

/**
 * Returns the ratio of the actual to the predicted decrease of f. If both are rounding, it is 1 if the
 * gradient has become smaller, otherwise 0.
 */
function gainRatio(state: NewtonCGState, trialF: number, promised: number): number {
  const gained = state.f - trialF;
  const rounding = Math.max(Math.abs(gained), promised);
  const [norm, trialNorm] = [normInf(state.gradient), normInf(state.trialGradient)];
  if (rounding <= NOISE[state.precision] * Math.abs(state.f)) return trialNorm < norm ? 1 : 0;
  // f may be small while its terms are as large as at the start.
  if (isRounding(state, rounding) && trialNorm <= 0.5 * norm) return 1;
  return gained / promised;
}

/** Returns true if a decrease may be below the rounding of f. */
const isRounding = ({ f, firstValue, precision }: NewtonCGState, decrease: number): boolean =>
  decrease <= NOISE[precision] * Math.max(Math.abs(f), firstValue);

/** Returns the minimizer of the parabola through f, its slope and its rise at α, within [α/10, α/2]. */
function shorter(alpha: number, slope: number, rise: number): number {
  const minimizer = (-slope * alpha * alpha) / (2 * (rise - slope * alpha));
  return Math.max(0.1 * alpha, Math.min(0.5 * alpha, Number.isFinite(minimizer) ? minimizer : 0));
}
