import { checkOptions, integerFrom, numberBetween, numberIn, oneOf } from '../../core/options.ts';
import { found, isFinitePhi, notFound, type LineSearch } from './lineSearch.ts';

/** Options of {@link backtracking}. */
export interface BacktrackingOptions {
  /** Sufficient decrease (Armijo): φ(α) ≤ φ(0) + c1·α·φ′(0). @defaultValue `1e-4` */
  readonly c1?: number | undefined;
  /**
   * Choice of the next step: the minimizer of the parabola through φ(0), φ′(0) and φ(α), that of the cubic through the
   * last two trials, or simply `maxShrink`·α.
   *
   * @defaultValue `'cubic'`
   */
  readonly interpolation?: 'cubic' | 'quadratic' | 'none' | undefined;
  /** Smallest ratio of the next step to the last. @defaultValue `0.1` */
  readonly minShrink?: number | undefined;
  /** Largest ratio of the next step to the last. @defaultValue `0.5` */
  readonly maxShrink?: number | undefined;
  /** Largest number of evaluations of a search. @defaultValue `40` */
  readonly maxEvaluations?: number | undefined;
}

/**
 * Backtracking from the first step until f has decreased sufficiently, without a curvature condition.
 *
 * For directions whose natural step is 1, and losses whose slopes are unreliable. Every trial computes the
 * gradient, because most first trials are accepted and need it.
 *
 * @throws RangeError naming every option that is wrong
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., Algorithm 3.1 and eq. (3.57)–(3.59);
 *   Dennis & Schnabel (1983), Algorithm A6.3.1
 */
export function backtracking(options: BacktrackingOptions = {}): LineSearch {
  checkOptions('backtracking', options, {
    c1: numberIn(0, 0.5),
    interpolation: oneOf('cubic', 'quadratic', 'none'),
    minShrink: numberBetween(0, 1),
    maxShrink: numberBetween(0, 1),
    maxEvaluations: integerFrom(1),
  });
  const { c1 = 1e-4, interpolation = 'cubic', maxEvaluations = 40 } = options;
  const { minShrink = 0.1, maxShrink = 0.5 } = options;
  if (!(minShrink <= maxShrink)) {
    throw new RangeError(
      `backtracking: minShrink must not exceed maxShrink, got minShrink = ${minShrink} and maxShrink = ${maxShrink}.`,
    );
  }

  return {
    name: 'backtracking',
    descends: true,
    *search(phi0, alpha0, slack, alphaMax) {
      let alpha = Math.min(alpha0, alphaMax);
      let previous: Rise | null = null;
      for (let evaluations = 1; ; evaluations++) {
        const phi = yield { alpha, slope: true };
        const finite = isFinitePhi(phi);
        if (finite && phi.value <= phi0.value + c1 * alpha * phi0.slope + slack) return found(alpha);
        if (evaluations >= maxEvaluations) return notFound(finite ? 'maxEvaluations' : 'nonFinite', 0);
        if (!finite) {
          alpha *= minShrink;
          continue;
        }
        const rise: Rise = { alpha, excess: phi.value - phi0.value - phi0.slope * alpha };
        const minimum =
          interpolation === 'none'
            ? Infinity
            : previous === null || interpolation === 'quadratic'
              ? parabolaMinimum(phi0.slope, rise)
              : cubicMinimum(phi0.slope, rise, previous);
        const wanted = Number.isFinite(minimum) ? minimum : maxShrink * alpha;
        alpha = Math.max(minShrink * alpha, Math.min(maxShrink * alpha, wanted));
        previous = rise;
      }
    },
  };
}

/** Height of φ at a trial above the tangent at 0. */
interface Rise {
  readonly alpha: number;
  readonly excess: number;
}

/** Returns the minimizer of φ(0) + φ′(0)α + bα². */
const parabolaMinimum = (slope: number, { alpha, excess }: Rise): number =>
  (-slope * alpha * alpha) / (2 * excess);

/** Returns the minimizer of φ(0) + φ′(0)α + bα² + aα³ through two trials. */
function cubicMinimum(slope: number, now: Rise, before: Rise): number {
  const u = now.excess / (now.alpha * now.alpha);
  const v = before.excess / (before.alpha * before.alpha);
  const a = (u - v) / (now.alpha - before.alpha);
  const b = (now.alpha * v - before.alpha * u) / (now.alpha - before.alpha);
  const root = Math.sqrt(Math.max(0, b * b - 3 * a * slope));
  // The form without cancellation; the first one also holds for a = 0.
  return b > 0 ? -slope / (b + root) : (root - b) / (3 * a);
}
