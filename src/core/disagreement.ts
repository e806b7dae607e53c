/**
 * Compares the values of f with its gradient along lines when a solver stops making progress, because a wrong
 * gradient looks the same as a loss that has reached its precision.
 *
 * @module
 */
import { agrees, bends, changeAlong, contradicts, RESOLVED, roundingOf } from './lineChange.ts';
import { evaluate, type Asks } from './question.ts';
import { sharedLines, steepestSteps, type Line, type Standstill } from './standstill.ts';
import { dot, roundToFloat32 } from './vector.ts';
import { noiseOf, NOISE_PARTS } from './valueNoise.ts';
import type { Change, Mismatch } from './lineChange.ts';
import type { Iterate } from './solver.ts';

/** Result of {@link inspect}. */
export interface Inspection {
  /** The contradiction between values and gradient; null if they agree. */
  readonly mismatch: Mismatch | null;
  /** True if a step along the negative gradient, or another line, lowers f by more than its noise. */
  readonly descends: boolean;
  /**
   * True if f is smooth along all lines and falls along none by more than its noise: the decrease that the gradient
   * promises is below the resolution of f.
   */
  readonly atFloor: boolean;
  /** Lowest of the evaluated points, if it lies below the standstill. */
  readonly lower: Iterate | null;
}

/**
 * Fractions of the line on which a contradiction must be confirmed. None is a multiple of another, so that an
 * oscillating f cannot match all of them.
 */
const SHORTER = [0.382, 0.157] as const;
/** A contradiction below this multiple of the noise along its line does not count. */
const NOISE_FACTOR = 16;
/** Values of a line resolve it if at least this many of those at equal distances differ. */
const DISTINCT = 6;
/** Steps of values with the fewest digits that are allowed for, relative to the largest |f| of the run. */
const COARSEST = 0.1;
/** Largest number of other lines, among which the unknowns are distributed in turn. */
const LINES = 4;

/**
 * Compares f and ∇f near a standstill.
 *
 * Looks along −∇f first. If the predicted decrease is below the resolution of f, it looks along up to four
 * lines, each of which moves a share of the unknowns. The shorter ones extend to both sides of the point, so that
 * curvature cancels and small errors of a slope remain. A line has three points and costs two evaluations. It
 * is not judged if two quadrature rules disagree, because of curvature or a kink. A contradiction must also
 * appear on shorter parts of the line, and exceed the scatter of f along it, which takes up to thirteen more
 * evaluations. If it is not confirmed, it is looked for once more at the next shorter step. Long lines
 * compare curvatures, short ones slopes.
 */
export function* inspect(standstill: Standstill): Asks<Inspection> {
  const { at } = standstill;
  const search: Search = { standstill, lower: null, falls: false };
  const downhill = steepestSteps(standstill).map((step) => ({ step, symmetric: false }));
  const steepest = yield* judge(search, downhill, true);
  const { mismatch, descends } = steepest;
  if (mismatch !== null || descends) return { mismatch, descends, atFloor: false, lower: search.lower };
  let atFloor = steepest.isSmooth;
  const lines = Math.min(LINES, at.x.length);
  for (let line = 0; line < lines; line++) {
    const verdict = yield* judge(search, sharedLines(standstill, line, lines), false);
    if (verdict.mismatch !== null) {
      return { mismatch: verdict.mismatch, descends: false, atFloor: false, lower: search.lower };
    }
    atFloor &&= verdict.isSmooth;
  }
  const { lower, falls } = search;
  return { mismatch: null, descends: falls, atFloor: atFloor && !falls, lower };
}

/** A comparison under way. */
interface Search {
  readonly standstill: Standstill;
  /** Lowest of the evaluated points, if it lies below the standstill. */
  lower: Iterate | null;
  /** True if f is lower by far more than its rounding at a point of a line that can be judged. */
  falls: boolean;
}

/**
 * Tries steps, the longest first, until one shows a contradiction; with `downhill`, also until one lowers
 * f, otherwise also until one is too short to be resolved.
 */
function* judge(search: Search, lines: readonly Line[], downhill: boolean): Asks<Verdict> {
  let verdict: Verdict = { mismatch: null, descends: false, isSmooth: true };
  let isDoubted = false;
  for (const line of lines) {
    const whole = yield* measure(search, line, 1);
    if (contradicts(whole)) {
      const isCertain = yield* isConfirmed(search, line, whole);
      verdict = { mismatch: isCertain ? whole : null, descends: false, isSmooth: false };
      if (isCertain || isDoubted) return verdict;
      // Where f bends, the error of a gradient may vanish on a part of the line; one shorter step decides.
      isDoubted = true;
      continue;
    }
    const { smooth: isSmooth, resolved, trusted, drops, byValues } = whole;
    search.falls ||= isSmooth && resolved && trusted && drops;
    verdict = { mismatch: null, descends: isSmooth && resolved && byValues < 0, isSmooth };
    if (downhill ? verdict.descends : !resolved) break;
  }
  return verdict;
}

/** Returns the change of f along a part of a line; of a symmetric one, from its far end on the other side. */
function* measure(search: Search, { step, symmetric }: Line, part: number): Asks<Change & Drops> {
  const { standstill } = search;
  const { at } = standstill;
  const other = yield* evaluateAt(standstill, step, symmetric ? -part : part / 2);
  const end = yield* evaluateAt(standstill, step, part);
  for (const point of [other, end]) if (point.f < (search.lower ?? at).f) search.lower = point;
  const drops = [other, end].some((point) => at.f - point.f > RESOLVED * roundingOf(at, point, standstill));
  if (!symmetric) return { ...changeAlong([at, other, end], standstill), drops };
  const change = changeAlong([other, at, end], standstill);
  // A kink at the point cancels in the whole, not in its halves.
  const isKink = [other, end].some((point) => bends(at, point, standstill));
  return { ...change, smooth: !isKink, drops };
}

interface Drops {
  /** True if f is lower at a point of the line than at the standstill, by far more than its rounding. */
  readonly drops: boolean;
}

/** Returns true if shorter parts of a line contradict the gradient, too, by more than f scatters. */
function* isConfirmed(search: Search, line: Line, whole: Change): Asks<boolean> {
  if (!contradicts(yield* measure(search, line, SHORTER[0]))) return false;
  if (agrees(yield* measure(search, line, SHORTER[1]))) return false;
  return !(yield* isNoise(search.standstill, line.step, whole));
}

/**
 * Returns true if a contradiction may be noise, because the loss is random or has fewer digits than declared.
 */
function* isNoise(
  standstill: Standstill,
  step: Float64Array,
  { byValues, byGradients }: Mismatch,
): Asks<boolean> {
  const slope = ({ gradient }: Iterate): number => dot(gradient, step);
  let last = standstill.at;
  const [values, slopes] = [[standstill.at.f], [slope(standstill.at)]];
  for (let part = 1; part <= NOISE_PARTS; part++) {
    last = yield* evaluateAt(standstill, step, part / NOISE_PARTS);
    values.push(last.f);
    slopes.push(slope(last));
  }
  // A random loss differs from itself; a few samples of it may form a line by chance.
  const again = yield* evaluateAt(standstill, step, 0);
  const noise = Math.max(noiseOf(values), Math.abs(again.f - standstill.at.f));
  const scatter = NOISE_FACTOR * Math.hypot(noise, noiseOf(slopes));
  // A loss declared float64 whose values are all float32 has float32 rounding: a staircase, without scatter.
  const isFloat32 = values.every((value) => Math.fround(value) === value);
  const { at, highest } = standstill;
  const rounding = isFloat32 ? RESOLVED * roundingOf(at, last, { precision: 'float32', highest }) : 0;
  // Nor does a result of few digits scatter on lines shorter than its steps.
  const isStair = new Set(values).size < DISTINCT;
  const height = isStair ? COARSEST * Math.max(highest, Math.abs(at.f)) : 0;
  return !(Math.abs(byValues - byGradients) > Math.max(scatter, rounding, height));
}

interface Verdict extends Pick<Inspection, 'mismatch' | 'descends'> {
  /** True if the shortest line was short enough to integrate along. */
  readonly isSmooth: boolean;
}

function* evaluateAt(
  { at: { x }, precision, admit }: Standstill,
  step: Float64Array,
  part: number,
): Asks<Iterate> {
  const point = x.map((value, i) => value + part * step[i]);
  if (precision === 'float32') roundToFloat32(point);
  admit?.(point);
  const gradient = new Float64Array(x.length);
  const f = yield evaluate(point, gradient);
  return { x: point, f, gradient };
}
