import {
  checkOptions,
  finitePositive,
  integerFrom,
  numberBetween,
  numberIn,
  positive,
} from '../../core/options.ts';
import {
  approximateWolfe,
  found,
  isFinitePhi,
  notFound,
  changeOf,
  type LineSearch,
  type Phi,
} from './lineSearch.ts';
import { refine, type Interval, type Trial } from './moreThuenteStep.ts';

/** Options of {@link strongWolfe}. */
export interface StrongWolfeOptions {
  /** Sufficient decrease: φ(α) ≤ φ(0) + c1·α·φ′(0). @defaultValue `1e-4` */
  readonly c1?: number | undefined;
  /** Curvature: |φ′(α)| ≤ c2·|φ′(0)|. @defaultValue `0.9` */
  readonly c2?: number | undefined;
  /**
   * Slope allowed behind the minimum: φ′(α) ≤ maxRise·|φ′(0)|. Infinity gives the weak Wolfe conditions, which
   * are enough for BFGS: sᵀy is positive.
   *
   * @defaultValue `c2`
   */
  readonly maxRise?: number | undefined;
  /**
   * Largest factor by which a step is lengthened at a time, while no minimum is bracketed. More than the 5 of the
   * paper pay where the first step is much too short.
   *
   * @defaultValue `5`
   */
  readonly extrapolation?: number | undefined;
  /** Largest number of evaluations of a search. @defaultValue `20` */
  readonly maxEvaluations?: number | undefined;
  /** Longest step. @defaultValue `1e20`, or 1e20 times the first step if that is longer than 1 */
  readonly alphaMax?: number | undefined;
}

/** Default longest step, as a multiple of 1 or of the first step. */
const FARTHEST = 1e20;
/** δ of the approximate Wolfe test, as Hager & Zhang recommend; its σ is c2. */
const DELTA = 0.1;
/** Factor by which the distance of a non-finite trial from the best step is reduced. */
const SHRINK = 0.1;

/**
 * Moré–Thuente line search for the strong Wolfe conditions, by safeguarded cubic interpolation.
 *
 * Departures from the paper: a trial that meets Hager and Zhang's approximate Wolfe conditions is also
 * accepted, because in float32 and near a minimum the strict ones cannot be met. A value that equals φ(0) to
 * within the noise is ignored and the slopes are used instead, so that a gentle slope is followed until φ
 * resolves the decrease. A trial where φ is not finite is pulled back to a tenth of its distance from the
 * best step.
 *
 * @throws RangeError naming every option that is wrong
 * @see Moré & Thuente (1994), Line search algorithms with guaranteed sufficient decrease, ACM TOMS 20(3),
 *   doi:10.1145/192115.192132
 * @see Hager & Zhang (2005), SIAM J. Optim. 16(1), section 4, doi:10.1137/030601880
 */
export function strongWolfe(options: StrongWolfeOptions = {}): LineSearch {
  checkOptions('strongWolfe', options, {
    c1: numberBetween(0, 0.5),
    c2: numberBetween(0, 1),
    maxRise: positive,
    extrapolation: numberIn(3, 1000),
    maxEvaluations: integerFrom(1),
    alphaMax: finitePositive,
  });
  const { c1 = 1e-4, c2 = 0.9, maxRise = c2, extrapolation = 5, maxEvaluations = 20 } = options;
  if (!(c1 < c2)) throw new RangeError(`strongWolfe: c1 must be below c2, got c1 = ${c1} and c2 = ${c2}.`);

  return {
    name: 'Moré–Thuente',
    descends: true,
    *search(phi0, alpha0, slack, allowed) {
      const longest = Math.min(options.alphaMax ?? FARTHEST * Math.max(1, alpha0), allowed);
      const decrease = c1 * phi0.slope;
      // Most searches end at the first trial, and need none.
      let bracket: Bracket | null = null;
      let lowest = 0;
      let lowestValue = phi0.value;
      let alpha = Math.min(alpha0, longest);

      for (let evaluations = 1; ; evaluations++) {
        const phi: Phi = yield { alpha, slope: true };
        if (!isFinitePhi(phi)) {
          if (evaluations >= 3 * maxEvaluations) return notFound('nonFinite', lowest);
          const from = bracket?.interval.best.alpha ?? 0;
          alpha = from + (alpha - from) * SHRINK;
          continue;
        }
        if (phi.value < lowestValue) [lowest, lowestValue] = [alpha, phi.value];
        if (approximateWolfe(phi0, phi, slack, DELTA, c2)) return found(alpha);

        const trial: Trial = { alpha, value: changeOf(phi0, alpha, phi, slack), slope: phi.slope };
        const decreases = trial.value <= alpha * decrease;
        const isFlat = phi.slope >= c2 * phi0.slope && phi.slope <= -maxRise * phi0.slope;
        if (decreases && isFlat) return found(alpha);
        if (alpha >= longest && decreases && trial.slope <= decrease) return found(alpha);

        bracket ??= startBracket(phi0.slope, alpha0, longest, extrapolation);
        if (bracket.interval.bracketed && isSpent(bracket, alpha)) {
          return notFound('intervalTooSmall', lowest);
        }
        if (evaluations >= maxEvaluations) return notFound('maxEvaluations', lowest);

        alpha = nextStep(bracket, takeIn(bracket, trial, decrease, decreases), longest);
        if (alpha === 0) return notFound('intervalTooSmall', lowest);
      }
    },
  };
}

/** Interval of a search, and the bounds of its next step. Values in it are φ(α) − φ(0), more accurate if |φ(0)| is large. */
interface Bracket {
  interval: Interval;
  /** Option of the search. */
  readonly extrapolation: number;
  width: number;
  previousWidth: number;
  alphaMin: number;
  alphaMax: number;
}

function startBracket(slope: number, alpha0: number, longest: number, extrapolation: number): Bracket {
  const start: Trial = { alpha: 0, value: 0, slope };
  return {
    interval: { best: start, other: start, bracketed: false },
    extrapolation,
    width: longest,
    previousWidth: 2 * longest,
    alphaMin: 0,
    alphaMax: Math.min(longest, extrapolation * alpha0),
  };
}

/**
 * Updates the interval with a trial and returns the step that interpolation proposes. A trial that lowers φ too little
 * is judged by ψ(α) = φ(α) − φ(0) − c1·α·φ′(0), as in stage 1 of the paper; in stage 2, there is no such trial.
 */
function takeIn(bracket: Bracket, trial: Trial, decrease: number, decreases: boolean): number {
  const { interval, alphaMin, alphaMax } = bracket;
  const onPsi = trial.value <= interval.best.value && !decreases;
  const refined = onPsi
    ? tilted(
        refine(tiltedInterval(interval, -decrease), tilt(trial, -decrease), alphaMin, alphaMax),
        decrease,
      )
    : refine(interval, trial, alphaMin, alphaMax);
  bracket.interval = refined.interval;
  return refined.alpha;
}

/** Safeguards a proposed step, and sets the bounds of the one after it. */
function nextStep(bracket: Bracket, proposed: number, longest: number): number {
  const { best, other, bracketed } = bracket.interval;
  let alpha = proposed;
  if (bracketed) {
    // Bisect if two refinements have not reduced the width to two thirds, or if the cubic overflows.
    if (Math.abs(other.alpha - best.alpha) >= 0.66 * bracket.previousWidth || Number.isNaN(alpha)) {
      alpha = best.alpha + 0.5 * (other.alpha - best.alpha);
    }
    bracket.previousWidth = bracket.width;
    bracket.width = Math.abs(other.alpha - best.alpha);
    bracket.alphaMin = Math.min(best.alpha, other.alpha);
    bracket.alphaMax = Math.max(best.alpha, other.alpha);
  } else {
    bracket.alphaMin = alpha + 1.1 * (alpha - best.alpha);
    bracket.alphaMax = alpha + (bracket.extrapolation - 1) * (alpha - best.alpha);
  }
  alpha = Math.max(0, Math.min(longest, alpha));
  return bracketed && isSpent(bracket, alpha) ? best.alpha : alpha;
}

/** Returns true if a step is not between the ends of a bracket, as none is if no number is left there. */
const isSpent = ({ alphaMin, alphaMax }: Bracket, alpha: number): boolean =>
  !(alpha > alphaMin && alpha < alphaMax);

/** Returns the trial on the tilted function φ(α) + slope·α. */
function tilt({ alpha, value, slope }: Trial, by: number): Trial {
  return { alpha, value: value + by * alpha, slope: slope + by };
}

function tiltedInterval({ best, other, bracketed }: Interval, by: number): Interval {
  return { best: tilt(best, by), other: tilt(other, by), bracketed };
}

function tilted({ interval, alpha }: { interval: Interval; alpha: number }, by: number) {
  return { interval: tiltedInterval(interval, by), alpha };
}
