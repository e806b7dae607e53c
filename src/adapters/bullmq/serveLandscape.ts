import { checkOptions, show } from '../../core/options.ts';
import { errorAfter } from '../../core/putBack.ts';
import { addScaled } from '../../core/vector.ts';
import { requireOptions } from './connection.ts';
import { encode, float64, type Message } from './message.ts';
import { makerOf, type LandscapeSource, type Served } from './module.ts';
import {
  Refusal,
  serveRules,
  startWorker,
  type BullmqWorker,
  type Call,
  type ServeOptions,
} from './worker.ts';

/** Name of the jobs. */
export const tile = 'tile';

/** Header of the message that describes a grid; its arrays are center, x, y and the directions. */
export interface TileHeader {
  readonly metrics: readonly string[];
}

/** Data of a job. */
export interface TileData {
  readonly cells: readonly number[];
}

/** Header of an answer; its arrays are the loss at the center, z and the metrics. */
export interface TileAnswer {
  readonly worker: string;
}

/**
 * Serves landscapes: evaluates tiles of grids for {@link bullmqExecutor}, in this process, until it is closed.
 *
 * @param source - a function that receives `data` and returns a problem `{ p0, fg }` or `{ loss, params }`, with `metrics`
 *   by name if wanted; or the address of a module that exports it by default; or its result
 * @returns the worker, once its problem is built and Redis is connected
 * @throws RangeError, TypeError for wrong options or a wrong `source`, and any error of the module
 * @throws Error if bullmq or ioredis is not installed
 * @example
 * ```ts
 * const worker = await serveLandscape(new URL('./digits.js', import.meta.url), {
 *   connection: 'redis://10.0.0.1:6379',
 *   queue: 'digits',
 * });
 * process.once('SIGTERM', () => worker.close());
 * ```
 */
export async function serveLandscape<Data>(
  source: Served<LandscapeSource, Data>,
  options: ServeOptions<Data>,
): Promise<BullmqWorker> {
  const where = 'serveLandscape';
  requireOptions(where, options, 'connection', 'queue');
  checkOptions(where, options, serveRules);
  const { data, concurrency = 1 } = options;
  const make = await makerOf(where, source);
  if (concurrency > 1 && typeof source === 'object' && !(source instanceof URL)) {
    throw new RangeError(
      `${where}: concurrency: ${concurrency} jobs at once would share the parameters of one problem; give a module or a function, which makes one for each.`,
    );
  }
  const made = async () => evaluatorOf(where, await make(data as Data, { shard: 0, shards: 1 }));
  /** Evaluators without a job: concurrent jobs must not share parameters. The first is made before any job arrives. */
  const idle = [await made()];
  return startWorker<TileData>(where, options, tile, async (call, worker) => {
    const evaluate = idle.pop() ?? (await made());
    try {
      return await evaluateTile(evaluate, call, worker);
    } finally {
      idle.push(evaluate);
    }
  });
}

/** Evaluates the loss and the metrics at a point. */
interface Evaluate {
  readonly losses: WeakMap<Message<unknown>, number>;
  /** Number of parameters. */
  readonly n: number;
  loss(x: Float64Array): Promise<number>;
  metric(name: string): (x: Float64Array) => Promise<number>;
  /** Puts the parameters back. */
  readonly restore: () => void;
}

async function evaluateTile(evaluate: Evaluate, { message, data, pause }: Call<TileData>, worker: string) {
  const [center, x, y, dx, dy] = message.arrays.map(float64);
  const { metrics } = message.header as TileHeader;
  if (evaluate.n !== center.length) {
    throw new Refusal(
      `its problem has ${evaluate.n} parameters, but the landscape has ${center.length}; their models differ.`,
    );
  }
  const watch = metrics.map((name) => evaluate.metric(name));
  const { cells } = data;
  const z = new Float64Array(cells.length);
  const values = new Float64Array(cells.length * watch.length);
  const base = center.slice();
  const point = new Float64Array(center.length);
  let row = -1;
  const evaluateAll = async () => {
    point.set(center);
    const loss = evaluate.losses.get(message) ?? (await evaluate.loss(point));
    evaluate.losses.set(message, loss);
    for (const [c, cell] of cells.entries()) {
      const j = Math.floor(cell / x.length);
      // Each point is computed from the center in this order, so that its value does not depend on the tile.
      if (j !== row && dy !== undefined) addScaled(center, y[j], dy, base);
      row = j;
      addScaled(base, x[cell - j * x.length], dx, point);
      z[c] = await evaluate.loss(point);
      for (const [k, metric] of watch.entries()) values[k * cells.length + c] = await metric(point);
      await pause(c + 1, cells.length);
    }
    return encode({ worker } satisfies TileAnswer, [Float64Array.of(loss), z, values]);
  };
  const answer = await evaluateAll().catch((error: unknown) => {
    throw errorAfter(error, evaluate.restore);
  });
  evaluate.restore();
  return answer;
}

/** Returns the evaluation of a module's result. @throws TypeError if it cannot be evaluated */
function evaluatorOf(where: string, made: LandscapeSource): Evaluate {
  const params = 'params' in made ? made.params : undefined;
  const held = params?.copyInto(params.zeros());
  const checked = (what: string, value: unknown): number => {
    if (typeof value === 'number') return value;
    throw new TypeError(`${where}: ${what} must be a number, got ${show(value)}.`);
  };
  let loss: Evaluate['loss'];
  if ('loss' in made && typeof made.loss === 'function' && params !== undefined) {
    loss = async (x) => {
      params.copyFrom(x);
      return checked('the loss', await made.loss());
    };
  } else if ('fg' in made && typeof made.fg === 'function' && made.p0 instanceof Float64Array) {
    loss = async (x) => checked('the loss', await made.fg(x, null));
  } else {
    throw new TypeError(`${where}: needs { p0, fg } or { loss, params }, got ${show(made)}.`);
  }
  return {
    losses: new WeakMap(),
    n: params?.length ?? ('p0' in made ? made.p0.length : 0),
    loss,
    metric(name) {
      const metric = made.metrics?.[name];
      if (metric === undefined) throw new Refusal(`it has no metric ${show(name)}.`);
      return async (x) => {
        // The problem may have left the parameters elsewhere.
        params?.copyFrom(x);
        return checked(`the metric ${show(name)}`, await metric(x));
      };
    },
    restore: () => held && params?.copyFrom(held),
  };
}
