/**
 * The noise of f along a line, from samples at equal distances.
 *
 * @module
 */
import { RESOLVED, roundingOf, type Mismatch } from './lineChange.ts';
import { evaluateAt, type Standstill } from './standstill.ts';
import { noiseOf, NOISE_PARTS } from './valueNoise.ts';
import { dot } from './vector.ts';
import type { Asks } from './question.ts';
import type { Iterate } from './solver.ts';

/** A contradiction below this multiple of the noise along its line does not count. */
const NOISE_FACTOR = 16;
/** Values at equal distances resolve a line if at least this many of them differ. */
const DISTINCT = 6;
/** Largest step of an f with few digits that is allowed for, relative to the largest |f| of the run. */
const COARSEST = 0.1;

/** Part of a line whose samples fall between those of the whole. */
const ELSEWHERE = 0.618;

/** Samples of f along a line at equal distances, the first at the standstill. */
export interface LineSamples {
  readonly values: readonly number[];
  /** Derivatives of f along the line, in units of its length. */
  readonly slopes: readonly number[];
  /** Last point of the line. */
  readonly last: Iterate;
  /** f at the first point, evaluated once more: a random loss differs from itself. */
  readonly again: number;
}

/** Evaluates f and its gradient along a step at equal distances, and once more at its start. */
export function* sampleLine(standstill: Standstill, step: Float64Array): Asks<LineSamples> {
  const slope = ({ gradient }: Iterate): number => dot(gradient, step);
  let last = standstill.at;
  const [values, slopes] = [[last.f], [slope(last)]];
  for (let part = 1; part <= NOISE_PARTS; part++) {
    last = yield* evaluateAt(standstill, step, part / NOISE_PARTS);
    values.push(last.f);
    slopes.push(slope(last));
  }
  const again = (yield* evaluateAt(standstill, step, 0)).f;
  return { values, slopes, last, again };
}

/**
 * Returns the change of f that its scatter, or that of its slopes, may explain.
 *
 * @param orders - orders of the differences that show the scatter, see {@link noiseOf}
 */
export function scatterOf({ values, slopes, again }: LineSamples, orders?: readonly number[]): number {
  // A few samples of a random loss may form a line by chance, but it differs from itself.
  const noise = Math.max(noiseOf(values, orders), Math.abs(again - values[0]));
  return NOISE_FACTOR * Math.hypot(noise, noiseOf(slopes, orders));
}

/**
 * Returns the height of the steps of an f with few digits, which does not scatter on lines shorter than a step; 0 if the values
 * resolve the line. If all values are 0, f may be the difference of two rounded numbers, whose steps are no higher than the
 * smallest |f| > 0 of the run.
 */
export function stairOf({ values }: LineSamples, { at, highest, smallest }: Standstill): number {
  if (values.every((value) => value === 0)) return smallest || highest;
  return new Set(values).size < DISTINCT ? COARSEST * Math.max(highest, Math.abs(at.f)) : 0;
}

/** True if all values are float32 numbers: a loss declared float64 may have float32 rounding, a staircase without scatter. */
export const hasFloat32Values = ({ values }: LineSamples): boolean =>
  values.every((value) => Math.fround(value) === value);

/**
 * Returns true if a contradiction along a step may be noise, because the loss is random or has fewer digits than declared. A
 * second line, whose points lie elsewhere, tells the steps of a coarse f from a curve that they happen to follow.
 */
export function* isNoise(
  standstill: Standstill,
  step: Float64Array,
  { byValues, byGradients }: Mismatch,
): Asks<boolean> {
  const { at, highest } = standstill;
  for (const part of [1, ELSEWHERE]) {
    const samples = yield* sampleLine(
      standstill,
      step.map((value) => part * value),
    );
    const rounding = hasFloat32Values(samples)
      ? RESOLVED * roundingOf(at, samples.last, { precision: 'float32', highest })
      : 0;
    const noise = Math.max(scatterOf(samples), stairOf(samples, standstill), rounding);
    if (!(Math.abs(byValues - byGradients) > noise)) return true;
  }
  return false;
}
