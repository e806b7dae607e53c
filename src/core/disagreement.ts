/**
 * Compares the values of f with its gradient along lines when a solver stops making progress, because a wrong
 * gradient looks the same as a loss that has reached its precision.
 *
 * @module
 */
import { agrees, bends, changeAlong, contradicts, RESOLVED, roundingOf } from './lineChange.ts';
import { changesBeyondRounding, linePoint, lookCloser, type Window } from './closerLook.ts';
import { isNoise } from './lineNoise.ts';
import { evaluateAt, sharedLines, steepestSteps, type Line, type Standstill } from './standstill.ts';
import type { Change, Mismatch } from './lineChange.ts';
import type { Asks } from './question.ts';
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
/** Largest number of other lines, among which the unknowns are distributed in turn. */
const LINES = 4;

/**
 * Compares f and ∇f near a standstill.
 *
 * Looks along −∇f first. If the predicted decrease is below the resolution of f, it looks along up to four
 * lines, each of which moves a share of the unknowns. The shorter ones extend to both sides of the point, so that
 * curvature cancels and small errors of a slope remain. A line has three points and costs two evaluations. It
 * is not judged if two quadrature rules disagree, because of curvature or a kink. A contradiction must also
 * appear on two shorter parts of the line, and exceed the scatter of f in two samplings along it: up to 22 more
 * evaluations. If it is not confirmed, it is looked for once more at the next shorter step. Long lines
 * compare curvatures, short ones slopes. All points of a line together show smaller errors, which {@link lookCloser}
 * confirms along single unknowns.
 */
export function* inspect(standstill: Standstill): Asks<Inspection> {
  const { at } = standstill;
  const search: Search = { standstill, lower: null, falls: false, way: null, windows: [] };
  const found = (verdict: Omit<Inspection, 'lower'>): Inspection => ({ ...verdict, lower: search.lower });
  const downhill = steepestSteps(standstill).map((step) => ({ step, length: 1, symmetric: false }));
  const { mismatch, descends, isSmooth } = yield* judge(search, downhill, true);
  if (mismatch !== null || descends) return found({ mismatch, descends, atFloor: false });
  let [atFloor, changes] = [isSmooth, false];
  const lines = Math.min(LINES, at.x.length);
  for (let line = 0; line < lines; line++) {
    const shared = sharedLines(standstill, line, lines);
    search.way = shared[0].step;
    search.windows = [];
    const verdict = yield* judge(search, shared, false);
    const wrong = verdict.mismatch ?? (yield* lookCloser(standstill, search.way, search.windows));
    if (wrong !== null) return found({ mismatch: wrong, descends: false, atFloor: false });
    atFloor &&= verdict.isSmooth;
    changes ||= search.windows.some((window) => changesBeyondRounding(standstill, window));
  }
  const wrong = changes ? null : yield* lookFarther(search);
  if (wrong !== null) return found({ mismatch: wrong, descends: false, atFloor: false });
  const { falls } = search;
  return found({ mismatch: null, descends: falls, atFloor: atFloor && !falls });
}

/**
 * Looks for a contradiction along all unknowns together, on steps in proportion to x. If x has hardly moved, steps in
 * proportion to its distance from the start are too short to change f.
 */
function* lookFarther(search: Search): Asks<Mismatch | null> {
  const { standstill } = search;
  const [long, middle] = sharedLines(standstill, 0, 1, 'size');
  search.way = long.step;
  search.windows = [];
  for (const line of [long, middle]) yield* measure(search, line, 1);
  return yield* lookCloser(standstill, search.way, search.windows);
}

/** A comparison under way. */
interface Search {
  readonly standstill: Standstill;
  /** Lowest of the evaluated points, if it lies below the standstill. */
  lower: Iterate | null;
  /** True if f is lower by far more than its rounding at a point of a line that can be judged. */
  falls: boolean;
  /** Longest step along the unknowns of the line, and the parts of the line compared so far; null along −∇f. */
  way: Float64Array | null;
  windows: Window[];
}

/**
 * Tries steps, the longest first, until one shows a contradiction; with `downhill`, also until one lowers
 * f, otherwise also until one is too short to be resolved.
 */
function* judge(search: Search, lines: readonly Line[], downhill: boolean): Asks<Verdict> {
  let verdict: Verdict = { mismatch: null, descends: false, isSmooth: true };
  let isDoubted = false;
  for (const [k, line] of lines.entries()) {
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
    // A step on which f cannot change by more than its rounding shows nothing.
    if (!downhill && isSmooth && k + 1 < lines.length && !mayResolve(whole, line, lines[k + 1])) break;
  }
  return verdict;
}

/** Returns true if a shorter line may resolve f: its change shrinks with the line, or faster. */
const mayResolve = ({ signal }: Change, line: Line, next: Line): boolean =>
  (signal * extentOf(next)) / extentOf(line) > RESOLVED;

const extentOf = ({ length, symmetric }: Line): number => Math.abs(length) * (symmetric ? 2 : 1);

/** Returns the change of f along a part of a line; of a symmetric one, from its far end on the other side. */
function* measure(search: Search, line: Line, part: number): Asks<Change & Drops> {
  const { standstill, way, windows } = search;
  const { at } = standstill;
  const { step, symmetric, length } = line;
  const other = yield* evaluateAt(standstill, step, symmetric ? -part : part / 2);
  const end = yield* evaluateAt(standstill, step, part);
  for (const point of [other, end]) {
    if (point.f < (search.lower ?? at).f && Number.isFinite(point.f)) search.lower = point;
  }
  const drops = [other, end].some((point) => at.f - point.f > RESOLVED * roundingOf(at, point, standstill));
  if (way !== null) {
    const [middle, last] = [symmetric ? -1 : 0.5, 1].map((t, k) =>
      linePoint(standstill, way, t * part * length, [other, end][k]),
    );
    const start = windows[0]?.[0] ?? linePoint(standstill, way, 0, at);
    windows.push(symmetric ? [middle, start, last] : [start, middle, last]);
  }
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

interface Verdict extends Pick<Inspection, 'mismatch' | 'descends'> {
  /** True if the shortest line was short enough to integrate along. */
  readonly isSmooth: boolean;
}
