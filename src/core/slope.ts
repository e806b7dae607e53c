/**
 * Judges one element of a gradient by difference quotients of f on a ladder of steps.
 *
 * No single step always works: the right one depends on the unknown's scale, on the rounding of f and on its
 * kinks, none of which is known beforehand. Quotients at neighboring steps that agree show the slope, and
 * their difference its uncertainty. A gradient is right if such quotients confirm it, wrong if they exclude
 * it, and undetermined if rounding hides the slope.
 *
 * @see Ridders (1982), Accurate computation of F'(x) and F''(x), Advances in Engineering Software 4(2), 75-76
 * @module
 */
import { EPSILON } from './epsilon.ts';
import { evaluate, type Asks } from './question.ts';
import type { Precision } from './problem.ts';

/** Verdict of the quotients on an element of the gradient. */
export type Judgment = 'right' | 'wrong' | 'kink' | 'undetermined';

/** Function around the point that is checked. */
export interface Surroundings {
  /** Point, `[n]`; moved along one unknown at a time, and back. */
  readonly x: Float64Array;
  /** f there. */
  readonly f: number;
  readonly precision: Precision;
  /** Relative error up to which an element counts as right. */
  readonly tolerance: number;
}

/** Element of the gradient, and sizes of its unknown. */
export interface Element {
  readonly index: number;
  readonly gradient: number;
  /** Typical size of the unknown; the first step is relative to it. */
  readonly size: number;
  /** Largest plausible size of the unknown; the ladder begins there. */
  readonly largest: number;
}

/** Difference quotients of f at one step. */
interface Quotient {
  readonly step: number;
  readonly central: number;
  readonly above: number;
  readonly below: number;
  /** Bound of the rounding in `central`; twice this for the one-sided quotients. */
  readonly noise: number;
}

/**
 * An element can be judged right only if rounding is below this fraction of it, so that a wrong factor of
 * 1.01 (2 in float32) is detected.
 */
const RESOLVED: Record<Precision, number> = { float32: 0.25, float64: 2e-3 };
/** f is linear over a step, so that one step suffices, if its one-sided slopes differ by less than this fraction. */
const LINEAR: Record<Precision, number> = { float32: 0.1, float64: 0.02 };
/** Assumed rounding error of f, in units of ε|f|. */
const ROUNDING = 4;
/** Ratio of neighboring steps; a power of 2, so that steps are exact. */
const RATIO = 8;
const MOST_RUNGS = 60;
/** Quotients that differ by less than this fraction form a plateau. */
const PLATEAU = 0.1;

/** Judges an element; `difference` is the quotient that decided. */
export function* judge(
  around: Surroundings,
  element: Element,
): Asks<{ readonly judgment: Judgment; readonly difference: number }> {
  const { precision, x } = around;
  const { gradient, size, largest, index } = element;
  const first = yield* quotient(around, index, Math.cbrt(EPSILON[precision]) * size);
  if (first !== null && isLinear(first, around) && confirms(first, gradient, around)) {
    return { judgment: 'right', difference: first.central };
  }
  const rungs: Quotient[] = [];
  const areConfirmed = (i: number): boolean =>
    rungs.length > 1 && rungs.slice(i, i + 2).every((rung) => confirms(rung, gradient, around));
  const start = RATIO ** Math.floor(Math.log2(size) / Math.log2(RATIO));
  const least = 2 * EPSILON[precision] * Math.abs(x[index]);

  // Down from the typical size until rounding hides the slope.
  for (let rung = 0, step = start; rung < MOST_RUNGS && step > least; rung++, step /= RATIO) {
    const next = yield* quotient(around, index, step);
    if (next === null) continue;
    if (gradient === 0 && isFlat(next, rungs, step >= size / 1024, precision)) {
      return { judgment: 'right', difference: 0 };
    }
    rungs.push(next);
    if (areConfirmed(rungs.length - 2)) return { judgment: 'right', difference: next.central };
    if (rungs.length > 2 && isDrowned(next, gradient)) break;
  }
  // Up from there while no steps agree and f is still linear: the unknown may be far below its scale.
  for (let rung = 0, step = start * RATIO; rung < MOST_RUNGS && step <= largest; rung++, step *= RATIO) {
    if (bestOf(rungs)?.isPlateau || (rungs.length > 0 && !isLinear(rungs[0], around))) break;
    const next = yield* quotient(around, index, step);
    if (next === null) continue;
    rungs.unshift(next);
    if (areConfirmed(0)) return { judgment: 'right', difference: rungs[1].central };
  }
  return conclude(rungs, gradient, around);
}

/**
 * Returns true if f is equal on both sides. If it varies over larger steps (dead ReLU), the slope of the last of these must be one
 * that this step would show; otherwise rounding hides it.
 *
 * @param isLong - true if the step is long enough to count where f does not vary over larger ones either
 */
function isFlat(
  { above, below, noise }: Quotient,
  larger: readonly Quotient[],
  isLong: boolean,
  precision: Precision,
): boolean {
  if (above !== 0 || below !== 0) return false;
  const slopes = larger.map((each) => Math.max(Math.abs(each.above), Math.abs(each.below)));
  if (slopes.every((slope) => slope === 0)) return isLong;
  return slopes.slice(-2).some((slope) => noise <= RESOLVED[precision] * slope);
}

const isDrowned = ({ noise, central }: Quotient, gradient: number): boolean =>
  noise > 4 * Math.max(Math.abs(gradient) || 0, Math.abs(central));

/** Compares f on both sides of the point; null if it is not finite, or the step is below the rounding of x. */
function* quotient({ x, f, precision }: Surroundings, index: number, step: number): Asks<Quotient | null> {
  const center = x[index];
  const round = precision === 'float32' ? Math.fround : Number;
  const [upper, lower] = [round(center + step), round(center - step)];
  if (!(upper > center && lower < center && Number.isFinite(upper - lower))) return null;
  x[index] = upper;
  const fAbove = yield evaluate(x, null);
  x[index] = lower;
  const fBelow = yield evaluate(x, null);
  x[index] = center;
  const width = upper - lower;
  const central = (fAbove - fBelow) / width;
  if (!Number.isFinite(central)) return null;
  const largest = Math.max(Math.abs(f), Math.abs(fAbove), Math.abs(fBelow));
  return {
    step: width / 2,
    central,
    above: (fAbove - f) / (upper - center),
    below: (f - fBelow) / (center - lower),
    noise: (ROUNDING * EPSILON[precision] * largest) / (width / 2),
  };
}

/** Returns true if the gradient agrees with a quotient that rounding does not hide. */
function confirms({ central, noise }: Quotient, gradient: number, around: Surroundings): boolean {
  const size = Math.max(Math.abs(gradient), Math.abs(central));
  return (
    noise <= RESOLVED[around.precision] * size &&
    Math.abs(gradient - central) <= around.tolerance * size + noise
  );
}

function isLinear({ central, above, below, noise }: Quotient, { precision }: Surroundings): boolean {
  return Math.abs(above - below) <= LINEAR[precision] * Math.abs(central) + 4 * noise;
}

/** Judges an element that no pair of neighboring quotients has confirmed, from the largest step to the smallest. */
function conclude(rungs: readonly Quotient[], gradient: number, around: Surroundings) {
  const best = bestOf(rungs);
  if (best === null) return { judgment: 'undetermined', difference: NaN } as const;
  const { central, uncertainty } = best;
  const size = Math.max(Math.abs(gradient), Math.abs(central));
  const distance = Math.abs(gradient - central);
  const judgment = (): Judgment => {
    if (Number.isNaN(distance)) return 'wrong';
    if (distance > around.tolerance * size + 2 * uncertainty) {
      return judgeByOneSide(rungs, gradient, distance, around);
    }
    const isResolved = uncertainty <= RESOLVED[around.precision] * size;
    return isResolved && distance <= around.tolerance * size + uncertainty ? 'right' : 'undetermined';
  };
  return { judgment: judgment(), difference: central };
}

/**
 * Returns the slope that the quotients show, with its uncertainty: the plateau of the smallest steps, where neighbors
 * differ little, otherwise the quotient of least uncertainty. Null if there are fewer than two quotients.
 */
function bestOf(rungs: readonly Quotient[]): Estimate | null {
  let best: Estimate | null = null;
  let plateau: Estimate | null = null;
  // Differences of quotients at smaller steps are rounding, which grows as 1/step.
  let rounding = 0;
  for (let k = rungs.length - 2; k >= 0; k--) {
    const { central, noise, step } = rungs[k];
    const finer = rungs[k + 1];
    const difference = Math.abs(central - finer.central);
    rounding = Math.max(rounding, difference * step);
    const uncertainty = 2 * difference + noise + rounding / step;
    const candidate = { central, uncertainty, isPlateau: uncertainty <= PLATEAU * Math.abs(central) };
    if (best === null || uncertainty < best.uncertainty) best = candidate;
    // Toward larger steps, a plateau continues as long as its uncertainty falls.
    if (candidate.isPlateau && (plateau === null || continues(plateau, candidate))) plateau = candidate;
  }
  return plateau ?? best;
}

interface Estimate {
  readonly central: number;
  readonly uncertainty: number;
  readonly isPlateau: boolean;
}

const continues = (plateau: Estimate, next: Estimate): boolean =>
  next.uncertainty < plateau.uncertainty &&
  Math.abs(next.central - plateau.central) <= next.uncertainty + plateau.uncertainty;

/**
 * Judges a gradient that is not the slope of both sides by the one-sided slopes. For a smooth f they approach each
 * other in proportion to the step; at a kink they stay apart, down to the smallest step that rounding allows.
 *
 * @param distance - from the gradient to the slope of both sides, which a kink would have to explain
 */
function judgeByOneSide(
  rungs: readonly Quotient[],
  gradient: number,
  distance: number,
  { precision, tolerance }: Surroundings,
): Judgment {
  const isSlope = (slope: number, noise: number) =>
    Math.abs(slope - gradient) <= tolerance * Math.abs(gradient) + 2 * noise;
  const most = Math.min(distance / 16, (RESOLVED[precision] * (Math.abs(gradient) + distance)) / 2);
  const clear = rungs.filter(({ noise }) => noise <= most);
  if (clear.length < 2) return 'undetermined';
  const [coarse, fine] = clear.slice(-2);
  const isAbove = clear.map(({ above, noise }) => isSlope(above, noise));
  const isBelow = clear.map(({ below, noise }) => isSlope(below, noise));
  // A wrong gradient may equal a slope that varies with the step at one step, but not at two.
  if (isMetTwice(isAbove) || isMetTwice(isBelow)) return 'kink';
  const jump = Math.abs(fine.above - fine.below);
  if (jump > 0.5 * Math.abs(coarse.above - coarse.below)) {
    const slack = tolerance * Math.max(Math.abs(fine.above), Math.abs(fine.below)) + 2 * fine.noise;
    const [lower, upper] = [Math.min(fine.above, fine.below), Math.max(fine.above, fine.below)];
    if (gradient >= lower - slack && gradient <= upper + slack) return 'kink';
  }
  if (precision === 'float32' && mayBeKinks(clear, distance, gradient)) return 'undetermined';
  return [...isAbove.slice(-2), ...isBelow.slice(-2)].includes(true) ? 'undetermined' : 'wrong';
}

const isMetTwice = (matches: readonly boolean[]): boolean =>
  matches.some((match, k) => match && matches[k + 1]);

/**
 * Returns true if kinks too close for float32 to resolve may explain a disagreement: the one-sided slopes
 * differ by as much, or they differ at all and the disagreement is small.
 */
function mayBeKinks(clear: readonly Quotient[], distance: number, gradient: number): boolean {
  const jumps = clear.map(({ above, below }) => Math.abs(above - below));
  const leastJump = Math.min(...jumps);
  const isApart = clear.every(({ noise }, k) => jumps[k] > 4 * noise);
  return distance <= 2 * leastJump || (isApart && distance <= RESOLVED.float32 * Math.abs(gradient));
}
