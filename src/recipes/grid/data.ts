import { show } from '../../core/options.ts';
import { valueScaleRule, type ValueScale } from './valueScale.ts';

/** The plane (or line) in parameter space under a landscape: θ(x, y) = center + x·dx + y·dy. */
export interface Plane {
  /** θ*, `[n]`. */
  readonly center: Float64Array;
  /** dx, and dy in two dimensions, `[n]` each. */
  readonly directions: readonly Float64Array[];
  /** Names of x and y. */
  readonly labels: readonly [string, string];
}

/** Work of an adaptive grid, and an estimate of the error of its predictions. */
export interface AdaptiveReport {
  /** Points evaluated. */
  readonly evaluations: number;
  /** Points of the grid. */
  readonly of: number;
  /** Scale on which predictions were judged. */
  readonly scale: ValueScale;
  /**
   * Estimate of the largest error of a prediction, in color bands of the figure (20 between robust limits). It is derived from
   * comparing evaluated points with their own predictions, and exceeds the true error in about 19 of 20 grids. It does not
   * know of features between the coarse points that no evaluated point met. 0 if all points were evaluated.
   */
  readonly estimatedError: number;
  /** The same in units of z. */
  readonly estimatedErrorZ: number;
  /** The requested tolerance, in bands. */
  readonly tolerance: number;
  /** True if the estimated error is within the tolerance; false if the budget was spent first. */
  readonly reached: boolean;
}

/** A loss landscape: raw values on a grid, which are transformed only when drawn. */
export interface LandscapeData {
  /** Coordinates along the first direction, `[nx]`, ascending in equal steps. */
  readonly x: Float64Array;
  /** Coordinates along the second direction, `[ny]`; `[0]` in one dimension. */
  readonly y: Float64Array;
  /** The loss row by row: `z[j * nx + i]` is the loss at (x[i], y[j]), `[ny * nx]`; NaN where not yet evaluated. */
  readonly z: Float64Array;
  /** Values of further metrics, laid out as `z`. */
  readonly metrics: Readonly<Record<string, Float64Array>>;
  /**
   * State of each cell, `[ny * nx]`: 1 if evaluated, 2 if predicted by an adaptive grid, 0 otherwise.
   * Distinguishes a NaN loss from a missing value.
   */
  readonly done: Uint8Array;
  /** The loss at the center, equal to `z` at (0, 0) if that is on the grid. */
  readonly loss: number;
  readonly plane: Plane;
  /** 16 hexadecimal digits that depend on the plane, the grid and the names of the metrics. */
  readonly fingerprint: string;
  /** Report of an adaptive grid, once it is complete. */
  readonly adaptive?: AdaptiveReport;
}

/** True for an {@link AdaptiveReport} that was read from JSON. */
export function isAdaptiveReport(value: unknown): value is AdaptiveReport {
  if (typeof value !== 'object' || value === null) return false;
  const fields: Partial<Record<keyof AdaptiveReport, unknown>> = value;
  const numbers = ['evaluations', 'of', 'estimatedError', 'estimatedErrorZ', 'tolerance'] as const;
  return (
    numbers.every((name) => typeof fields[name] === 'number') &&
    valueScaleRule.accepts(fields.scale) &&
    fields.scale !== 'auto' &&
    typeof fields.reached === 'boolean'
  );
}

/** Returns the grid of a landscape without values. */
export function emptyLandscape(
  plane: Plane,
  x: Float64Array,
  y: Float64Array,
  metricNames: readonly string[],
): Omit<LandscapeData, 'loss'> {
  const cells = x.length * y.length;
  const metrics = Object.fromEntries(metricNames.map((name) => [name, new Float64Array(cells).fill(NaN)]));
  const vectors = [plane.center, ...plane.directions, x, y];
  return {
    x,
    y,
    z: new Float64Array(cells).fill(NaN),
    metrics,
    done: new Uint8Array(cells),
    plane,
    fingerprint: fingerprintOf(vectors, metricNames.join('\n')),
  };
}

/** True if every cell has a value, evaluated or predicted by an adaptive grid. */
export function isComplete({ done }: LandscapeData): boolean {
  return !done.includes(0);
}

/**
 * Merges the shards of one landscape.
 *
 * @param shards - landscapes with the same plane, grid and metrics, each with some cells evaluated
 * @returns one landscape with all of them
 * @throws RangeError if they are not shards of the same landscape, or the loss at the center differs
 */
export function mergeLandscapes(shards: readonly LandscapeData[]): LandscapeData {
  if (!Array.isArray(shards) || shards.length === 0) {
    throw new RangeError(
      `mergeLandscapes: shards must be a non-empty array of landscapes; got ${show(shards)}.`,
    );
  }
  const first: LandscapeData = shards[0];
  // An estimate of one shard's errors does not apply to the others.
  const { adaptive: _adaptive, ...shared } = first;
  const merged: LandscapeData = {
    ...shared,
    z: Float64Array.from(first.z),
    done: Uint8Array.from(first.done),
    metrics: Object.fromEntries(
      Object.entries(first.metrics).map(([name, values]) => [name, Float64Array.from(values)]),
    ),
  };
  shards.slice(1).forEach((shard, k) => {
    if (shard.fingerprint !== first.fingerprint) {
      throw new RangeError(
        `mergeLandscapes: shard ${k + 1} has the fingerprint ${shard.fingerprint}, shard 0 has ${first.fingerprint}: their parameters, directions, grids or metrics differ.`,
      );
    }
    if (!sameLoss(shard.loss, first.loss)) {
      throw new RangeError(
        `mergeLandscapes: the loss at the center is ${shard.loss} in shard ${k + 1} and ${first.loss} in shard 0: their data or models differ.`,
      );
    }
    for (let cell = 0; cell < shard.done.length; cell++) {
      // Evaluated values take precedence over predicted ones.
      if (shard.done[cell] === 0 || merged.done[cell] === 1) continue;
      merged.z[cell] = shard.z[cell];
      for (const name of Object.keys(merged.metrics)) merged.metrics[name][cell] = shard.metrics[name][cell];
      merged.done[cell] = shard.done[cell];
    }
  });
  return merged;
}

/**
 * Returns true if two values of the loss at one point may come from one function: equal except for rounding
 * of float32 sums in different orders.
 */
export function sameLoss(a: number, b: number): boolean {
  return Object.is(a, b) || Math.abs(a - b) <= 1e-5 * Math.max(Math.abs(a), Math.abs(b));
}

/** FNV-1a over 32-bit words in two lanes of different primes, as 16 hexadecimal digits. */
function fingerprintOf(vectors: readonly Float64Array[], text: string): string {
  let a = 0x811c9dc5;
  let b = 0x050c5d1f;
  const add = (word: number) => {
    a = Math.imul(a ^ word, 0x01000193);
    b = Math.imul(b ^ word ^ (b >>> 15), 0x85ebca6b);
  };
  for (const vector of vectors) {
    add(vector.length);
    const words = new Uint32Array(vector.buffer, vector.byteOffset, vector.length * 2);
    for (const word of words) add(word);
  }
  for (const character of text) add(character.codePointAt(0) ?? 0);
  return [a, b].map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
}
