/**
 * Adaptive grids: coarse points first, finer ones only where the values between them were not foreseen.
 *
 * The grid is a hierarchy of lattices, every 8th, 4th, 2nd point, then all; the first and the last of each axis belong
 * to all of them. Each new point is predicted by cubic interpolation of the coarser lattice. The first two lattices are
 * evaluated as a whole. From then on a point is evaluated only if, in its neighborhood, points of the lattice before
 * were off their prediction by more than the tolerance, or if its prediction is not finite; the others keep their
 * prediction.
 *
 * @module
 */
import type { Rule } from '../../core/options.ts';
import { evaluate, type Asks } from '../../core/question.ts';
import { sortedFinite } from '../grid/statistics.ts';
import {
  automaticScale,
  transformOf,
  valueScaleRule,
  type Transform,
  type ValueScale,
} from '../grid/valueScale.ts';
import { middleOf, strides, walk, type Draft, type SurveyHooks } from '../grid/gridWalk.ts';

/** Scale in which predictions are judged: that in which the landscape will be drawn. */
export type AdaptiveScale = ValueScale | 'auto';

export const adaptiveRule: Rule = {
  allowed: `true or false, or ${valueScaleRule.allowed}`,
  accepts: (value) => typeof value === 'boolean' || valueScaleRule.accepts(value),
};

/** Mark of a cell in `done` whose value is a prediction. */
export const predicted = 2;

/** The cells to evaluate, lattice by lattice. */
export interface AdaptivePlan {
  /** The next cells to be evaluated, given the values of those before; null after the last lattice. */
  next(): Uint32Array | null;
  /** Stride of the lattice that was completed last. */
  readonly stride: number;
  /** A copy of the draft in which all cells up to this lattice that were not evaluated hold their predictions. */
  filled(): Draft;
  /** Writes predictions into all cells that were not evaluated, marked in `done`. */
  finish(): void;
}

/**
 * Largest surprise that is left unrefined, in parts of the range of values: a third of one of 20 bands. What is left is
 * less, since a finer lattice predicts better: at most 0.2 bands in 24 landscapes of small networks.
 */
const tolerance = 0.35 / 20;

/** The plan for a draft, in which cells may be done already. */
export function adaptivePlan(draft: Draft, scale: AdaptiveScale): AdaptivePlan {
  const nx = draft.x.length;
  const levels = levelsOf(draft);
  const columns = levels.map((stride) => latticeOf(draft.x, stride));
  const rows = levels.map((stride) => latticeOf(draft.y, stride));
  let level = -1;
  const done = () => draft.done.map((mark) => (mark === 1 ? 1 : 0));
  let chosen: Transform | undefined;
  /** Chosen by the first two lattices, which are evaluated as a whole: the same where an evaluation goes on. */
  const transform = (): Transform => {
    if (chosen === undefined) {
      const first = lattice(Math.min(1, levels.length - 1));
      const sorted = sortedFinite(first.map((cell) => draft.z[cell]));
      chosen = transformOf(scale === 'auto' ? automaticScale(sorted) : scale, sorted);
    }
    return chosen;
  };

  const lattice = (l: number): number[] => rows[l].flatMap((j) => columns[l].map((i) => j * nx + i));
  return {
    get stride() {
      return levels[Math.max(0, level)];
    },
    next() {
      level++;
      if (level >= levels.length) return null;
      if (level < 2) return Uint32Array.from(lattice(level));
      const { apply, invert } = transform();
      const values = draft.z.map(apply);
      const evaluated = done();
      predict(values, evaluated, nx, columns, rows, level - 1);
      // A metric can be missing where the loss is not.
      const metrics = Object.values(draft.metrics)
        .filter((metric) => metric.some((value, cell) => evaluated[cell] === 1 && !Number.isFinite(value)))
        .map((metric) => Float64Array.from(metric));
      for (const metric of metrics) predict(metric, evaluated, nx, columns, rows, level - 1);
      const surprises = surprisesOf(values, evaluated, nx, columns, rows, level - 1);
      const allowed = tolerance * rangeOf(values, evaluated);
      const near = neighborhood(
        draft,
        surprises.filter(({ size }) => size > allowed),
        levels[level - 1],
      );
      const cells: number[] = [];
      forNew(columns, rows, level, (i, j) => {
        const expected = (of: Float64Array) =>
          interpolated(of, nx, columns[level - 1], rows[level - 1], i, j);
        // A cell that is not finite, or has no place in the scale, says nothing of its neighbors.
        const known =
          Number.isFinite(invert(expected(values))) &&
          metrics.every((metric) => Number.isFinite(expected(metric)));
        if (near[j * nx + i] === 1 || !known) cells.push(j * nx + i);
      });
      return Uint32Array.from(cells);
    },
    filled() {
      const copy: Draft = {
        ...draft,
        z: Float64Array.from(draft.z),
        done: Uint8Array.from(draft.done),
        metrics: Object.fromEntries(
          Object.entries(draft.metrics).map(([name, values]) => [name, Float64Array.from(values)]),
        ),
      };
      fill(copy, transform(), columns, rows, Math.min(level, levels.length - 1));
      return copy;
    },
    finish: () => fill(draft, transform(), columns, rows, levels.length - 1),
  };
}

/** Strides from the coarsest lattice, of about nine points a side, to 1. */
function levelsOf({ x, y }: Draft): number[] {
  const side = (y.length === 1 ? x.length : Math.min(x.length, y.length)) - 1;
  const first = strides.find((stride) => side / stride >= 8) ?? 1;
  return strides.filter((stride) => stride <= first);
}

/** Indices of every `stride`-th point counted from the middle, and of the first and the last. */
function latticeOf(axis: Float64Array, stride: number): number[] {
  const middle = middleOf(axis);
  return Array.from(axis.keys()).filter(
    (i) => i === 0 || i === axis.length - 1 || (i - middle) % stride === 0,
  );
}

/** Predictions of all cells of lattices 1 … `last` that were not evaluated, each from the lattice before it. */
function predict(
  values: Float64Array,
  evaluated: Uint8Array,
  nx: number,
  columns: readonly number[][],
  rows: readonly number[][],
  last: number,
): void {
  for (let l = 1; l <= last; l++) {
    forNew(columns, rows, l, (i, j) => {
      const cell = j * nx + i;
      if (evaluated[cell] === 0) values[cell] = interpolated(values, nx, columns[l - 1], rows[l - 1], i, j);
    });
  }
}

/** Calls `visit` for each point of lattice l that is not in lattice l − 1. */
function forNew(
  columns: readonly number[][],
  rows: readonly number[][],
  l: number,
  visit: (i: number, j: number) => void,
): void {
  const oldColumns = new Set(columns[l - 1]);
  const oldRows = new Set(rows[l - 1]);
  for (const j of rows[l])
    for (const i of columns[l]) if (!(oldColumns.has(i) && oldRows.has(j))) visit(i, j);
}

interface Surprise {
  readonly i: number;
  readonly j: number;
  /** |value − prediction|. */
  readonly size: number;
}

/** Differences between evaluated points of lattice l and their predictions from lattice l − 1. */
function surprisesOf(
  values: Float64Array,
  evaluated: Uint8Array,
  nx: number,
  columns: readonly number[][],
  rows: readonly number[][],
  l: number,
): Surprise[] {
  const surprises: Surprise[] = [];
  forNew(columns, rows, l, (i, j) => {
    const cell = j * nx + i;
    if (evaluated[cell] === 0) return;
    const expected = interpolated(values, nx, columns[l - 1], rows[l - 1], i, j);
    const same = Number.isFinite(values[cell]) === Number.isFinite(expected);
    const size = Number.isFinite(expected) && same ? Math.abs(values[cell] - expected) : same ? 0 : Infinity;
    surprises.push({ i, j, size });
  });
  return surprises;
}

/** 1 for the cells within `reach` rows and columns of one of these points. */
function neighborhood({ x, y }: Draft, points: readonly Surprise[], reach: number): Uint8Array {
  const near = new Uint8Array(x.length * y.length);
  for (const { i, j } of points) {
    const [from, to] = [Math.max(0, i - reach), Math.min(x.length, i + reach + 1)];
    for (let row = Math.max(0, j - reach); row <= Math.min(y.length - 1, j + reach); row++) {
      near.fill(1, row * x.length + from, row * x.length + to);
    }
  }
  return near;
}

/** Range of the finite values that were evaluated. */
function rangeOf(values: Float64Array, evaluated: Uint8Array): number {
  let low = Infinity;
  let high = -Infinity;
  values.forEach((value, cell) => {
    if (evaluated[cell] === 0 || !Number.isFinite(value)) return;
    if (value < low) low = value;
    if (value > high) high = value;
  });
  return high - low;
}

/** Cubic interpolation of a lattice at (i, j). */
function interpolated(
  values: Float64Array,
  nx: number,
  columns: readonly number[],
  rows: readonly number[],
  i: number,
  j: number,
): number {
  const across = weightsAt(columns, i);
  const along = weightsAt(rows, j);
  let sum = 0;
  for (const [row, v] of along) for (const [column, u] of across) sum += u * v * values[row * nx + column];
  return sum;
}

/** Lagrange weights of the four nearest of ascending nodes, or of the node itself. */
function weightsAt(nodes: readonly number[], at: number): (readonly [number, number])[] {
  const above = nodes.findIndex((node) => node >= at);
  if (nodes[above] === at) return [[at, 1]];
  const first = Math.max(0, Math.min(nodes.length - 4, above - 2));
  const near = nodes.slice(first, first + 4);
  return near.map((node) => {
    let weight = 1;
    for (const other of near) if (other !== node) weight *= (at - other) / (node - other);
    return [node, weight] as const;
  });
}

/** Writes predictions into the cells up to lattice `last` that were not evaluated. */
function fill(
  draft: Draft,
  { apply, invert }: Transform,
  columns: readonly number[][],
  rows: readonly number[][],
  last: number,
): void {
  const nx = draft.x.length;
  const evaluated = draft.done.map((mark) => (mark === 1 ? 1 : 0));
  const values = draft.z.map(apply);
  predict(values, evaluated, nx, columns, rows, last);
  for (const metric of Object.values(draft.metrics)) predict(metric, evaluated, nx, columns, rows, last);
  for (const j of rows[last]) {
    for (const i of columns[last]) {
      const cell = j * nx + i;
      if (evaluated[cell] === 1) continue;
      draft.z[cell] = invert(values[cell]);
      draft.done[cell] = predicted;
    }
  }
}

/** As `survey`, lattice by lattice. */
export function* adaptiveSurvey(draft: Draft, plan: AdaptivePlan, hooks: SurveyHooks): Asks<void> {
  hooks.signal?.throwIfAborted();
  draft.loss = yield evaluate(draft.plane.center, null);
  hooks.started();
  for (let cells = plan.next(); cells !== null; cells = plan.next()) {
    yield* walk(draft, cells, { ...hooks, levelDone: undefined });
    hooks.levelDone?.(plan.stride);
  }
  plan.finish();
  hooks.finished?.();
}

/** The lattices after the loss at the center is known, each by way of `evaluateCells`. */
export async function adaptiveRun(
  plan: AdaptivePlan,
  hooks: SurveyHooks,
  evaluateCells: (cells: Uint32Array, hooks: SurveyHooks) => Promise<void>,
): Promise<void> {
  for (let cells = plan.next(); cells !== null; cells = plan.next()) {
    await evaluateCells(cells, { ...hooks, levelDone: undefined });
    hooks.levelDone?.(plan.stride);
  }
  plan.finish();
  hooks.finished?.();
}
