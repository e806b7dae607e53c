import { hold, holdLater, type Held } from '../../core/held.ts';
import { layoutOf, type Layout } from '../../core/layout.ts';
import { show } from '../../core/options.ts';
import { firstNonFinite } from '../../core/vector.ts';
import type { ParamSet } from '../../core/paramSet.ts';
import type { AsyncObjective, AsyncProblem, Objective, Problem, ProblemFacts } from '../../core/problem.ts';

/** A loss without arguments, which reads the current parameters. */
export type Loss = () => number;
/** As {@link Loss}, but may return a promise. */
export type AsyncLoss = () => Promise<number> | number;

/** A loss with parameters to read, or a problem; possibly asynchronous. */
export type Source<Value> =
  | (() => Value)
  | (ProblemFacts & { fg(x: Float64Array, gradient: Float64Array | null): Value });

/** The point that a landscape or a curvature is computed around, with its parameters. */
export interface Subject {
  readonly params: ParamSet | undefined;
  readonly layout: Layout;
  /** θ*, `[n]`, a copy. */
  readonly center: Float64Array;
}

/** Returns the given parameters, or those of the problem, with their current values. */
export const heldBy = (source: Source<unknown>, given: ParamSet | undefined): Held =>
  hold(given ?? paramsOf(source));

/** As {@link heldBy}, but awaits a set that is read asynchronously, such as that of an asynchronous tfjs backend. */
export const heldByAsync = (source: Source<unknown>, given: ParamSet | undefined): Promise<Held> =>
  holdLater(given ?? paramsOf(source));

const paramsOf = (source: Source<unknown>): ParamSet | undefined =>
  typeof source === 'object' && source !== null ? source.params : undefined;

/**
 * Checks the argument after the loss: a loss as a function needs a ParamSet there, and no source has the bare
 * tensors or models of a backend there.
 *
 * @throws TypeError
 */
export function checkParams(where: string, source: unknown, next: unknown): void {
  if (wrapping(next) !== undefined || (typeof source === 'function' && !isParamSet(next))) {
    throw needsParams(where, next);
  }
}

/** Returns the error for a loss without a ParamSet. Recipes know no backend, so the user must wrap the tensors. */
function needsParams(where: string, got: unknown): TypeError {
  const call = wrapping(got);
  return new TypeError(
    call === undefined
      ? `${where}: a loss () => number needs the parameters that it reads, as a ParamSet such as tfParams(model); got ${show(got)}.`
      : `${where}: its parameters must be a ParamSet: give ${call} instead.`,
  );
}

const fromTfjs = (what: string) => `tfParams(${what}), with import { tfParams } from 'quasi-newton/tfjs',`;

/** Returns the call that makes a ParamSet from a backend's variables or model; undefined for anything else. */
function wrapping(value: unknown): string | undefined {
  if (Array.isArray(value))
    return value.length > 0 && value.every(isVariable) ? fromTfjs('variables') : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  if ('trainableWeights' in value) return fromTfjs('model');
  if (isVariable(value)) return fromTfjs('[variable]');
  return 'params' in value && isParamSet(value.params) ? 'its params' : undefined;
}

const isVariable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'assign' in value && 'dataSync' in value;

/**
 * Returns the center: `at` if the user gives one, otherwise the current parameters, or p0 if there are none.
 *
 * @throws TypeError if the source has no parameters
 * @throws RangeError if the point has a wrong length or is not finite
 */
export function subjectOf(
  where: string,
  source: Source<unknown>,
  { params, values }: Held,
  at: Float64Array | undefined,
): Subject {
  if (typeof source === 'function') {
    if (params === undefined) throw needsParams(where, params);
  } else if (typeof source !== 'object' || source === null || typeof source.fg !== 'function') {
    throw new TypeError(`${where}: needs a loss () => number or a problem { p0, fg }, got ${show(source)}.`);
  }
  const own = values ?? ('p0' in source ? source.p0 : new Float64Array(0));
  if (!(own instanceof Float64Array)) {
    throw new TypeError(
      `${where}: p0 must be a Float64Array, got ${show(own)}; Float64Array.from(p0) makes one.`,
    );
  }
  const center = Float64Array.from(at ?? own);
  if (center.length !== own.length) {
    throw new RangeError(`${where}: center has length ${center.length}; there are ${own.length} parameters.`);
  }
  if (center.length === 0) throw new RangeError(`${where}: there are no parameters.`);
  const bad = firstNonFinite(center);
  if (bad >= 0) {
    throw new RangeError(
      `${where}: parameter ${bad} is ${center[bad]}; use a center with finite parameters.`,
    );
  }
  return { params, layout: params?.layout ?? layoutOf([{ name: 'x', shape: [center.length] }]), center };
}

/** Further values to record at each point. */
export type Metrics = Readonly<Record<string, (x: Float64Array) => number>>;
/** As {@link Metrics}; each may return a promise. */
export type AsyncMetrics = Readonly<Record<string, (x: Float64Array) => number | Promise<number>>>;
/** A loss or a problem, synchronous or asynchronous. */
export type AsyncSource = Source<number | Promise<number>>;

/**
 * Evaluates the loss at x, `[n]`, along with the metrics.
 *
 * @param values - output: the metrics at x, in their order
 */
export function watched(
  where: string,
  source: Source<number>,
  params: ParamSet | undefined,
  metrics: Metrics,
  values: Float64Array,
): Objective {
  const watch = Object.values(metrics);
  return (x) => {
    if (typeof source === 'function') params?.copyFrom(x);
    const loss = checkedLoss(where, typeof source === 'function' ? source() : source.fg(x, null));
    // The problem may have changed the parameters.
    if (watch.length > 0) params?.copyFrom(x);
    for (let k = 0; k < watch.length; k++) values[k] = checkedLoss(where, watch[k](x));
    return loss;
  };
}

/** As {@link watched}, awaiting each value. */
export function watchedAsync(
  where: string,
  source: AsyncSource,
  params: ParamSet | undefined,
  metrics: AsyncMetrics,
  values: Float64Array,
): AsyncObjective {
  const watch = Object.values(metrics);
  return async (x) => {
    if (typeof source === 'function') params?.copyFrom(x);
    const loss = checkedLoss(where, await (typeof source === 'function' ? source() : source.fg(x, null)));
    if (watch.length > 0) params?.copyFrom(x);
    for (let k = 0; k < watch.length; k++) values[k] = checkedLoss(where, await watch[k](x));
    return loss;
  };
}

/** Part of the hooks that metrics need. */
interface Told {
  readonly metricValues: Float64Array;
  readonly signal: AbortSignal | undefined;
}

/**
 * Evaluates the losses of many points at once, if the problem can, and the metrics point by point.
 *
 * @param told - `metricValues`, `[points, metrics]`, is an output; the signal is checked between points
 */
export function watchedAt(
  where: string,
  source: Loss | Problem,
  params: ParamSet | undefined,
  metrics: Metrics,
  { metricValues, signal }: Told,
): Pick<Problem, 'valuesAt'> {
  if (typeof source === 'function' || source.valuesAt === undefined) return {};
  const watch = Object.values(metrics);
  return {
    valuesAt(points, losses) {
      source.valuesAt?.(points, losses);
      for (const [p, x] of watch.length === 0 ? [] : rowsOf(points, losses.length)) {
        signal?.throwIfAborted();
        params?.copyFrom(x);
        watch.forEach((metric, k) => (metricValues[p * watch.length + k] = checkedLoss(where, metric(x))));
      }
    },
  };
}

/** As {@link watchedAt}, awaiting each value. */
export function watchedAtAsync(
  where: string,
  source: AsyncLoss | AsyncProblem | Problem,
  params: ParamSet | undefined,
  metrics: AsyncMetrics,
  { metricValues, signal }: Told,
): Pick<AsyncProblem, 'valuesAt'> {
  if (typeof source === 'function' || source.valuesAt === undefined) return {};
  const watch = Object.values(metrics);
  return {
    async valuesAt(points, losses) {
      await source.valuesAt?.(points, losses);
      for (const [p, x] of watch.length === 0 ? [] : rowsOf(points, losses.length)) {
        signal?.throwIfAborted();
        params?.copyFrom(x);
        for (const [k, metric] of watch.entries())
          metricValues[p * watch.length + k] = checkedLoss(where, await metric(x));
      }
    },
  };
}

/** Returns the rows of `[count, n]` with their indices. */
const rowsOf = (points: Float64Array, count: number) =>
  Array.from({ length: count }, (_, p) => {
    const n = points.length / count;
    return [p, points.subarray(p * n, (p + 1) * n)] as const;
  });

/** Functions that draw a landscape, which have no asynchronous twins. */
const plots = new Set(['contourf', 'contour', 'heatmap', 'surface']);

/** Checks that the value of a loss is a number, and returns it. */
function checkedLoss(where: string, value: unknown): number {
  if (typeof value === 'number') return value;
  if (value instanceof Promise) {
    const way = plots.has(where)
      ? `evaluate it first, and draw the result: ${where}(await landscapeAsync(loss, options), attributes)`
      : `use ${where}Async`;
    throw new TypeError(`${where}: the loss returned a promise; ${way}.`);
  }
  throw new TypeError(
    `${where}: the loss must be a number, got ${show(value)}; for a tensor, return dataSync()[0] inside tf.tidy.`,
  );
}

/** True if a value is a {@link ParamSet}. */
export function isParamSet(value: unknown): value is ParamSet {
  return typeof value === 'object' && value !== null && 'copyInto' in value && 'copyFrom' in value;
}
