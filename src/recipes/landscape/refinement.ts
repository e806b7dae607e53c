/**
 * Choice of the points that an adaptive grid evaluates.
 *
 * Coarse levels are evaluated completely. Each evaluated point checks its own prediction; its error, in bands of the
 * figure, counts for the points around it on its own level and the next two. Points whose expected error exceeds a
 * threshold are evaluated, those with the largest errors first, level by level, with four falling thresholds. Then follow
 * points whose error may exceed the tolerance, judging by the largest errors nearby, until none is left or the budget is
 * spent. Predictions interpolate transformed or raw values, whichever did better nearby.
 *
 * @module
 */
import { robustLimits, sortedFinite } from '../grid/statistics.ts';
import { automaticScale, transformOf, type Transform, type ValueScale } from '../grid/valueScale.ts';
import {
  bestKind,
  countCheck,
  errorMap,
  errorOf,
  expectedError,
  largeError,
  type ErrorMap,
} from './expectedErrors.ts';
import {
  halfLevels,
  predictedAt,
  stencilsOf,
  strideAfter,
  type HalfLevels,
  type Stencil,
} from './halfLevels.ts';
import type { Draft } from '../grid/gridWalk.ts';

/** A step of an adaptive evaluation: cells to evaluate, or the stride of a completed lattice. */
export type Round = { readonly cells: Uint32Array } | { readonly stride: number };

/** Requested accuracy and cost of an adaptive grid. */
export interface AdaptiveGoal {
  /** Scale in which predictions are judged. */
  readonly scale: ValueScale | 'auto';
  /** Largest error of a prediction, in bands. */
  readonly tolerance: number;
  /** Fraction of the points to evaluate; by default a fifth, half of a line, but at least twice the coarse points. */
  readonly budget: number | undefined;
}

/** Thresholds of the expected error, in tolerances, one pass for each. */
const thresholds = [1.6, 0.8, 0.4, 0.2] as const;
/**
 * Bound on the largest error of a grid's predictions, in units of the largest error that checks suggest; about 19 of 20
 * grids stay below it.
 */
export const caution = 2.5;
/** Rounds per level and pass: the results of the first determine the second. */
const roundsPerLevel = 2;

/** The known values of a grid, and predictions of the others. */
export interface Knowledge {
  readonly draft: Draft;
  readonly levels: HalfLevels;
  readonly stencil: (cell: number) => Stencil;
  readonly scale: ValueScale;
  readonly transform: Transform;
  /** Height of one of 20 bands, in transformed values. */
  readonly band: number;
  /** 1 for cells that the plan has asked for; other cells from a checkpoint do not influence it. */
  readonly known: Uint8Array;
  /** Transformed and raw values, predicted where unknown. */
  readonly shown: Float64Array;
  readonly raw: Float64Array;
  readonly metrics: Readonly<Record<string, Float64Array>>;
  /** Checks of both kinds of prediction: from transformed values and, except on a linear scale, from raw ones. */
  readonly errors: ErrorMap;
}

/**
 * Yields the rounds of an adaptive grid. Each step reads the values of the cells that the previous step asked for.
 *
 * @param learn - called with the knowledge once the coarse levels are evaluated
 */
export function* rounds(
  draft: Draft,
  goal: AdaptiveGoal,
  learn: (knowledge: Knowledge) => void,
): Generator<Round, void> {
  const levels = halfLevels(draft);
  const whole = wholeLevels(levels);
  for (let level = 0; level < whole; level++) {
    yield { cells: Uint32Array.from(levels.cells[level]) };
    const stride = strideAfter(levels, level);
    if (stride !== null && stride > 1) yield { stride };
  }
  const all = knowledgeOf(draft, levels, levels.cells.slice(0, whole), goal.scale);
  learn(all);
  for (const cells of levels.cells.slice(0, whole)) take(all, cells);
  yield* passes(all, whole, goal);
  // Cells without a finite prediction are evaluated regardless of the budget.
  for (let level = whole; level < levels.cells.length; level++) {
    predict(all, whole, level);
    const cells = levels.cells[level].filter((cell) => all.known[cell] === 0 && !isPredicted(all, cell));
    yield* ask(all, cells);
  }
  predict(all, whole, levels.cells.length - 1);
  yield { stride: 1 };
}

/** Number of coarse levels that are evaluated completely: two, or more while they are a small part of the points. */
function wholeLevels({ cells, of, perHalving }: HalfLevels): number {
  const most = (perHalving === 1 ? 0.15 : 0.075) * of.length;
  let sum = 0;
  const beyond = cells.findIndex((level, l) => (sum += level.length) > most && l > 1);
  return beyond < 0 ? cells.length : beyond;
}

/** Makes passes over the finer levels while the budget lasts. */
function* passes(all: Knowledge, whole: number, { tolerance, budget }: AdaptiveGoal): Generator<Round, void> {
  const purse = { left: pointsToSpend(all.levels, whole, budget) };
  for (const [pass, threshold] of thresholds.entries()) {
    // The first pass always continues, for its previews.
    if (pass > 0 && purse.left === 0) return;
    const limit = threshold * tolerance;
    yield* passOver(all, whole, purse, { error: expectedError, limit, isFirst: pass === 0 });
  }
  for (let before = Infinity; purse.left > 0 && purse.left < before;) {
    before = purse.left;
    const limit = (tolerance * shownBand(all)) / (caution * all.band);
    yield* passOver(all, whole, purse, { error: largeError, limit, isFirst: false });
  }
}

/** Returns the number of points to evaluate in addition to those of the coarse levels. */
function pointsToSpend(
  { cells, of, perHalving }: HalfLevels,
  whole: number,
  budget: number | undefined,
): number {
  const spent = cells.slice(0, whole).reduce((sum, level) => sum + level.length, 0);
  const most =
    budget === undefined
      ? Math.max(Math.floor((perHalving === 1 ? 0.5 : 0.2) * of.length), 2 * spent)
      : Math.floor(budget * of.length);
  return Math.max(0, most - spent);
}

/** A measure of the errors of predictions, in bands, and its limit. */
interface Criterion {
  readonly error: (map: ErrorMap, cell: number) => number;
  readonly limit: number;
  /** True in the pass that shows previews. */
  readonly isFirst: boolean;
}

/** Evaluates the cells that exceed the limit, coarse levels first. */
function* passOver(
  all: Knowledge,
  whole: number,
  purse: { left: number },
  { error, limit, isFirst }: Criterion,
): Generator<Round, void> {
  const { cells } = all.levels;
  for (let level = whole; level < cells.length; level++) {
    for (let round = 0; round < roundsPerLevel; round++) {
      predict(all, whole, level);
      const open = cells[level].filter((cell) => all.known[cell] === 0);
      const missing = open.filter((cell) => !isPredicted(all, cell));
      const doubtful = open
        .filter((cell) => isPredicted(all, cell))
        .map((cell) => ({ cell, size: error(all.errors, cell) }))
        .filter(({ size }) => size > limit)
        .sort((a, b) => b.size - a.size)
        .slice(0, purse.left);
      purse.left -= doubtful.length;
      yield* ask(all, [...missing, ...doubtful.map(({ cell }) => cell)]);
    }
    const stride = strideAfter(all.levels, level);
    if (!isFirst || stride === null || stride === 1) continue;
    predict(all, whole, level);
    yield { stride };
  }
}

/** Asks for cells to be evaluated, and records their values. */
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
    scale: drawn,
    transform,
    band: bandOf(sortedFinite(values.map(transform.apply))),
    known: new Uint8Array(count),
    shown: empty(),
    raw: empty(),
    metrics: Object.fromEntries(Object.keys(draft.metrics).map((name) => [name, empty()])),
    errors: errorMap(levels, draft.x.length, drawn === 'linear' ? 1 : 2),
  };
}

/** Returns the height of a band in the current figure, in transformed values. */
export const shownBand = ({ shown }: Knowledge): number => bandOf(sortedFinite(shown));

/** Returns the height of one of 20 bands between robust limits of ascending values; flat values get a range too. */
function bandOf(sorted: readonly number[]): number {
  if (sorted.length === 0) return 1;
  const [low, high] = robustLimits(sorted);
  const size = Math.max(Math.abs(low), Math.abs(high), 1e-270);
  return (high - low > 1e-10 * size ? high - low : 1e-3 * size) / 20;
}

/** Checks the predictions of evaluated cells, and replaces them by the values. */
function take(all: Knowledge, cells: readonly number[]): void {
  const { draft, transform, shown, raw, known, levels } = all;
  const checks = cells.map((cell) => {
    const value = transform.apply(draft.z[cell]);
    return all.errors.sums.map((_, kind) =>
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
    if (levels.of[cell] > 0) countCheck(all.errors, cell, checks[k]);
  });
}

/** Predicts a transformed value, from transformed values (kind 0) or from raw ones (kind 1). */
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
      const kind = bestKind(errors, cell);
      const best = predictionOf(all, cell, kind);
      shown[cell] = Number.isFinite(best) || kind === 0 ? best : predictionOf(all, cell, 0);
      raw[cell] = transform.invert(shown[cell]);
      for (const metric of Object.values(metrics)) metric[cell] = predictedAt(metric, cell, stencil(cell));
    }
  }
}

/** True if the predictions of a cell's loss and all metrics are finite. */
function isPredicted({ shown, raw, metrics }: Knowledge, cell: number): boolean {
  return (
    Number.isFinite(shown[cell]) &&
    Number.isFinite(raw[cell]) &&
    Object.values(metrics).every((metric) => Number.isFinite(metric[cell]))
  );
}
