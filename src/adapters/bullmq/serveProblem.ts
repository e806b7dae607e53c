import { checkOptions } from '../../core/options.ts';
import { requireOptions } from './connection.ts';
import { encode, float64, type Message, type Scratch } from './message.ts';
import { makerOf, type Served, type ShardPlace, type ShardProblem } from './module.ts';
import { compute, factsOf, Shard, type ShardAnswer, type ShardData } from './shard.ts';
import { serveRules, startWorker, type BullmqWorker, type ServeOptions } from './worker.ts';

/** Name of the jobs. */
export const shardJob = 'shard';

/** Name of the message that holds the point where shards are compared. */
export const startMessage = 'start';

/**
 * Serves shards of a problem: computes f, ∇f and more for {@link bullmqProblem}, in this process, until it is closed.
 *
 * Any worker may receive any shard; it builds a shard on its first job and keeps it.
 *
 * @param source - a function that receives `data` and `{ shard, shards }` and returns the problem of that shard,
 *   `{ p0, fg, weight? }`; or the address of a module that exports it by default; or, for a single shard, a problem
 * @throws RangeError, TypeError for wrong options or a wrong `source`
 * @throws Error if bullmq or ioredis is not installed
 * @example
 * ```ts
 * const worker = await serveProblem(new URL('./digits.js', import.meta.url), {
 *   connection: 'redis://10.0.0.1:6379',
 *   queue: 'digits',
 * });
 * process.once('SIGTERM', () => worker.close());
 * ```
 */
export async function serveProblem<Data>(
  source: Served<ShardProblem, Data>,
  options: ServeOptions<Data>,
): Promise<BullmqWorker> {
  const where = 'serveProblem';
  requireOptions(where, options, 'connection', 'queue');
  checkOptions(where, options, serveRules);
  const make = await makerOf(where, source);
  const opened = new Map<number, Promise<Shard>>();
  let shards = 0;
  const shardAt = (place: ShardPlace) => {
    // Shards of another division of the data are useless.
    if (place.shards !== shards) opened.clear();
    ({ shards } = place);
    const shard =
      opened.get(place.shard) ?? Shard.open(where, place, () => make(options.data as Data, place));
    opened.set(place.shard, shard);
    shard.catch(() => opened.delete(place.shard));
    return shard;
  };

  return startWorker<ShardData>(where, options, shardJob, async ({ data, message, read }, worker) => {
    const { request, batch, base } = data;
    const shard = await shardAt({ shard: data.shard, shards: data.shards });
    if (request === 'start') {
      return shard.use(({ p0 }) => encode({ worker } satisfies ShardAnswer, [p0]));
    }
    const { arrays } = await read(startMessage);
    return shard.useAt(base, float64(arrays[0]), batch, async (problem, marks) => {
      const vectors = copiesOf(message, shard.points);
      const results = await compute(problem, request, vectors, shard.scratch);
      const facts = request === 'facts' ? { facts: factsOf(problem) } : {};
      return encode({ worker, ...facts } satisfies ShardAnswer, [new Float64Array(marks), ...results]);
    });
  });
}

/** Copies the vectors of a message into reused memory. */
function copiesOf({ arrays }: Message<unknown>, scratch: Scratch): Float64Array[] {
  const memory = scratch(8 * arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  return arrays.map((array) => {
    const copy = new Float64Array(memory, at, array.length);
    copy.set(array);
    at += copy.byteLength;
    return copy;
  });
}
