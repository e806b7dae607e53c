/** A step, with φ and φ′ there. */
export interface Trial {
  readonly alpha: number;
  readonly value: number;
  readonly slope: number;
}

/** Interval that holds a minimizer once `bracketed`; `best` is its end with the lower φ. */
export interface Interval {
  readonly best: Trial;
  readonly other: Trial;
  readonly bracketed: boolean;
}

/** Interval after a trial, and the step to try next. */
export interface Refinement {
  readonly interval: Interval;
  readonly alpha: number;
}

/**
 * Performs one refinement of Moré and Thuente: updates the interval with the trial, and chooses the next step
 * by cubic and quadratic interpolation between the trial and the interval's better end.
 *
 * @param alphaMin - lower bound of the next step while nothing is bracketed
 * @param alphaMax - upper bound of the next step while nothing is bracketed
 * @see Moré & Thuente (1994), ACM TOMS 20(3), section 4 (cases 1-4), doi:10.1145/192115.192132
 */
export function refine(interval: Interval, trial: Trial, alphaMin: number, alphaMax: number): Refinement {
  const { best, other } = interval;
  const sameSide = trial.slope * Math.sign(best.slope) >= 0;

  // Case 1: higher than the best. The minimum lies between them; take the cubic's minimizer if it is nearer
  // to the best, otherwise the mean of both.
  if (trial.value > best.value) {
    const cubic = cubicMinimum(best, trial);
    const quadratic = quadraticMinimum(best, trial);
    const nearer = Math.abs(cubic - best.alpha) < Math.abs(quadratic - best.alpha);
    return {
      alpha: nearer ? cubic : cubic + (quadratic - cubic) / 2,
      interval: { best, other: trial, bracketed: true },
    };
  }

  // Case 2: lower, and the slope has changed sign. Again bracketed; take the step farther from the trial.
  if (!sameSide) {
    const cubic = cubicMinimum(trial, best);
    const secant = secantStep(trial, best);
    const farther = Math.abs(cubic - trial.alpha) > Math.abs(secant - trial.alpha);
    return {
      alpha: farther ? cubic : secant,
      interval: { best: trial, other: best, bracketed: true },
    };
  }

  const next = { best: trial, other, bracketed: interval.bracketed };
  const bound = trial.alpha > best.alpha ? alphaMax : alphaMin;

  // Case 3: lower, same sign, flatter. The cubic is used only if it rises beyond the trial.
  if (Math.abs(trial.slope) < Math.abs(best.slope)) {
    const [nearer, farther] = inOrder(trial.alpha, cubicBeyond(best, trial, bound), secantStep(trial, best));
    if (!interval.bracketed) return { alpha: clamp(farther, alphaMin, alphaMax), interval: next };
    const limit = trial.alpha + 0.66 * (other.alpha - trial.alpha);
    const limited = trial.alpha > best.alpha ? Math.min(limit, nearer) : Math.max(limit, nearer);
    return { alpha: limited, interval: next };
  }

  // Case 4: lower, same sign, at least as steep.
  return { alpha: interval.bracketed ? cubicMinimum(trial, other) : bound, interval: next };
}

/** Returns the minimizer of the cubic through φ and φ′ at `a` and `b`, computed from the side of `a`. */
function cubicMinimum(a: Trial, b: Trial): number {
  const { theta, gamma } = cubicTerms(a, b);
  const towardB = b.alpha < a.alpha ? -gamma : gamma;
  const r = (towardB - a.slope + theta) / (towardB - a.slope + towardB + b.slope);
  return a.alpha + r * (b.alpha - a.alpha);
}

/** As {@link cubicMinimum}, from `trial` away from `best`; returns `bound` if the cubic only falls that way. */
function cubicBeyond(best: Trial, trial: Trial, bound: number): number {
  const { theta, gamma } = cubicTerms(best, trial);
  const away = trial.alpha > best.alpha ? -gamma : gamma;
  const r = (away - trial.slope + theta) / (away + (best.slope - trial.slope) + away);
  return r < 0 && away !== 0 ? trial.alpha + r * (best.alpha - trial.alpha) : bound;
}

/** Returns θ and γ = √(θ² − φ′ₐφ′ᵦ), scaled against overflow; γ is 0 if rounding makes its square negative. */
function cubicTerms(a: Trial, b: Trial): { theta: number; gamma: number } {
  const theta = (3 * (a.value - b.value)) / (b.alpha - a.alpha) + a.slope + b.slope;
  const scale = Math.max(Math.abs(theta), Math.abs(a.slope), Math.abs(b.slope));
  const square = (theta / scale) ** 2 - (a.slope / scale) * (b.slope / scale);
  return { theta, gamma: scale * Math.sqrt(Math.max(0, square)) };
}

/** Returns the minimizer of the parabola through φ and φ′ at `a` and φ at `b`. */
function quadraticMinimum(a: Trial, b: Trial): number {
  const width = b.alpha - a.alpha;
  return a.alpha + ((a.slope / ((a.value - b.value) / width + a.slope)) * width) / 2;
}

/** Returns the zero of the line through the slopes at `a` and `b`. */
function secantStep(a: Trial, b: Trial): number {
  return a.alpha + (a.slope / (a.slope - b.slope)) * (b.alpha - a.alpha);
}

/** Returns the cubic's and the secant's step, the one nearer to `alpha` first; in a tie, the secant's. */
function inOrder(alpha: number, cubic: number, secant: number): [nearer: number, farther: number] {
  return Math.abs(cubic - alpha) < Math.abs(secant - alpha) ? [cubic, secant] : [secant, cubic];
}

function clamp(value: number, min: number, max: number): number {
  return Math.max(min, Math.min(max, value));
}
