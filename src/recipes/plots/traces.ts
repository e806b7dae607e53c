import { show } from '../../core/options.ts';
import { quantileSorted } from '../grid/statistics.ts';
import type { AxisScale } from './attributes.ts';

/** One run: y against x, x ascending. */
export interface Run {
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
}

/** The parts of a trace entry of a `SolveResult` that are drawn. */
export interface TracePoint {
  readonly iteration?: number;
  /** Objective value. */
  readonly f: number;
  readonly gradientNorm?: number;
  readonly evaluations?: number | { readonly f: number; readonly gradient: number };
  /** Seconds since the start. */
  readonly elapsed?: number;
}

/** Runs of one method, one for each seed. */
export interface Trace {
  readonly name: string;
  /** Each is `{ x, y }`, the `trace` of a `SolveResult`, or a list of losses, drawn against 0, 1, 2, … */
  readonly runs: readonly (Run | readonly TracePoint[] | ArrayLike<number>)[];
  /** Any CSS color. @defaultValue one of eight, by position */
  readonly color?: string | undefined;
  /**
   * A final value from elsewhere for comparison, drawn at the last x as a hollow diamond.
   *
   * @defaultValue none
   */
  readonly reference?: number | undefined;
}

/** Abscissa of a solver's trace. */
export type Against = 'iterations' | 'evaluations' | 'seconds';

/**
 * Returns the runs of a trace as plain columns; `against` selects the x of solver traces.
 *
 * @throws TypeError if there are none, or one is something else
 * @throws RangeError if x and y of a run differ in length, or a solver's trace has no values for `against`
 */
export function runsOf(trace: Trace, against: Against): Run[] {
  if (!Array.isArray(trace?.runs)) {
    throw new TypeError(`convergence: a trace must be { name, runs }, runs an array; got ${show(trace)}.`);
  }
  const { name, runs } = trace;
  return runs.map((run, k): Run => {
    if (isNumbers(run)) return { x: Float64Array.from(run, (_, i) => i), y: run };
    if (isSteps(run)) return columns(run, against, name);
    if (!isNumbers(run?.x) || !isNumbers(run.y)) {
      throw new TypeError(
        `convergence: run ${k} of ${show(name)} must be { x, y }, the trace of a result, or an array of losses; got ${show(run)}.`,
      );
    }
    if (run.x.length !== run.y.length) {
      throw new RangeError(
        `convergence: run ${k} of ${show(name)} has ${run.x.length} x and ${run.y.length} y; their numbers must be equal.`,
      );
    }
    return run;
  });
}

/** Returns true if a value is an array or typed array of numbers; checks only the first element. */
export const isNumbers = (value: unknown): value is ArrayLike<number> =>
  (ArrayBuffer.isView(value) && !(value instanceof DataView)) ||
  (Array.isArray(value) && (value.length === 0 || typeof value[0] === 'number'));

const isSteps = (run: Trace['runs'][number]): run is readonly TracePoint[] =>
  Array.isArray(run) && run.every((entry) => typeof entry?.f === 'number');

function columns(entries: readonly TracePoint[], against: Against, name: string): Run {
  return {
    x: entries.map((entry, i) => abscissa(entry, i, against, name)),
    y: entries.map(({ f }) => f),
  };
}

function abscissa(entry: TracePoint, i: number, against: Against, name: string): number {
  const { iteration = i, evaluations, elapsed } = entry;
  switch (against) {
    case 'iterations':
      return iteration;
    case 'evaluations':
      if (evaluations === undefined) break;
      return typeof evaluations === 'number' ? evaluations : Math.max(evaluations.f, evaluations.gradient);
    case 'seconds':
      if (elapsed === undefined) break;
      return elapsed;
  }
  throw new RangeError(
    `convergence: the trace of ${show(name)} does not record ${against}; its entries have ${Object.keys(entry).join(', ')}.`,
  );
}

/**
 * Returns the points of a line that can be shown on its axes, each with the number of its unbroken part.
 */
export function partsOf(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  scales: { readonly x: AxisScale; readonly y: AxisScale },
): { readonly i: number; readonly part: number }[] {
  const points: { i: number; part: number }[] = [];
  let part = 0;
  for (let i = 0; i < x.length; i++) {
    if (hasPlace(x[i], scales.x) && hasPlace(y[i], scales.y)) points.push({ i, part });
    else if (points.length > 0 && points[points.length - 1].part === part) part++;
  }
  return points;
}

const hasPlace = (value: number, scale: AxisScale) =>
  Number.isFinite(value) && (scale === 'linear' || value > 0);

/** Median and quartiles of several runs along a common x. */
export interface Summary {
  readonly x: Float64Array;
  readonly median: Float64Array;
  readonly q1: Float64Array;
  readonly q3: Float64Array;
}

/**
 * Computes median and quartiles across runs at `count` values of x, or at every x if all runs have the same.
 *
 * A run that has ended keeps its last value, the best its method can show from then on; before its first x it
 * does not count. Between points it is interpolated, in log y if `scale` is `'log'`.
 */
export function summarize(
  runs: readonly Run[],
  scales: { x: AxisScale; y: AxisScale },
  count = 240,
): Summary {
  const x = commonX(runs, scales.x, count);
  const median = new Float64Array(x.length);
  const q1 = new Float64Array(x.length);
  const q3 = new Float64Array(x.length);
  const cursors = new Uint32Array(runs.length);
  for (let i = 0; i < x.length; i++) {
    const values: number[] = [];
    for (let k = 0; k < runs.length; k++) {
      const { x: xs } = runs[k];
      while (cursors[k] + 1 < xs.length && xs[cursors[k] + 1] <= x[i]) cursors[k]++;
      const value = valueAt(runs[k], cursors[k], x[i], scales.y);
      if (Number.isFinite(value)) values.push(value);
    }
    values.sort((a, b) => a - b);
    median[i] = quantileSorted(values, 0.5);
    q1[i] = quantileSorted(values, 0.25);
    q3[i] = quantileSorted(values, 0.75);
  }
  return { x, median, q1, q3 };
}

function valueAt({ x, y }: Run, at: number, x0: number, scale: AxisScale): number {
  if (x.length === 0 || x0 < x[0]) return NaN;
  if (at + 1 >= x.length || x[at] === x0) return y[at];
  const t = (x0 - x[at]) / (x[at + 1] - x[at]);
  if (scale === 'log' && y[at] > 0 && y[at + 1] > 0) return y[at] ** (1 - t) * y[at + 1] ** t;
  return y[at] + t * (y[at + 1] - y[at]);
}

function commonX(runs: readonly Run[], scale: AxisScale, count: number): Float64Array {
  const longest = runs.reduce((best, run) => (run.x.length > best.length ? run.x : best), runs[0]?.x ?? []);
  const shared = runs.every(({ x }) => Array.prototype.every.call(x, (value, i) => value === longest[i]));
  if (shared) return Float64Array.from(longest);
  let low = Infinity;
  let high = -Infinity;
  for (const { x } of runs) {
    for (let i = 0; i < x.length; i++) {
      if (!Number.isFinite(x[i]) || (scale === 'log' && x[i] <= 0)) continue;
      if (x[i] < low) low = x[i];
      if (x[i] > high) high = x[i];
    }
  }
  if (low > high) return new Float64Array(0);
  const at = (t: number) => (scale === 'log' ? low ** (1 - t) * high ** t : low + t * (high - low));
  return Float64Array.from({ length: count }, (_, i) => (i === count - 1 ? high : at(i / (count - 1))));
}
