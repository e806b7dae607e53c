/**
 * The walk over a grid: the points, their order, and a question for each.
 *
 * @module
 */
import { evaluate, type Asks } from '../../core/question.ts';
import { addScaled } from '../../core/vector.ts';
import type { AdaptiveReport, LandscapeData } from './data.ts';

/** A landscape whose loss at the center is not known yet. */
export type Draft = Omit<LandscapeData, 'loss' | 'adaptive'> & { loss: number; adaptive?: AdaptiveReport };

/** Callbacks and limits of a walk. */
export interface SurveyHooks {
  /** Values of the metrics at the points of the last question, `[points, metrics]`, in the order of their names. */
  readonly metricValues: Float64Array;
  readonly signal: AbortSignal | undefined;
  /** Points in one question: 1, or more for a problem that has `valuesAt`. */
  readonly atOnce: number;
  /** Called once, when `draft.loss` is known. */
  started(): void;
  /** Called after each point. */
  evaluated(): void;
  /** Called when the sub-grid of every `stride`-th point is complete; absent if coarse points do not come first. */
  readonly levelDone: ((stride: number) => void) | undefined;
  /** Called at the end of an adaptive grid, which does not evaluate all its points. */
  finished?(): void;
}

/** Strides of the grids that a progressive walk completes one after the other. */
export const strides = [16, 8, 4, 2, 1] as const;

/** Evaluates the loss at the center, then at the missing cells among `cells`. */
export function* survey(draft: Draft, cells: Uint32Array, hooks: SurveyHooks): Asks<void> {
  hooks.signal?.throwIfAborted();
  draft.loss = yield evaluate(draft.plane.center, null);
  hooks.started();
  yield* walk(draft, cells, hooks);
}

/**
 * Evaluates the loss at the missing cells among `cells`, in their order.
 *
 * Each point is computed from θ*, as θ = (θ* + y·dy) + x·dx, so its value does not depend on the order. The first sum is
 * kept for the whole row.
 */
export function* walk(draft: Draft, cells: Uint32Array, hooks: SurveyHooks): Asks<void> {
  const { center, directions } = draft.plane;
  const [dx, dy] = directions;
  const nx = draft.x.length;
  const base = Float64Array.from(center);
  const batch = hooks.atOnce > 1 ? batchOf(draft, hooks) : single(draft, hooks);
  let row = -1;
  let stride = 0;
  for (const cell of cells) {
    const j = Math.floor(cell / nx);
    const i = cell - j * nx;
    const level = hooks.levelDone === undefined ? stride : strideOf(draft, cell);
    if (level !== stride) {
      yield* batch.flush();
      if (stride !== 0) hooks.levelDone?.(stride);
      stride = level;
    }
    if (draft.done[cell] === 1) continue;
    if (j !== row && dy !== undefined) addScaled(center, draft.y[j], dy, base);
    row = j;
    addScaled(base, draft.x[i], dx, batch.point());
    yield* batch.add(cell);
  }
  yield* batch.flush();
  if (stride !== 0) hooks.levelDone?.(stride);
}

/** Points that wait for their evaluation. */
interface Batch {
  /** Returns the buffer for the next point, `[n]`. */
  point(): Float64Array;
  /** Adds the point in the buffer, as that of `cell`. */
  add(cell: number): Asks<void>;
  /** Evaluates the waiting points. */
  flush(): Asks<void>;
}

/** Asks one question for each point. */
function single(draft: Draft, hooks: SurveyHooks): Batch {
  const point = new Float64Array(draft.plane.center.length);
  const question = evaluate(point, null);
  const columns = Object.values(draft.metrics);
  return {
    point: () => point,
    *add(cell) {
      hooks.signal?.throwIfAborted();
      draft.z[cell] = yield question;
      for (let k = 0; k < columns.length; k++) columns[k][cell] = hooks.metricValues[k];
      draft.done[cell] = 1;
      hooks.evaluated();
    },
    *flush() {},
  };
}

/** Asks one question for several points. */
function batchOf(draft: Draft, hooks: SurveyHooks): Batch {
  const n = draft.plane.center.length;
  const points = new Float64Array(hooks.atOnce * n);
  const slots = Array.from({ length: hooks.atOnce }, (_, k) => points.subarray(k * n, (k + 1) * n));
  const values = new Float64Array(hooks.atOnce);
  const columns = Object.values(draft.metrics);
  const waiting: number[] = [];
  const take = (cell: number, i: number) => {
    // A value from many points at once may differ by rounding; the center keeps the loss that was already computed.
    draft.z[cell] = isCenter(draft, cell) ? draft.loss : values[i];
    columns.forEach((column, k) => (column[cell] = hooks.metricValues[i * columns.length + k]));
    draft.done[cell] = 1;
    hooks.evaluated();
  };
  function* flush(): Asks<void> {
    const k = waiting.length;
    if (k === 0) return;
    hooks.signal?.throwIfAborted();
    yield { kind: 'valuesAt', points: points.subarray(0, k * n), values: values.subarray(0, k) };
    waiting.forEach(take);
    waiting.length = 0;
  }
  return {
    point: () => slots[waiting.length],
    *add(cell) {
      waiting.push(cell);
      if (waiting.length === hooks.atOnce) yield* flush();
    },
    flush,
  };
}

const isCenter = ({ x, y }: Draft, cell: number): boolean =>
  x[cell % x.length] === 0 && y[Math.floor(cell / x.length)] === 0;

/** Returns all cells, row by row. */
export function rowByRow(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, cell) => cell);
}

/** Returns all cells, those of coarser grids first, row by row within each grid. */
export function coarseFirst(draft: Pick<Draft, 'x' | 'y'>): Uint32Array {
  const cells = rowByRow(draft.x.length * draft.y.length);
  return cells.sort((a, b) => strideOf(draft, b) - strideOf(draft, a) || a - b);
}

/** Returns the i-th of n parts of `cells`; i counts from 1. */
export function partOf(cells: Uint32Array, i: number, n: number): Uint32Array {
  const from = Math.floor(((i - 1) * cells.length) / n);
  return cells.subarray(from, Math.floor((i * cells.length) / n));
}

/** Returns the stride of the coarsest grid that contains a cell. */
export function strideOf({ x, y }: Pick<Draft, 'x' | 'y'>, cell: number): number {
  const column = (cell % x.length) - middleOf(x);
  const row = Math.floor(cell / x.length) - middleOf(y);
  return strides.find((stride) => column % stride === 0 && row % stride === 0) ?? 1;
}

/** Returns the index of 0, or of the middle if 0 is not on the axis. */
export function middleOf(axis: Float64Array): number {
  const zero = axis.indexOf(0);
  return zero >= 0 ? zero : axis.length >> 1;
}

/** Returns the landscape of every `stride`-th point, counted from the middle. */
export function subgrid(data: LandscapeData, stride: number): LandscapeData {
  const columns = every(data.x, stride);
  const rows = every(data.y, stride);
  const cells = rows.flatMap((j) => columns.map((i) => j * data.x.length + i));
  return {
    ...data,
    x: Float64Array.from(columns, (i) => data.x[i]),
    y: Float64Array.from(rows, (j) => data.y[j]),
    z: Float64Array.from(cells, (cell) => data.z[cell]),
    done: Uint8Array.from(cells, (cell) => data.done[cell]),
    metrics: Object.fromEntries(
      Object.entries(data.metrics).map(([name, values]) => [
        name,
        Float64Array.from(cells, (cell) => values[cell]),
      ]),
    ),
  };
}

function every(axis: Float64Array, stride: number): number[] {
  const middle = middleOf(axis);
  return Array.from(axis.keys()).filter((i) => (i - middle) % stride === 0);
}
