import { checkOptions, integerFrom, show, type Rules } from '../../core/options.ts';
import { nodeModule } from '../grid/node.ts';
import type { Executor, GridTask, TileResult } from '../grid/executor.ts';
import type { Piscina } from 'piscina';

/** Options of `workerPool`. */
export interface WorkerPoolOptions {
  /** Number of threads. @defaultValue one for each core */
  threads?: number | undefined;
  /** Passed to the module's default export in each worker; must be cloneable. */
  data?: unknown;
}

const rules: Rules<WorkerPoolOptions> = {
  threads: integerFrom(1),
  data: { allowed: 'a value that can be cloned', accepts: () => true },
};

/** The data that a worker starts with. */
export interface WorkerStart extends GridTask {
  readonly module: string;
  readonly data: unknown;
}

/**
 * Creates an {@link Executor} that uses Node's worker threads, through `piscina`.
 *
 * A loss cannot be sent to another thread, so each worker builds its own: the module's default export is
 * called with `data` and returns a problem `{ p0, fg }`, or `{ loss, params }` where `loss` takes no
 * arguments; in addition `metrics` by name, if there are any. It may be asynchronous.
 *
 * @param module - address of a module, such as `new URL('./problem.js', import.meta.url)`
 * @throws RangeError for invalid options
 * @throws TypeError for a relative path
 * @example
 * ```ts
 * const executor = workerPool(new URL('./problem.js', import.meta.url), { threads: 4 });
 * const data = await landscapeAsync(problem, { executor });
 * ```
 */
export function workerPool(module: URL | string, options: WorkerPoolOptions = {}): Executor {
  if (!(module instanceof URL) && typeof module !== 'string') {
    throw new TypeError(`workerPool: module must be a URL, got ${show(module)}.`);
  }
  if (typeof module === 'string' && module.startsWith('.')) {
    throw new TypeError(
      `workerPool: module ${show(module)} is relative; give an absolute one: new URL(${show(module)}, import.meta.url).`,
    );
  }
  checkOptions('workerPool', options, rules);
  const { availableParallelism } = nodeModule('node:os', 'workerPool');
  const { threads = availableParallelism(), data } = options;
  return {
    parallelism: threads,
    async *run(
      task: GridTask,
      tiles: readonly Uint32Array[],
      signal?: AbortSignal,
    ): AsyncIterable<TileResult> {
      const { Piscina } = await loadPiscina();
      const start: WorkerStart = {
        module: String(module),
        data,
        center: shared(task.center),
        directions: task.directions.map(shared),
        x: task.x,
        y: task.y,
        metrics: task.metrics,
      };
      const pool: Piscina<Uint32Array, TileResult> = new Piscina({
        filename: new URL('poolWorker.cjs', import.meta.url).href,
        workerData: start,
        minThreads: Math.min(threads, tiles.length),
        maxThreads: threads,
      });
      // Errors of a tile arrive through its promise; those after the end are also emitted here.
      pool.on('error', () => {});
      const stop = new AbortController();
      const onAbort = () => stop.abort(signal?.reason);
      signal?.addEventListener('abort', onAbort);
      // Each tile adds a listener.
      nodeModule('node:events', 'workerPool').setMaxListeners(0, stop.signal);
      try {
        yield* asTheyCome(tiles.map((tile) => pool.run(tile, { signal: stop.signal })));
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      } finally {
        signal?.removeEventListener('abort', onAbort);
        await pool.destroy();
      }
    },
  };
}

/** Returns a copy in memory shared by all threads. */
function shared(vector: Float64Array): Float64Array {
  const copy = new Float64Array(new SharedArrayBuffer(vector.byteLength));
  copy.set(vector);
  return copy;
}

/** Yields the results of promises in the order in which they are fulfilled. */
async function* asTheyCome<Value>(promises: readonly Promise<Value>[]): AsyncGenerator<Value> {
  const waiting = new Map(promises.map((promise, k) => [k, promise.then((value) => ({ k, value }))]));
  // The race throws a failure; the others must not be reported as unhandled when the loop ends.
  for (const promise of waiting.values()) promise.catch(() => {});
  while (waiting.size > 0) {
    const { k, value } = await Promise.race(waiting.values());
    waiting.delete(k);
    yield value;
  }
}

async function loadPiscina() {
  try {
    return await import('piscina');
  } catch (cause) {
    throw new Error('workerPool: piscina could not be loaded. Install it (npm install piscina).', { cause });
  }
}
