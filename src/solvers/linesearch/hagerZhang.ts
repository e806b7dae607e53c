import { checkOptions, integerFrom, numberBetween } from '../../core/options.ts';
import {
  approximateWolfe,
  found,
  isFinitePhi,
  notFound,
  type AskPhi,
  type LineSearch,
} from './lineSearch.ts';
import type { LineSearchFailure, LineSearchResult, Phi } from './lineSearch.ts';
import type { Trial } from './moreThuenteStep.ts';

/** Options of {@link hagerZhang}. */
export interface HagerZhangOptions {
  /** δ: sufficient decrease. @defaultValue `0.1` */
  readonly delta?: number | undefined;
  /** σ: curvature. @defaultValue `0.9` */
  readonly sigma?: number | undefined;
  /** ρ: growth of the step while f still falls. @defaultValue `5` */
  readonly rho?: number | undefined;
  /** γ: an interval that does not shrink to this fraction is bisected. @defaultValue `2 / 3` */
  readonly gamma?: number | undefined;
  /** Largest number of evaluations of a search. @defaultValue `50` */
  readonly maxEvaluations?: number | undefined;
}

/** An interval with φ′(a) < 0 ≤ φ′(b) and φ(a) ≤ φ(0) + slack. */
interface Bracket {
  readonly a: Trial;
  readonly b: Trial;
}

/** Factor by which the distance of a non-finite trial is reduced. */
const SHRINK = 0.1;

/**
 * The line search of CG_DESCENT: brackets a minimum and closes in on it by double secant steps, until the Wolfe or the
 * approximate Wolfe conditions hold.
 *
 * Departures from the paper: every trial is tested, including those of the bracketing, and a trial where φ is
 * not finite is pulled back.
 *
 * @throws RangeError naming every option that is wrong
 * @see Hager & Zhang (2006), Algorithm 851: CG_DESCENT, ACM TOMS 32(1), section 3, doi:10.1145/1132973.1132979
 */
export function hagerZhang(options: HagerZhangOptions = {}): LineSearch {
  checkOptions('hagerZhang', options, {
    delta: numberBetween(0, 0.5),
    sigma: numberBetween(0, 1),
    rho: numberBetween(1, Infinity),
    gamma: numberBetween(0, 1),
    maxEvaluations: integerFrom(1),
  });
  const { delta = 0.1, sigma = 0.9, rho = 5, gamma = 2 / 3, maxEvaluations = 50 } = options;
  if (!(delta <= sigma)) {
    throw new RangeError(
      `hagerZhang: delta must not exceed sigma, got delta = ${delta} and sigma = ${sigma}.`,
    );
  }
  return {
    name: 'Hager–Zhang',
    descends: true,
    search,
  };

  function* search(
    phi0: Phi,
    alpha0: number,
    slack: number,
    alphaMax: number,
  ): Generator<AskPhi, LineSearchResult, Phi> {
    const ceiling = phi0.value + slack;
    const start: Trial = { alpha: 0, value: phi0.value, slope: phi0.slope };
    let lowest: Trial = start;
    let evaluations = 0;

    /** Evaluates φ; returns the end of the search if the conditions hold or the evaluations are spent. */
    function* probe(alpha: number): Generator<AskPhi, Trial | LineSearchResult, Phi> {
      if (evaluations >= maxEvaluations) return fail('maxEvaluations');
      evaluations++;
      const phi = yield { alpha, slope: true };
      const trial: Trial = { alpha, ...phi };
      if (isFinitePhi(phi) && phi.value < lowest.value) lowest = trial;
      return accepts(trial) ? found(alpha) : trial;
    }
    function accepts(trial: Trial): boolean {
      const wolfe =
        trial.value <= phi0.value + delta * trial.alpha * phi0.slope && trial.slope >= sigma * phi0.slope;
      return isFinitePhi(trial) && (wolfe || approximateWolfe(phi0, trial, slack, delta, sigma));
    }
    const fail = (kind: LineSearchFailure) => notFound(kind, lowest.alpha);

    /** Steps out until a minimum is bracketed (B0–B3). */
    function* bracket(): Generator<AskPhi, Bracket | LineSearchResult, Phi> {
      let a = start; // the farthest trial with φ ≤ φ(0) + slack
      let wall = Infinity; // the nearest trial where φ was not finite
      let alpha = Math.min(alpha0, alphaMax);
      for (;;) {
        const trial = yield* probe(alpha);
        if (isResult(trial)) return trial;
        if (!isFinitePhi(trial)) {
          wall = alpha;
          alpha = a.alpha + SHRINK * (alpha - a.alpha);
          if (alpha === a.alpha) return fail('nonFinite');
        } else if (trial.slope >= 0) {
          return { a, b: trial };
        } else if (trial.value > ceiling) {
          return yield* bisect(start, trial);
        } else if (alpha >= alphaMax) {
          return found(alpha);
        } else {
          a = trial;
          alpha = Math.min(alphaMax, rho * alpha < wall ? rho * alpha : (alpha + wall) / 2);
        }
      }
    }

    /** Halves [a, b], with φ(b) above the ceiling and φ′(b) < 0, until φ rises at its upper end (U3). */
    function* bisect(a: Trial, b: Trial): Generator<AskPhi, Bracket | LineSearchResult, Phi> {
      for (;;) {
        const trial = yield* probe((a.alpha + b.alpha) / 2);
        if (isResult(trial)) return trial;
        if (trial.alpha <= a.alpha || trial.alpha >= b.alpha) return fail('intervalTooSmall');
        if (trial.slope >= 0) return { a, b: trial };
        if (trial.value <= ceiling) a = trial;
        else b = trial;
      }
    }

    /** Updates the bracket with a trial (U0–U3). */
    function* update(bracket: Bracket, alpha: number): Generator<AskPhi, Bracket | LineSearchResult, Phi> {
      if (!(alpha > bracket.a.alpha && alpha < bracket.b.alpha)) return bracket;
      const trial = yield* probe(alpha);
      if (isResult(trial)) return trial;
      if (trial.slope >= 0) return { a: bracket.a, b: trial };
      if (trial.value <= ceiling) return { a: trial, b: bracket.b };
      return yield* bisect(bracket.a, trial);
    }

    let current = yield* bracket();
    while (!isResult(current)) {
      const { a, b } = current;
      // S1–S4: a secant step, and a second from the end that the first has replaced.
      const first = secant(a, b);
      let next = yield* update(current, first);
      if (isResult(next)) return next;
      if (next.b.alpha === first) next = yield* update(next, secant(b, next.b));
      else if (next.a.alpha === first) next = yield* update(next, secant(a, next.a));
      if (isResult(next)) return next;
      // L2: bisect if the secants were slow.
      if (next.b.alpha - next.a.alpha > gamma * (b.alpha - a.alpha)) {
        const middle = (next.a.alpha + next.b.alpha) / 2;
        if (middle <= next.a.alpha || middle >= next.b.alpha) return fail('intervalTooSmall');
        next = yield* update(next, middle);
      }
      current = next;
    }
    return current;
  }
}

const isResult = (value: Trial | Bracket | LineSearchResult): value is LineSearchResult =>
  !('slope' in value || 'a' in value);

/** Returns the zero of the line through the slopes at `a` and `b`. */
function secant(a: Trial, b: Trial): number {
  return (a.alpha * b.slope - b.alpha * a.slope) / (b.slope - a.slope);
}
