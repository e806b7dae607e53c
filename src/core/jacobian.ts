import { EPSILON } from './epsilon.ts';
import { distance, firstNonFinite, norm2, normInf } from './vector.ts';
import type { Precision } from './problem.ts';
import type { Asks, Bounds, EvaluateResiduals } from './question.ts';

/** Difference formula: forward (`'2-point'`, n evaluations) or central (`'3-point'`, 2n, more digits). */
export type Scheme = '2-point' | '3-point';

/** Facts that decide the steps of {@link differenceJacobian}. */
export interface DifferenceSteps {
  readonly scheme: Scheme;
  readonly precision: Precision;
  /** Largest |xⱼ| so far, `[n]`; see {@link noteSizes}. */
  readonly sizes: Float64Array;
  /** Bounds that no evaluation leaves, if any. */
  readonly bounds: Bounds | null;
  /**
   * A central difference is computed with shorter steps where the residuals bend within its step, as around a peak whose
   * position is large compared with its width, and change by at least this fraction of their norm. In float64 only.
   *
   * @defaultValue never
   */
  readonly shortens?: number | undefined;
  /** Output, `[n]`: the factors by which the difference of each column multiplies errors of the residuals. */
  readonly amplification?: Float64Array | undefined;
}

/** Exponent of ε in the relative step, where rounding and truncation balance. */
const POWER: Record<Scheme, number> = { '2-point': 1 / 2, '3-point': 1 / 3 };

/**
 * The size of an unknown counts as at least this fraction of its largest: near 0, steps would be lost in
 * rounding.
 */
export const LEAST_SIZE = 1e-3;

/** Factor by which a step that changes no residual is lengthened for another attempt. */
const LONGER = 2 ** 12;

/**
 * Factor for the attempts after that, in float64: residuals of 1e12 do not resolve a step of 1e-5. The slope
 * at such a long step counts only if it is too small for the shorter steps to resolve; otherwise f is flat
 * here and not farther away. Residuals beyond 1e25 get further attempts, up to a step as long as they are large.
 */
const MUCH_LONGER = 2 ** 24;
const ATTEMPTS: Record<Precision, number> = { float32: 1, float64: 4 };

/** Both sides of a central difference disagree by this fraction of the slope: its step may be too long. */
const BENT = 1e-3;
/** Factor between successive steps, and the largest number of shorter ones. */
const SHORTER = 2 ** -4;
const SHORTENINGS = 10;
/** A change of the residuals by fewer rounding errors than this has too few digits. */
const LEAST_CHANGE = 1e5;
/** Columns of two steps that agree to this fraction are right; if none agree to `ROUNDING`, they are mostly rounding. */
const AGREED = 1e-7;
const ROUNDING = 0.1;

/** Returns the length of a step in an unknown of this size; 0 counts as 1. */
export const differenceStep = (scheme: Scheme, precision: Precision, size: number): number =>
  EPSILON[precision] ** POWER[scheme] * (Math.abs(size) || 1);

/** Returns the step in unknown j, whose value is `center`. */
export const stepOf = ({ scheme, precision, sizes }: DifferenceSteps, center: number, j: number): number =>
  differenceStep(scheme, precision, Math.max(Math.abs(center), LEAST_SIZE * sizes[j]));

/** Asks for r(x), and for its Jacobian unless `jacobian` is null. */
export const askResiduals = (
  x: Float64Array,
  residuals: Float64Array,
  jacobian: Float64Array | null,
): EvaluateResiduals => ({ kind: 'residuals', x, residuals, jacobian });

/** Source of a Jacobian: written by the residual function (`'own'`), differences, or not known yet. */
export type JacobianSource = 'unknown' | 'own' | 'differences';

/**
 * Determines if a Jacobian that was filled with NaN has been written.
 *
 * @param where - function called, named in the message
 * @param residuals - r, `[m]`; if it is not finite, the answer is `'unknown'`
 * @throws TypeError naming the first element left unwritten, if others were written
 */
export function jacobianSource(
  where: string,
  residuals: Float64Array,
  jacobian: Float64Array,
): JacobianSource {
  if (firstNonFinite(residuals) >= 0) return 'unknown';
  const bad = jacobian.findIndex(Number.isNaN);
  if (bad < 0) return 'own';
  if (jacobian.every(Number.isNaN)) return 'differences';
  const n = jacobian.length / residuals.length;
  const place = `row ${Math.floor(bad / n)}, column ${bad % n}`;
  throw new TypeError(
    `${where}: residuals left the Jacobian unwritten at ${place} (or wrote NaN); it must set all ${residuals.length} × ${n} elements, jacobian[i * ${n} + j] = ∂rᵢ/∂xⱼ, zeros too, or none.`,
  );
}

/** `sizes ← max(sizes, |x|)`. */
export function noteSizes(sizes: Float64Array, x: Float64Array): void {
  for (let j = 0; j < x.length; j++) sizes[j] = Math.max(sizes[j], Math.abs(x[j]));
}

/**
 * Computes the Jacobian by differences of residuals.
 *
 * A step is ε^½·|xⱼ| (forward) or ε^⅓·|xⱼ| (central), with ε of the problem's precision; for an unknown that has
 * always been 0, ε^½ or ε^⅓. At a bound, or if residuals are not finite, the points lie on the other side.
 *
 * @param x - point, `[n]`
 * @param residuals - r(x), `[m]`
 * @param jacobian - output, `[m, n]` row by row
 * @returns index of the first column for which no finite residuals were found, or -1
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., section 8.1
 */
export function* differenceJacobian(
  x: Float64Array,
  residuals: Float64Array,
  jacobian: Float64Array,
  steps: DifferenceSteps,
): Asks<number> {
  const { scheme, precision, bounds } = steps;
  const round = precision === 'float32' ? Math.fround : (value: number): number => value;
  const probe: Probe = {
    x: x.map(round),
    residuals,
    near: new Float64Array(residuals.length),
    far: new Float64Array(residuals.length),
  };
  for (let j = 0; j < x.length; j++) {
    const center = probe.x[j];
    const below = center - (bounds?.lower(j) ?? -Infinity);
    const above = (bounds?.upper(j) ?? Infinity) - center;
    const step = stepOf(steps, center, j);
    // Where rounding leaves one point of a central difference, the difference is one-sided.
    const actual = (moves: number[]): number[] =>
      [...new Set(moves.map((move) => round(center + move) - center))].filter((move) => move !== 0);

    let moves = actual(points(scheme, step, below, above));
    let change = yield* visit(probe, j, moves);
    if (change === 'not finite') {
      const side = moves[0] > 0 ? [below, 0] : [0, above];
      moves = actual(points(scheme, step, side[0], side[1]));
      change = yield* visit(probe, j, moves);
    } else if (change === 'none') {
      const movesFor = (factor: number) => actual(points(scheme, factor * step, below, above));
      const reach = precision === 'float64' ? normInf(residuals) / step : 0;
      const longer = yield* visitFarther(probe, j, movesFor, { attempts: ATTEMPTS[precision], reach });
      if (longer !== null) [moves, change] = [longer, 'some'];
    }
    if (change === 'not finite') return j;
    writeColumn(probe, moves, jacobian, j, change === 'none');
    if (steps.shortens !== undefined && change === 'some' && isBent(probe, moves, steps.shortens)) {
      const movesFor = (factor: number) => actual(points(scheme, factor * step, below, above));
      moves = (yield* shorten(probe, j, movesFor, jacobian)) ?? moves;
    }
    if (steps.amplification) steps.amplification[j] = amplificationOf(moves);
  }
  return -1;
}

/** Returns the sum of the sizes of the weights of a difference, that of the center included; 0 of no points. */
function amplificationOf([a, b]: readonly number[]): number {
  if (a === undefined) return 0;
  if (b === undefined) return 2 / Math.abs(a);
  return (Math.abs(b / a) + Math.abs(a / b) + Math.abs(b / a - a / b)) / Math.abs(b - a);
}

/** Buffers of one Jacobian. */
interface Probe {
  /** `[n]`, restored after each column. */
  readonly x: Float64Array;
  /** r at x, at the first and at the second point of a column, `[m]` each. */
  readonly residuals: Float64Array;
  readonly near: Float64Array;
  readonly far: Float64Array;
}

/**
 * Returns the distances of the points of a difference from its center, limited by the room to the bounds on
 * both sides.
 */
function points(scheme: Scheme, step: number, below: number, above: number): number[] {
  const wider = above >= below ? above : -below;
  if (scheme === '2-point') return [above >= step ? step : below >= step ? -step : wider];
  if (Math.min(above, below) >= step) return [step, -step];
  if (above >= 2 * step) return [step, 2 * step];
  return below >= 2 * step ? [-step, -2 * step] : [wider / 2, wider];
}

/** Evaluates the residuals at the points of column j, and compares them with those at x. */
function* visit(probe: Probe, j: number, moves: readonly number[]): Asks<'some' | 'none' | 'not finite'> {
  const { x, residuals, near, far } = probe;
  if (moves.length === 0) return 'none';
  const center = x[j];
  let finite = true;
  for (const [k, move] of moves.entries()) {
    x[j] = center + move;
    const f = yield askResiduals(x, k === 0 ? near : far, null);
    finite &&= Number.isFinite(f);
  }
  x[j] = center;
  if (!finite) return 'not finite';
  return near.some((r, i) => r !== residuals[i]) ? 'some' : 'none';
}

/**
 * Tries longer steps in column j, whose usual step changes no residual; returns the moves of one that does,
 * or null if f is flat.
 *
 * @param movesFor - returns the moves for a factor of the usual step
 */
function* visitFarther(
  probe: Probe,
  j: number,
  movesFor: (factor: number) => number[],
  { attempts, reach }: { readonly attempts: number; readonly reach: number },
): Asks<number[] | null> {
  let factor = LONGER;
  for (let attempt = 0; attempt < attempts || factor <= reach; attempt++) {
    const moves = movesFor(factor);
    const change = yield* visit(probe, j, moves);
    if (change === 'not finite') return null;
    if (change === 'some') return attempt > 0 && !isHidden(probe, moves.length) ? null : moves;
    factor *= MUCH_LONGER;
  }
  return null;
}

/** True if the slopes on both sides of x differ by more than `BENT`, and f changes enough over the step. */
function isBent({ residuals, near, far }: Probe, moves: readonly number[], leastChange: number): boolean {
  if (moves.length < 2 || distance(near, residuals) < leastChange * norm2(residuals)) return false;
  const [a, b] = moves;
  let [difference, sum] = [0, 0];
  for (let i = 0; i < residuals.length; i++) {
    const [first, second] = [(near[i] - residuals[i]) / a, (far[i] - residuals[i]) / b];
    difference += (first - second) ** 2;
    sum += (first + second) ** 2;
  }
  return difference > BENT ** 2 * sum;
}

/** True if a step this many times as long as the last one changes the residuals by too few of their rounding errors. */
const isRounding = ({ residuals, near }: Probe, factor: number): boolean =>
  factor * distance(near, residuals) <= LEAST_CHANGE * EPSILON.float64 * norm2(residuals);

/**
 * Replaces column j by one of a shorter step: the second of the two successive columns that agree best. A column that is
 * mostly rounding at all steps is left unchanged.
 *
 * @param movesFor - returns the moves for a factor of the usual step
 * @returns the moves of the shorter step; null if the column is unchanged
 */
function* shorten(
  probe: Probe,
  j: number,
  movesFor: (factor: number) => number[],
  jacobian: Float64Array,
): Asks<number[] | null> {
  const n = probe.x.length;
  let chosen: number[] | null = null;
  const longer = probe.residuals.map((_, i) => jacobian[i * n + j]);
  const shorter = longer.slice();
  let best = longer.slice();
  let least = ROUNDING;
  for (let k = 1; k <= SHORTENINGS && least > AGREED; k++) {
    const moves = movesFor(SHORTER ** k);
    if (moves.length < 2 || isRounding(probe, SHORTER) || (yield* visit(probe, j, moves)) !== 'some') break;
    for (let i = 0; i < shorter.length; i++) shorter[i] = slopeOf(probe, moves, i);
    const gap = distance(longer, shorter) / norm2(shorter);
    if (gap < least) [best, least, chosen] = [shorter.slice(), gap, moves];
    else if (least < ROUNDING) break;
    longer.set(shorter);
  }
  best.forEach((slope, i) => (jacobian[i * n + j] = slope));
  return chosen;
}

/** Returns true if the change would be lost in the rounding of the residuals at the shorter step. */
function isHidden({ residuals, near, far }: Probe, points: number): boolean {
  const most = 4 * EPSILON.float64 * MUCH_LONGER * normInf(residuals);
  const isSmall = (r: number, i: number): boolean => Math.abs(r - residuals[i]) <= most;
  return near.every(isSmall) && (points === 1 || far.every(isSmall));
}

/** Writes the derivative of the parabola or line through the points into a column. */
function writeColumn(
  probe: Probe,
  moves: readonly number[],
  jacobian: Float64Array,
  j: number,
  flat: boolean,
): void {
  const n = probe.x.length;
  for (let i = 0, at = j; i < probe.residuals.length; i++, at += n) {
    jacobian[at] = flat ? 0 : slopeOf(probe, moves, i);
  }
}

/** Slope of residual i: that of the parabola or line through the points. */
function slopeOf({ residuals, near, far }: Probe, [a, b]: readonly number[], i: number): number {
  const first = near[i] - residuals[i];
  return b === undefined ? first / a : ((first * b) / a - ((far[i] - residuals[i]) * a) / b) / (b - a);
}
