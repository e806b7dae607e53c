/**
 * Evaluates the loss around a point of parameter space.
 *
 * Follows the recipe of FluxOptTools.jl, with these departures: the axes extend to lnorm·‖p‖, as in its
 * documentation, whereas its code uses lnorm²·‖p‖. An even number of points becomes odd, so that the center
 * is one of them. The parameters are restored afterwards, even if the loss throws. z is not transposed.
 *
 * @module
 */
import { runAsync, runSync } from '../../core/drive.ts';
import { FRAME } from '../../core/eventLoop.ts';
import { checkOptions, objectWith } from '../../core/options.ts';
import { adaptiveRun, adaptiveSurvey } from './adaptive.ts';
import { runOn, type Executor } from '../grid/executor.ts';
import { endJob, failedJob, jobOf } from './prepareLandscape.ts';
import {
  checkParams,
  heldBy,
  heldByAsync,
  isParamSet,
  watched,
  watchedAsync,
  watchedAt,
  watchedAtAsync,
  type AsyncLoss,
  type AsyncMetrics,
  type Loss,
} from './lossSource.ts';
import { survey } from '../grid/gridWalk.ts';
import type { ParamSet } from '../../core/paramSet.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';
import type { LandscapeData } from '../grid/data.ts';
import { landscapeRules, type LandscapeOptions } from './options.ts';

/** Options of {@link landscapeAsync}. */
export interface LandscapeAsyncOptions extends Omit<LandscapeOptions, 'metrics'> {
  /** As those of a synchronous landscape; each may return a promise. */
  metrics?: AsyncMetrics | undefined;
  /**
   * Evaluates the points elsewhere, as `workerPool` does; the loss and the metrics given here are then used
   * only at the center.
   *
   * @defaultValue here
   */
  executor?: Executor | undefined;
}

type SyncArguments = readonly [(ParamSet | LandscapeOptions | null)?, LandscapeOptions?];
type AsyncArguments = readonly [(ParamSet | LandscapeAsyncOptions | null)?, LandscapeAsyncOptions?];

/**
 * Computes the loss on a grid around the current parameters.
 *
 * By default the grid lies in a plane of two random directions, each with the norm of the parameters. The
 * loss must be the same function at all points: use fixed data, in evaluation mode (no dropout). Afterwards
 * the parameters are restored bit for bit.
 *
 * @param loss - `() => number`, the loss at the current parameters, or a problem
 * @param params - the parameters that the loss reads; for a problem, the default is its own
 * @returns raw values, including non-finite ones
 * @throws RangeError naming every option that is wrong; whatever the loss throws, and the reason of an abort
 * @see Li, Xu, Taylor, Studer and Goldstein (2018), Visualizing the loss landscape of neural nets,
 *   arXiv:1712.09913
 * @example
 * ```ts
 * const data = landscape(() => loss().dataSync()[0], tfParams(model), { npoints: 31, normalize: 'filter', seed: 1 });
 * contourf(data, { zscale: 'log' }).toSVG();
 * ```
 */
export function landscape(loss: Loss, params: ParamSet, options?: LandscapeOptions): LandscapeData;
export function landscape(
  problem: Problem,
  params?: ParamSet | null,
  options?: LandscapeOptions,
): LandscapeData;
export function landscape(problem: Problem, options?: LandscapeOptions): LandscapeData;
export function landscape(source: Loss | Problem, ...rest: SyncArguments): LandscapeData {
  return landscapeFor('landscape', source, ...rest);
}

/** As {@link landscape}; errors are in the name of the function called. */
export function landscapeFor(where: string, source: Loss | Problem, ...rest: SyncArguments): LandscapeData {
  const [params, options] = sorted(where, source, rest);
  const { metrics = {} } = options;
  const job = jobOf(where, source, heldBy(source, params), options, namesOf(metrics));
  try {
    const { draft, cells, hooks, subject, plan } = job;
    const fg = watched(where, source, subject.params, metrics, hooks.metricValues);
    const many = watchedAt(where, source, subject.params, metrics, hooks);
    const asks = plan === undefined ? survey(draft, cells, hooks) : adaptiveSurvey(draft, plan, hooks);
    runSync(asks, { p0: draft.plane.center, fg, ...many });
  } catch (error) {
    throw failedJob(error, job);
  }
  endJob(job);
  return job.draft;
}

/**
 * As {@link landscape}, for an asynchronous loss: an ONNX model's problem, or a backend that reads
 * asynchronously.
 *
 * @throws as {@link landscape}
 * @example
 * ```ts
 * const data = await landscapeAsync(model.problem(feeds), { npoints: 31, normalize: 'filter' });
 * ```
 */
export function landscapeAsync(
  loss: AsyncLoss,
  params: ParamSet,
  options?: LandscapeAsyncOptions,
): Promise<LandscapeData>;
export function landscapeAsync(
  problem: AsyncProblem | Problem,
  params?: ParamSet | null,
  options?: LandscapeAsyncOptions,
): Promise<LandscapeData>;
export function landscapeAsync(
  problem: AsyncProblem | Problem,
  options?: LandscapeAsyncOptions,
): Promise<LandscapeData>;
export function landscapeAsync(
  source: AsyncLoss | AsyncProblem | Problem,
  ...rest: AsyncArguments
): Promise<LandscapeData> {
  return landscapeAsyncFor('landscapeAsync', source, ...rest);
}

/** As {@link landscapeAsync}; errors are in the name of the function called. */
export async function landscapeAsyncFor(
  where: string,
  source: AsyncLoss | AsyncProblem | Problem,
  ...rest: AsyncArguments
): Promise<LandscapeData> {
  const [params, given] = sorted<LandscapeAsyncOptions>(where, source, rest);
  checkOptions<object>(where, given, asyncRules);
  const { executor, ...options } = given;
  const { metrics = {} } = options;
  const held = await heldByAsync(source, params);
  const job = jobOf(where, source, held, options, namesOf(metrics));
  try {
    const { draft, cells, hooks, subject, plan } = job;
    const fg = watchedAsync(where, source, subject.params, metrics, hooks.metricValues);
    const here = executor === undefined ? cells : new Uint32Array(0);
    const many = watchedAtAsync(where, source, subject.params, metrics, hooks);
    const asks =
      executor === undefined && plan !== undefined
        ? adaptiveSurvey(draft, plan, hooks)
        : survey(draft, here, hooks);
    await runAsync(asks, { p0: draft.plane.center, fg, ...many, yieldEvery: pauseOf(source) });
    if (executor !== undefined && plan !== undefined) {
      await adaptiveRun(plan, hooks, (some, told) => runOn(executor, draft, some, told));
    } else if (executor !== undefined) {
      await runOn(executor, draft, cells, hooks);
    }
  } catch (error) {
    throw failedJob(error, job);
  }
  endJob(job);
  return job.draft;
}

const asyncRules = {
  ...landscapeRules,
  executor: objectWith('an object with a method run(task, tiles, signal)', 'run'),
};

/** `(params?, options?)` or `(options?)`. */
function sorted<Options extends object>(
  where: string,
  source: unknown,
  rest: readonly [(ParamSet | Options | null)?, Options?],
): [ParamSet | undefined, Options | Record<string, never>] {
  const [first, second] = rest;
  checkParams(where, source, first);
  if (isParamSet(first)) return [first, second ?? {}];
  return [undefined, second ?? first ?? {}];
}

/** Returns how often evaluations give the event loop a turn, see `yieldEvery` of a problem. */
const pauseOf = (source: AsyncLoss | AsyncProblem | Problem): number =>
  ('yieldEvery' in source ? source.yieldEvery : undefined) ?? FRAME;

const namesOf = (metrics: object | null): string[] => Object.keys(metrics ?? {});
