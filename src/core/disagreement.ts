/**
 * Compares the values of f with its gradient along lines when a solver stops making progress, because a wrong
 * gradient looks the same as a loss that has reached its precision.
 *
 * @module
 */
import { EPSILON } from './epsilon.ts';
import { evaluate, type Asks } from './question.ts';
import { absoluteDot, dot, normInf, roundToFloat32 } from './vector.ts';
import { noiseOf, NOISE_PARTS } from './valueNoise.ts';
import type { Precision } from './problem.ts';
import type { Iterate } from './solver.ts';

/** The point where a solver stopped, and limits of the comparison around it. */
export interface Standstill {
  readonly at: Iterate;
  /** Start of the solve, `[n]`: the distance from there sets the scale of steps. */
  readonly p0: Float64Array;
  readonly precision: Precision;
  /** Largest |f| of the run: a small f may still be the difference of terms as large as this. */
  readonly highest: number;
  /** Moves a point, `[n]`, into the solver's feasible set, such as its bounds; undefined if it has none. */
  readonly admit: ((x: Float64Array) => void) | undefined;
}

/** Result of {@link inspect}. */
export interface Inspection {
  /** The contradiction between values and gradient; null if they agree. */
  readonly mismatch: Mismatch | null;
  /** True if a step along the negative gradient lowers f by more than its noise. */
  readonly descends: boolean;
  /**
   * True if f is smooth along all lines and falls along none by more than its noise: the decrease that the gradient
   * promises is below the resolution of f.
   */
  readonly atFloor: boolean;
  /** Lowest of the evaluated points, if it lies below the standstill. */
  readonly lower: Iterate | null;
}

/** The change of f between two points, by its values and by the integral of its gradient. */
export interface Mismatch {
  readonly byValues: number;
  readonly byGradients: number;
}

/** Rounding of f, in units of its precision. */
const ROUNDING = 16;
/** A change of f that exceeds its rounding by this factor is resolved. */
const RESOLVED = 12;
/** Relative difference of the two changes that counts as a contradiction. */
const TOLERANCE = 0.15;
/** Simpson's rule and the trapezoidal rule differ by less than this fraction if a line is short enough for both. */
const TRUSTED = 0.02;
/**
 * Target decreases of f for steps along −∇f, relative to the size of f: large ones are better resolved, small
 * ones are less affected by curvature.
 */
const DECREASES: Record<Precision, readonly number[]> = {
  float32: [1e-2, 4e-4],
  float64: [1e-4, 1e-7, 1e-10],
};
/** Longest step along −∇f, in units of ‖x‖∞. */
const LONGEST = 0.1;
/** Lengths of the other lines, relative to the distance from the start. */
const PARTS = [0.3, 0.03, 1e-3, 2e-5];
/** Index of the first line that extends to both sides of the point, where curvature cancels and slopes remain. */
const FIRST_SYMMETRIC = 2;
/**
 * Fractions of the line on which a contradiction must be confirmed. None is a multiple of another, so that an
 * oscillating f cannot match all of them.
 */
const SHORTER = [0.382, 0.157] as const;
/** A contradiction below this multiple of the noise along its line does not count. */
const NOISE_FACTOR = 16;
/** Largest number of other lines, among which the unknowns are distributed in turn. */
const LINES = 4;

/**
 * Compares f and ∇f near a standstill.
 *
 * Looks along −∇f first. If the predicted decrease is below the resolution of f, it looks along up to four
 * lines, each of which moves a share of the unknowns. The shorter ones extend to both sides of the point, so that
 * curvature cancels and small errors of a slope remain. A line has three points and costs two evaluations. It
 * is not judged if two quadrature rules disagree, because of curvature or a kink. A contradiction must also
 * appear on shorter parts of the line, and exceed the scatter of f along it, which takes up to twelve more
 * evaluations. If it is not confirmed, it is looked for once more at the next shorter step. Long lines
 * compare curvatures, short ones slopes.
 */
export function* inspect(standstill: Standstill): Asks<Inspection> {
  const { at } = standstill;
  let lower: Iterate | null = null;

  /** Returns the change of f along a part of a step; of a symmetric one, from its far end on the other side. */
  function* measure({ step, symmetric }: Line, part: number): Asks<Change> {
    const other = yield* evaluateAt(standstill, step, symmetric ? -part : part / 2);
    const end = yield* evaluateAt(standstill, step, part);
    for (const point of [other, end]) if (point.f < (lower ?? at).f) lower = point;
    if (!symmetric) return changeAlong([at, other, end], standstill);
    const change = changeAlong([other, at, end], standstill);
    // A kink at the point cancels in the whole, not in its halves.
    const isKink = [other, end].some((point) => bends(at, point, standstill));
    return { ...change, smooth: !isKink };
  }

  /**
   * Tries steps, the longest first, until one shows a contradiction; with `downhill`, also until one lowers
   * f, otherwise also until one is too short to be resolved.
   */
  function* judge(lines: readonly Line[], downhill: boolean): Asks<Verdict> {
    let verdict: Verdict = { mismatch: null, descends: false, isSmooth: true };
    let isDoubted = false;
    for (const line of lines) {
      const whole = yield* measure(line, 1);
      if (contradicts(whole)) {
        const isWrong =
          contradicts(yield* measure(line, SHORTER[0])) && !agrees(yield* measure(line, SHORTER[1]));
        const isCertain = isWrong && !(yield* isNoise(standstill, line.step, whole));
        verdict = { mismatch: isCertain ? whole : null, descends: false, isSmooth: false };
        if (isCertain || isDoubted) return verdict;
        // Where f bends, the error of a gradient may vanish on a part of the line; one shorter step decides.
        isDoubted = true;
        continue;
      }
      const { smooth: isSmooth, resolved, byValues } = whole;
      verdict = { mismatch: null, descends: isSmooth && resolved && byValues < 0, isSmooth };
      if (downhill ? verdict.descends : !resolved) break;
    }
    return verdict;
  }

  const downhill = steepestSteps(standstill).map((step) => ({ step, symmetric: false }));
  const steepest = yield* judge(downhill, true);
  const { mismatch, descends } = steepest;
  if (mismatch !== null || descends) return { mismatch, descends, atFloor: false, lower };
  let atFloor = steepest.isSmooth;
  const lines = Math.min(LINES, at.x.length);
  for (let line = 0; line < lines; line++) {
    const verdict = yield* judge(sharedLines(standstill, line, lines), false);
    if (verdict.mismatch !== null) return { ...verdict, descends: false, atFloor: false, lower };
    atFloor &&= verdict.isSmooth;
  }
  return { mismatch: null, descends: false, atFloor, lower };
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
  const scatter = NOISE_FACTOR * Math.hypot(noiseOf(values), noiseOf(slopes));
  // A loss declared float64 whose values are all float32 has float32 rounding: a staircase, without scatter.
  const isFloat32 = values.every((value) => Math.fround(value) === value);
  const rounding = isFloat32
    ? RESOLVED * roundingOf(standstill.at, last, { ...standstill, precision: 'float32' })
    : 0;
  return !(Math.abs(byValues - byGradients) > Math.max(scatter, rounding));
}

/** A line from the point, or through it. */
interface Line {
  readonly step: Float64Array;
  readonly symmetric: boolean;
}

interface Verdict extends Pick<Inspection, 'mismatch' | 'descends'> {
  /** True if the shortest line was short enough to integrate along. */
  readonly isSmooth: boolean;
}

/**
 * Returns steps along −∇f for the target decreases of f, the longest first. Elements held by a bound do not
 * move. Returns none if the gradient is 0, or so small that the steps would be longer than x.
 */
function steepestSteps({ at, p0, precision, admit }: Standstill): Float64Array[] {
  const { x, gradient } = at;
  const aims = DECREASES[precision];
  const longest = LONGEST * sizeOfUnknowns(x, p0);
  const along = (direction: Float64Array) => {
    const norm = normInf(direction);
    // Relative to the norm, squares neither overflow nor underflow.
    const unit = direction.map((value) => (norm > 0 ? value / norm : 0));
    const slope = norm * dot(unit, unit);
    const lengths = aims.map((aim) => (aim * sizeOf(at)) / slope);
    return lengths.filter((length) => length <= longest).map((length) => unit.map((u) => -length * u));
  };
  const steps = along(gradient);
  if (admit === undefined || steps.length === 0) return steps;
  const wanted = x.map((value, i) => value + steps[0][i]);
  const admitted = Float64Array.from(wanted);
  admit(admitted);
  return along(gradient.map((value, i) => (admitted[i] === wanted[i] ? value : 0)));
}

/**
 * Returns lines along every `lines`-th unknown, with signs from a hash. Their lengths are fractions of the
 * unknown's distance from the start, or of its size if it has not moved; of the size of the others if all of these
 * are 0, and of 1 if those are 0, too.
 */
function sharedLines({ at: { x }, p0 }: Standstill, line: number, lines: number): Line[] {
  const isShare = (i: number): boolean => i % lines === line;
  const way = x.map((value, i) => (isShare(i) ? Math.abs(value - p0[i]) || Math.abs(value) : 0));
  if (normInf(way) === 0) way.forEach((_, i) => (way[i] = isShare(i) ? sizeOfUnknowns(x, p0) : 0));
  return PARTS.map((part, k) => ({
    step: way.map((value, i) => part * signOf(i) * value),
    symmetric: k >= FIRST_SYMMETRIC,
  }));
}

const sizeOfUnknowns = (x: Float64Array, p0: Float64Array): number => normInf(x) || normInf(p0) || 1;

function signOf(index: number): number {
  const hash = Math.imul(index + 1, 0x9e3779b1);
  return (hash ^ (hash >>> 15)) & 1 ? 1 : -1;
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

/** A change of f along a line. */
interface Change extends Mismatch {
  /** True if it is far above the rounding of f. */
  readonly resolved: boolean;
  /** True if the line is short enough for the quadrature rule. */
  readonly trusted: boolean;
  /** True if f has no kink along it. False, too, if f bends too much to judge. */
  readonly smooth: boolean;
}

/**
 * Compares the change of f along a line with Simpson's rule, computed from the trapezoids of the line and of
 * its halves.
 */
function changeAlong(
  [start, middle, end]: readonly [Iterate, Iterate, Iterate],
  standstill: Standstill,
): Change {
  const byValues = end.f - start.f;
  const halves = trapezoid(start, middle) + trapezoid(middle, end);
  const byGradients = (4 * halves - trapezoid(start, end)) / 3;
  const largest = Math.max(Math.abs(byValues), Math.abs(byGradients));
  const noise = roundingOf(start, end, standstill);
  const trusted = Math.abs(byGradients - halves) <= Math.max(TRUSTED * Math.abs(byGradients), noise);
  const resolved = largest > RESOLVED * noise && Number.isFinite(largest);
  return { byValues, byGradients, resolved, trusted, smooth: trusted };
}

/** Returns true if the change between two points is far from that of the trapezoidal rule, as it is across a kink. */
function bends(from: Iterate, to: Iterate, standstill: Standstill): boolean {
  const change = { byValues: to.f - from.f, byGradients: trapezoid(from, to) };
  return differs(change) && Math.abs(change.byValues - change.byGradients) > roundingOf(from, to, standstill);
}

/** Rounding error of the change of f between two points. */
const roundingOf = (start: Iterate, end: Iterate, { precision, highest }: Standstill): number =>
  ROUNDING * EPSILON[precision] * Math.max(sizeOf(start) + sizeOf(end), highest);

/** Returns (g + g⁺)ᵀ(x⁺ − x)/2, the change of f between two points by the trapezoidal rule. */
export function trapezoid(from: Iterate, to: Iterate): number {
  let sum = 0;
  for (let i = 0; i < from.x.length; i++) {
    sum += ((from.gradient[i] + to.gradient[i]) / 2) * (to.x[i] - from.x[i]);
  }
  return sum;
}

const differs = ({ byValues, byGradients }: Mismatch): boolean =>
  Math.abs(byValues - byGradients) > TOLERANCE * Math.max(Math.abs(byValues), Math.abs(byGradients));

const contradicts = (change: Change): boolean => change.resolved && change.trusted && differs(change);

/** True if the line can be judged and agrees with the gradient. */
const agrees = (change: Change): boolean => change.resolved && !(change.trusted && differs(change));

/** Returns the size that the rounding of f is relative to: |f|, or the contribution of x to f to first order. */
const sizeOf = ({ x, f, gradient }: Iterate): number => Math.max(Math.abs(f), absoluteDot(x, gradient));
