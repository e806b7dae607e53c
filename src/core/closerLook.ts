/**
 * Finds small errors of a gradient: in one unknown among many, or in a small part of a slope.
 *
 * @module
 */
import { roundingOf, roundingOfSizes, sizeOf, type Mismatch } from './lineChange.ts';
import { hasFloat32Values, sampleLine, scatterOf, stairOf } from './lineNoise.ts';
import { booleRule, integralOf, type Sample } from './quadrature.ts';
import { evaluateAt, type Standstill } from './standstill.ts';
import { dot } from './vector.ts';
import type { Precision } from './problem.ts';
import type { Asks } from './question.ts';
import type { Iterate } from './solver.ts';

/** A gradient is wrong if its error exceeds this fraction of the slopes along a line. */
const WRONG: Record<Precision, number> = { float32: 0.02, float64: 1e-4 };
/** Smallest contradiction to examine, in multiples of the rounding of f. */
const TELLING = 2;
/** Excesses above this count as equal, so that the longest line among them is used. */
const CERTAIN = 1e3;
/** Lengths of the lines along one unknown, relative to the line that raised the suspicion. */
const LADDER = [1, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4] as const;
/** Least distance between the nodes of a polynomial, relative to the part of the line: closer ones amplify rounding. */
const APART = 0.05;
/** Fraction of a line on which the contradiction must appear again. */
const CONFIRMING = 0.618;
/** Order of the differences that estimate the scatter: the highest contains the least of the trend. */
const HIGHEST_ORDER = [5];

/** Point of a line. */
export interface LinePoint extends Sample {
  readonly f: number;
  /** Size that the rounding of f is relative to, see {@link sizeOf}. */
  readonly size: number;
  /** First-order change of f between the line and the point, which rounding or bounds may put beside it. */
  readonly beside: number;
}

/** Part of a line with points at both ends and in the middle. */
export type Window = readonly [start: LinePoint, middle: LinePoint, end: LinePoint];

/** Describes a point that lies at `t` lengths of `way` from the standstill. */
export function linePoint({ at }: Standstill, way: Float64Array, t: number, point: Iterate): LinePoint {
  let beside = 0;
  for (let i = 0; i < way.length; i++) {
    beside += Math.abs(point.gradient[i] * (point.x[i] - at.x[i] - t * way[i]));
  }
  return { t, f: point.f, slope: dot(point.gradient, way), size: sizeOf(point), beside };
}

/** Returns true if f changes over a part of a line by more than its rounding. */
export const changesBeyondRounding = ({ precision }: Standstill, window: Window): boolean =>
  Math.abs(window[2].f - window[0].f) > TELLING * roundingOver(window, precision);

const roundingOver = ([start, , end]: Window, precision: Precision): number =>
  roundingOfSizes(start.size + end.size, precision);

/**
 * Looks for contradictions that are too small for the three points of one part of a line, by all points of the line, and
 * confirms them along a single unknown. Evaluates nothing if values and slopes agree to within rounding and the error of the
 * quadrature.
 *
 * @param way - the line from the standstill, `[n]`
 * @param windows - the evaluated parts of the line
 */
export function* lookCloser(
  standstill: Standstill,
  way: Float64Array,
  windows: readonly Window[],
): Asks<Mismatch | null> {
  const points = [...new Set(windows.flat())];
  const excesses = windows.map((window) => Math.min(CERTAIN, excessOf(window, points, standstill.precision)));
  const most = Math.max(...excesses);
  if (!(most > 1)) return null;
  const { t } = windows[excesses.indexOf(most)][2];
  const line = admitted(standstill, multiple(way, t));
  const step = yield* narrowed(standstill, line);
  for (const part of LADDER) {
    const whole = yield* compare(standstill, multiple(step, part));
    if (!whole.isReal) return null;
    if (!whole.isLarge) continue;
    const inner = yield* compare(standstill, multiple(step, part * CONFIRMING));
    // The change of a random or a coarse f does not grow with the line.
    const ratio = inner.gap / whole.gap;
    if (inner.isReal && inner.isLarge && ratio > 0 && ratio < 1) return whole;
  }
  return null;
}

const multiple = (step: Float64Array, factor: number): Float64Array => step.map((value) => factor * value);

/**
 * Compares the change of f over a part of a line with the integral of a polynomial through its slopes and those at the two
 * nearest other points. Returns the difference relative to what rounding and the error of the quadrature explain.
 */
function excessOf(window: Window, points: readonly LinePoint[], precision: Precision): number {
  const [start, , end] = window;
  const used = withNearest(window, points);
  const integral = integralOf(used, start.t, end.t);
  const error = Math.abs(integral - integralOf(window, start.t, end.t));
  const beside = Math.max(...used.map((point) => point.beside));
  const steepest = Math.max(...used.map(({ slope }) => Math.abs(slope)));
  const ofSlopes = roundingOfSizes(steepest * Math.abs(end.t - start.t), precision);
  const limit = TELLING * roundingOver(window, precision) + error + beside + ofSlopes;
  return Math.abs(end.f - start.f - integral) / limit;
}

/** Returns the points of a part of a line with the two nearest others that lie apart from them. */
function withNearest(window: Window, points: readonly LinePoint[]): LinePoint[] {
  const [start, middle, end] = window;
  const used = [...window];
  const distance = ({ t }: LinePoint): number => Math.abs(t - middle.t);
  const apart = APART * Math.abs(end.t - start.t);
  for (const point of [...points].sort((a, b) => distance(a) - distance(b))) {
    if (used.length < 5 && used.every(({ t }) => Math.abs(t - point.t) >= apart)) used.push(point);
  }
  return used;
}

/** Keeps the elements of a step that the solver's bounds admit in full. */
function admitted({ at: { x }, admit }: Standstill, step: Float64Array): Float64Array {
  if (admit === undefined) return step;
  const wanted = x.map((value, i) => value + step[i]);
  const point = Float64Array.from(wanted);
  admit(point);
  return step.map((value, i) => (point[i] === wanted[i] ? value : 0));
}

/** Halves the unknowns that a step moves until one is left, keeping the half with the larger contradiction. */
function* narrowed(standstill: Standstill, step: Float64Array): Asks<Float64Array> {
  let moved = [...step.keys()].filter((i) => step[i] !== 0);
  const only = (kept: readonly number[]) => {
    const part = new Float64Array(step.length);
    for (const i of kept) part[i] = step[i];
    return part;
  };
  while (moved.length > 1) {
    const halves = [0, 1].map((parity) => moved.filter((_, k) => k % 2 === parity));
    const first = yield* gapAlong(standstill, only(halves[0]));
    const second = yield* gapAlong(standstill, only(halves[1]));
    moved = halves[first >= second ? 0 : 1];
  }
  return only(moved);
}

/** Returns |Δf − ∫∇f| along a step, by Boole's rule. */
function* gapAlong(standstill: Standstill, step: Float64Array): Asks<number> {
  const points = [standstill.at];
  for (const part of [0.25, 0.5, 0.75, 1]) points.push(yield* evaluateAt(standstill, step, part));
  const slopes = points.map(({ gradient }) => dot(gradient, step));
  return Math.abs(points[4].f - points[0].f - booleRule(slopes));
}

interface Comparison extends Mismatch {
  /** Difference of the changes. */
  readonly gap: number;
  /** True if neither the noise of f nor the error of the quadrature explains the gap. */
  readonly isReal: boolean;
  /** True if the gap is so large a fraction of the slopes that the gradient is wrong. */
  readonly isLarge: boolean;
}

/** Compares the change of f along a step with Boole's composite rule of nine slopes. */
function* compare(standstill: Standstill, step: Float64Array): Asks<Comparison> {
  const samples = yield* sampleLine(standstill, step);
  const { values, slopes, last } = samples;
  const byValues = values[8] - values[0];
  const byGradients = (booleRule(slopes.slice(0, 5)) + booleRule(slopes.slice(4))) / 2;
  const gap = byValues - byGradients;
  const error = Math.abs(byGradients - booleRule(slopes.filter((_, k) => k % 2 === 0)));
  const precision = hasFloat32Values(samples) ? 'float32' : standstill.precision;
  const rounding = TELLING * roundingOf(standstill.at, last, { precision, highest: 0 });
  const noise = Math.max(scatterOf(samples, HIGHEST_ORDER), stairOf(samples, standstill));
  const sizes = slopes.map(Math.abs);
  const total = (booleRule(sizes.slice(0, 5)) + booleRule(sizes.slice(4))) / 2;
  return {
    byValues,
    byGradients,
    gap,
    isReal: Math.abs(gap) > Math.max(error, rounding, noise),
    isLarge: Math.abs(gap) > WRONG[standstill.precision] * Math.max(Math.abs(byValues), total),
  };
}
