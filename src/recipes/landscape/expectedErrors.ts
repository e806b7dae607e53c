/**
 * Expected errors of predictions: each evaluated point checks its own prediction, and counts for those around it.
 *
 * @module
 */
import { spacingOf, type HalfLevels } from './halfLevels.ts';

/** Largest error that a check counts, in bands. */
const worst = 20;
/** Fractions of an error that count on its own level and the next two. */
const carried = [0.8, 0.6, 0.36] as const;
/** Weight of the prior assumption that a prediction is right. */
const trust = 0.3;

/** Weighted sums of the errors found around each cell, for each kind of prediction. */
export interface ErrorMap {
  readonly nx: number;
  readonly levels: HalfLevels;
  /** Sums of errors, and of their fourth powers, `[kinds][cells]`. */
  readonly sums: readonly Float64Array[];
  readonly fourths: readonly Float64Array[];
  /** Sums of weights, `[cells]`. */
  readonly weights: Float64Array;
}

/** Returns a map without any checks. */
export function errorMap(levels: HalfLevels, nx: number, kinds: number): ErrorMap {
  const cells = levels.of.length;
  const empty = () => Array.from({ length: kinds }, () => new Float64Array(cells));
  return { nx, levels, sums: empty(), fourths: empty(), weights: new Float64Array(cells) };
}

/** Error of a prediction, in bands; 0 if neither value is finite. */
export function errorOf(value: number, expected: number, band: number): number {
  if (Number.isFinite(value) && Number.isFinite(expected)) {
    return Math.min(worst, Math.abs(value - expected) / band);
  }
  return Number.isFinite(value) === Number.isFinite(expected) ? 0 : worst;
}

/**
 * Counts the errors of a check for the cells around it, of its own level and the next two.
 *
 * @param check - error of each kind of prediction, in bands
 */
export function countCheck(map: ErrorMap, cell: number, check: readonly number[]): void {
  const { nx, levels, sums, fourths, weights } = map;
  const ny = levels.of.length / nx;
  const level = levels.of[cell];
  const spacing = spacingOf(levels, level);
  const reach = Math.floor(2 * spacing);
  const [i, j] = [cell % nx, Math.floor(cell / nx)];
  for (let row = Math.max(0, j - reach); row <= Math.min(ny - 1, j + reach); row++) {
    for (let column = Math.max(0, i - reach); column <= Math.min(nx - 1, i + reach); column++) {
      const at = row * nx + column;
      const finer = levels.of[at] - level;
      if (finer < 0 || finer >= carried.length) continue;
      const square = ((column - i) ** 2 + (row - j) ** 2) / (spacing * spacing);
      if (square > 4) continue;
      const weight = Math.exp(-square);
      weights[at] += weight;
      for (let kind = 0; kind < check.length; kind++) {
        const error = carried[finer] * check[kind];
        sums[kind][at] += weight * error;
        fourths[kind][at] += weight * error ** 4;
      }
    }
  }
}

/** Returns the kind of prediction with the smallest errors around a cell. */
export function bestKind({ sums }: ErrorMap, cell: number): number {
  let best = 0;
  for (let kind = 1; kind < sums.length; kind++) if (sums[kind][cell] < sums[best][cell]) best = kind;
  return best;
}

/** Returns the expected error of a cell's prediction, in bands: a mean. */
export function expectedError(map: ErrorMap, cell: number): number {
  return map.sums[bestKind(map, cell)][cell] / (map.weights[cell] + trust);
}

/** Returns the error that the largest ones nearby suggest for a cell's prediction, in bands: a mean of order 4. */
export function largeError(map: ErrorMap, cell: number): number {
  return Math.sqrt(Math.sqrt(map.fourths[bestKind(map, cell)][cell] / (map.weights[cell] + trust)));
}
