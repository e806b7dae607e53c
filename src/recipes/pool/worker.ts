/**
 * A worker of `workerPool`: builds its own problem once, then evaluates tiles.
 *
 * @module
 */
import { workerData } from 'node:worker_threads';
import { runAsync } from '../../core/drive.ts';
import { show } from '../../core/options.ts';
import { emptyLandscape } from '../grid/data.ts';
import { isParamSet, watchedAsync, type AsyncMetrics, type AsyncSource } from '../landscape/lossSource.ts';
import { survey, walk, type Draft, type SurveyHooks } from '../grid/gridWalk.ts';
import type { ParamSet } from '../../core/paramSet.ts';
import type { AsyncProblem } from '../../core/problem.ts';
import type { TileResult } from '../grid/executor.ts';
import type { WorkerStart } from './pool.ts';

interface Ready {
  readonly draft: Draft;
  readonly hooks: SurveyHooks;
  readonly problem: AsyncProblem;
}

let ready: Promise<Ready> | undefined;

/** Returns the loss and the metrics at each cell of a tile. */
export default async function evaluateTile(cells: Uint32Array): Promise<TileResult> {
  ready ??= getReady();
  const { draft, hooks, problem } = await ready;
  // The loss at the center is requested once, to check that this worker has the same data.
  const first = Number.isNaN(draft.loss);
  await runAsync((first ? survey : walk)(draft, cells, hooks), problem);
  const columns = Object.values(draft.metrics);
  return {
    cells,
    z: Float64Array.from(cells, (cell) => draft.z[cell]),
    metrics: Float64Array.from(columns.flatMap((column) => Array.from(cells, (cell) => column[cell]))),
    loss: draft.loss,
  };
}

async function getReady(): Promise<Ready> {
  // piscina puts its own data before those it was given.
  const start: WorkerStart = Array.isArray(workerData) ? workerData[1] : workerData;
  const made = await load(start);
  const plane = { center: start.center, directions: start.directions, labels: ['x', 'y'] as const };
  const draft: Draft = { ...emptyLandscape(plane, start.x, start.y, start.metrics), loss: NaN };
  const hooks: SurveyHooks = {
    metricValues: new Float64Array(start.metrics.length),
    signal: undefined,
    atOnce: 1,
    started() {},
    evaluated() {},
    levelDone: undefined,
  };
  const fg = watchedAsync('workerPool', made.source, made.params, made.metrics, hooks.metricValues);
  return { draft, hooks, problem: { p0: start.center, fg } };
}

async function load({ module, data, metrics }: WorkerStart) {
  const loaded: { readonly default?: unknown } = await import(module);
  if (typeof loaded.default !== 'function') {
    throw new TypeError(
      `workerPool: ${module} must export a function by default, got ${show(loaded.default)}.`,
    );
  }
  const made: {
    readonly fg?: AsyncProblem['fg'];
    readonly loss?: () => number;
    readonly params?: ParamSet;
    readonly metrics?: AsyncMetrics;
  } = await loaded.default(data);
  const source = made.loss ?? (made.fg === undefined ? undefined : (made as AsyncSource));
  if (source === undefined || (made.loss !== undefined && !isParamSet(made.params))) {
    throw new TypeError(
      `workerPool: ${module} must return { p0, fg } or { loss, params }, got ${show(made)}.`,
    );
  }
  const watch = metrics.map((name): AsyncMetrics[string] => {
    const metric = made.metrics?.[name];
    if (metric === undefined) throw new TypeError(`workerPool: ${module} returns no metric ${show(name)}.`);
    return metric;
  });
  return {
    source,
    params: made.params,
    metrics: Object.fromEntries(metrics.map((name, k) => [name, watch[k]])),
  };
}
