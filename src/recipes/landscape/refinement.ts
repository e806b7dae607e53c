/**
 * The choice of the points that an adaptive grid evaluates.
 *
 * Coarse levels are evaluated as a whole. Each point that is evaluated checks its own prediction; its error, in bands
 * of the picture, counts for the points around it of its own and the next two levels. Points whose expected error
 * exceeds a tolerance are evaluated, the largest first, level by level and with four tolerances one after the other,
 * until a budget is spent. Predictions interpolate transformed or raw values, whichever did better nearby.
 *
 * @module
 */
import { robustLimits, sortedFinite } from '../grid/statistics.ts';
import { automaticScale, transformOf, type Transform, type ValueScale } from '../grid/valueScale.ts';
import {
  halfLevels,
  predictedAt,
  spacingOf,
  stencilsOf,
  strideAfter,
  type HalfLevels,
  type Stencil,
} from './halfLevels.ts';
import type { Draft } from '../grid/gridWalk.ts';

/** A step of an adaptive evaluation: cells to evaluate, or the stride of a lattice that is complete. */
export type Round = { readonly cells: Uint32Array } | { readonly stride: number };

/** Expected errors that are refined, in bands, one pass for each. */
const tolerances = [0.4, 0.2, 0.1, 0.05] as const;
/** Rounds of one level in a pass: what the first finds decides the second. */
const roundsPerLevel = 2;
/** Largest error that a check counts, in bands. */
const worst = 20;
/** Parts of an error that count on its own level, the next and the one after. */
const carried = [0.8, 0.6, 0.36] as const;
/** Weight of the belief, before any check, that a prediction is right. */
const trust = 0.3;

/** Values of a grid as far as they are known, and predictions of the others. */
export interface Knowledge {
  readonly draft: Draft;
  readonly levels: HalfLevels;
  readonly stencil: (cell: number) => Stencil;
  readonly transform: Transform;
  /** Height of one of 20 bands, in transformed values. */
  readonly band: number;
  /** 1 for the cells that were asked for; others that a checkpoint holds decide nothing. */
  readonly known: Uint8Array;
  /** Transformed and raw values, predicted where unknown. */
  readonly shown: Float64Array;
  readonly raw: Float64Array;
  readonly metrics: Readonly<Record<string, Float64Array>>;
  /** Weighted sums of errors of both kinds of prediction (of transformed, of raw values), and of weights. */
  readonly errors: readonly Float64Array[];
  readonly weights: Float64Array;
}

/**
 * The rounds of an adaptive grid. Each step reads the values of the cells that the one before asked for.
 *
 * @param learn - told what is known once the coarse levels are evaluated
 */
export function* rounds(
  draft: Draft,
  scale: ValueScale | 'auto',
  learn: (knowledge: Knowledge) => void,
): Generator<Round, void> {
  const levels = halfLevels(draft);
  const whole = wholeLevels(levels);
  for (let level = 0; level < whole; level++) {
    yield { cells: Uint32Array.from(levels.cells[level]) };
    const stride = strideAfter(levels, level);
    if (stride !== null && stride > 1) yield { stride };
  }
  const all = knowledgeOf(draft, levels, levels.cells.slice(0, whole), scale);
  learn(all);
  for (const cells of levels.cells.slice(0, whole)) take(all, cells);
  yield* passes(all, whole);
  // What has no finite prediction is evaluated, whatever the budget.
  for (let level = whole; level < levels.cells.length; level++) {
    predict(all, whole, level);
    const cells = levels.cells[level].filter((cell) => all.known[cell] === 0 && !isPredicted(all, cell));
    yield* ask(all, cells);
  }
  predict(all, whole, levels.cells.length - 1);
  yield { stride: 1 };
}

/** Number of coarse levels that are evaluated as a whole: two, and more while they are few of the points. */
function wholeLevels({ cells, of, perHalving }: HalfLevels): number {
  const most = (perHalving === 1 ? 0.15 : 0.075) * of.length;
  let sum = 0;
  const beyond = cells.findIndex((level, l) => (sum += level.length) > most && l > 1);
  return beyond < 0 ? cells.length : beyond;
}

/** The passes over the finer levels. */
function* passes(all: Knowledge, whole: number): Generator<Round, void> {
  const { cells, of, perHalving } = all.levels;
  const spent = cells.slice(0, whole).reduce((sum, level) => sum + level.length, 0);
  let left = Math.max(Math.floor((perHalving === 1 ? 0.5 : 0.2) * of.length), 2 * spent) - spent;
  for (const [pass, tolerance] of tolerances.entries()) {
    // The first pass goes on, for its previews.
    if (pass > 0 && left === 0) return;
    for (let level = whole; level < cells.length; level++) {
      for (let round = 0; round < roundsPerLevel; round++) {
        predict(all, whole, level);
        const open = cells[level].filter((cell) => all.known[cell] === 0);
        const missing = open.filter((cell) => !isPredicted(all, cell));
        const doubtful = open
          .filter((cell) => isPredicted(all, cell))
          .map((cell) => ({ cell, error: expectedError(all, cell) }))
          .filter(({ error }) => error > tolerance)
          .sort((a, b) => b.error - a.error)
          .slice(0, left);
        left -= doubtful.length;
        yield* ask(all, [...missing, ...doubtful.map(({ cell }) => cell)]);
      }
      const stride = strideAfter(all.levels, level);
      if (pass > 0 || stride === null || stride === 1) continue;
      predict(all, whole, level);
      yield { stride };
    }
  }
}

/** Has cells evaluated, and learns from them. */
function* ask(all: Knowledge, cells: readonly number[]): Generator<Round, void> {
  if (cells.length === 0) return;
  yield { cells: Uint32Array.from(cells).sort() };
  take(all, cells);
}

function knowledgeOf(
  draft: Draft,
  levels: HalfLevels,
  whole: readonly (readonly number[])[],
  scale: ValueScale | 'auto',
): Knowledge {
  const count = draft.z.length;
  const values = sortedFinite(whole.flatMap((cells) => cells.map((cell) => draft.z[cell])));
  const drawn = scale === 'auto' ? automaticScale(values) : scale;
  const transform = transformOf(drawn, values);
  const empty = () => new Float64Array(count).fill(NaN);
  return {
    draft,
    levels,
    stencil: stencilsOf(draft, levels),
    transform,
    band: bandOf(sortedFinite(values.map(transform.apply))),
    known: new Uint8Array(count),
    shown: empty(),
    raw: empty(),
    metrics: Object.fromEntries(Object.keys(draft.metrics).map((name) => [name, empty()])),
    errors: Array.from({ length: drawn === 'linear' ? 1 : 2 }, () => new Float64Array(count)),
    weights: new Float64Array(count),
  };
}

/** Height of one of 20 bands between robust limits of ascending values; of flat values, as they are drawn. */
function bandOf(sorted: readonly number[]): number {
  if (sorted.length === 0) return 1;
  const [low, high] = robustLimits(sorted);
  const size = Math.max(Math.abs(low), Math.abs(high), 1e-270);
  return (high - low > 1e-10 * size ? high - low : 1e-3 * size) / 20;
}

/** Checks the predictions of cells that were evaluated, and takes over their values. */
function take(all: Knowledge, cells: readonly number[]): void {
  const { draft, transform, shown, raw, known, levels } = all;
  const checks = cells.map((cell) => {
    const value = transform.apply(draft.z[cell]);
    return all.errors.map((_, kind) =>
      levels.of[cell] === 0 ? 0 : errorOf(value, predictionOf(all, cell, kind), all.band),
    );
  });
  for (const cell of cells) {
    raw[cell] = draft.z[cell];
    shown[cell] = transform.apply(raw[cell]);
    for (const [name, metric] of Object.entries(all.metrics)) metric[cell] = draft.metrics[name][cell];
    known[cell] = 1;
  }
  cells.forEach((cell, k) => {
    if (levels.of[cell] > 0) scatter(all, cell, checks[k]);
  });
}

/** Error of a prediction, in bands; none if both have no finite value. */
function errorOf(value: number, expected: number, band: number): number {
  if (Number.isFinite(value) && Number.isFinite(expected)) {
    return Math.min(worst, Math.abs(value - expected) / band);
  }
  return Number.isFinite(value) === Number.isFinite(expected) ? 0 : worst;
}

/** Counts the errors of a check for the cells around it, of its own level and the next two. */
function scatter(
  { draft, levels, errors, weights }: Knowledge,
  cell: number,
  check: readonly number[],
): void {
  const nx = draft.x.length;
  const ny = draft.y.length;
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
      for (let kind = 0; kind < check.length; kind++)
        errors[kind][at] += weight * carried[finer] * check[kind];
    }
  }
}

/** Expected error of a cell's prediction, in bands. */
function expectedError({ errors, weights }: Knowledge, cell: number): number {
  return Math.min(...errors.map((sums) => sums[cell])) / (weights[cell] + trust);
}

/** Prediction of a transformed value, from transformed values (kind 0) or from raw ones (kind 1). */
function predictionOf({ shown, raw, stencil, transform }: Knowledge, cell: number, kind: number): number {
  return kind === 0
    ? predictedAt(shown, cell, stencil(cell))
    : transform.apply(predictedAt(raw, cell, stencil(cell)));
}

/** Predicts the unknown cells of levels `first` to `last`, coarse ones first. */
function predict(all: Knowledge, first: number, last: number): void {
  const { errors, known, shown, raw, levels, transform, metrics, stencil } = all;
  for (const cells of levels.cells.slice(first, last + 1)) {
    for (const cell of cells) {
      if (known[cell] === 1) continue;
      const kind = errors.length > 1 && errors[1][cell] < errors[0][cell] ? 1 : 0;
      const best = predictionOf(all, cell, kind);
      shown[cell] = Number.isFinite(best) || kind === 0 ? best : predictionOf(all, cell, 0);
      raw[cell] = transform.invert(shown[cell]);
      for (const metric of Object.values(metrics)) metric[cell] = predictedAt(metric, cell, stencil(cell));
    }
  }
}

/** True if the prediction of a cell is finite, that of each metric too. */
function isPredicted({ shown, raw, metrics }: Knowledge, cell: number): boolean {
  return (
    Number.isFinite(shown[cell]) &&
    Number.isFinite(raw[cell]) &&
    Object.values(metrics).every((metric) => Number.isFinite(metric[cell]))
  );
}
