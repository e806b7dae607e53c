/**
 * The answering side: a BullMQ worker that reads messages and writes answers.
 *
 * @module
 */
import { hostname } from 'node:os';
import { callable, finitePositive, integerIn, type Rules } from '../../core/options.ts';
import { connect, connectionRules, type BullmqOptions } from './connection.ts';
import { decode, type Message } from './message.ts';
import { answerKey, messageKey, queueName, type JobData } from './keys.ts';
import { closingTime, removeIfIdle, within } from './queueEnd.ts';
import type { Job } from 'bullmq';
import type { Redis } from 'ioredis';

/** Options of a worker. */
export interface ServeOptions<Data = unknown> extends BullmqOptions {
  /** Passed to the function that builds the problem. */
  data?: Data | undefined;
  /** Number of concurrent jobs in this process; above 1 if evaluations wait for a device. @defaultValue `1` */
  concurrency?: number | undefined;
  /**
   * Seconds after which the job of an unresponsive worker goes to another. Must exceed the longest evaluation that
   * blocks the process, and be equal for all workers of a queue.
   *
   * @defaultValue `30`
   */
  stallTime?: number | undefined;
  /** Called with errors that belong to no job, such as a lost connection. @defaultValue `console.error` */
  onError?: ((error: Error) => void) | undefined;
}

export const serveRules: Rules<ServeOptions> = {
  ...connectionRules,
  data: { allowed: 'anything', accepts: () => true },
  concurrency: integerIn(1, 1_000_000),
  stallTime: finitePositive,
  onError: callable,
};

/** A running worker. */
export interface BullmqWorker {
  /** Name of the worker in messages: host and process id. */
  readonly name: string;
  /** Finishes its current jobs, and disconnects. */
  close(): Promise<void>;
}

/** A job and the means to answer it. */
export interface Call<Data> {
  readonly data: Data & JobData;
  /** The message of the question. */
  readonly message: Message<unknown>;
  /** Another message of the same run. */
  readonly read: (name: string) => Promise<Message<unknown>>;
  /**
   * Yields to the event loop about once a second, so that BullMQ can renew its lock on the job, and reports progress.
   * Call it between evaluations. Throws if the answer is no longer wanted.
   */
  readonly pause: (done: number, total: number) => Promise<void>;
}

/** Thrown when an answer is no longer wanted. */
class Forgotten extends Error {}

/** Thrown when another attempt would fail too. */
export class Refusal extends Error {}

/** Number of messages that a worker caches: the start of a run, its question, and an overlapping one. */
const remembered = 3;
/** Number of workers that a job may lose before it fails. */
const maxLostWorkers = 5;

/**
 * Starts a worker; resolves when it is connected.
 *
 * @param kind - name of the jobs it answers
 * @param answer - computes an answer; if it throws, the job fails
 */
export async function startWorker<Data>(
  where: string,
  options: ServeOptions,
  kind: string,
  answer: (call: Call<Data>, worker: string) => Promise<Buffer>,
): Promise<BullmqWorker> {
  const { connection, queue, concurrency = 1, stallTime = 30, onError = printed(where) } = options;
  const link = await connect(where, connection);
  const { redis, bullmq } = link;
  const name = `${hostname()}:${process.pid}`;
  const read = reader(redis);

  const answerJob = async (job: Job<Data & JobData>) => {
    const { data } = job;
    if (job.name !== kind) {
      throw new bullmq.UnrecoverableError(
        `${name}: the job is a ${job.name}, but ${where} serves ${kind}s; use another queue for it.`,
      );
    }
    const key = messageKey(data.base, data.question);
    let breath = performance.now();
    const breathe = () => {
      const busy = (performance.now() - breath) / 1000;
      breath = performance.now();
      if (busy < stallTime) return;
      onError(
        new Error(
          `${where}: an evaluation blocked the process for ${busy.toFixed(0)} s; after stallTime, ${stallTime} s, its job also goes to another worker. Raise stallTime on all workers.`,
        ),
      );
    };
    const pause = async (done: number, total: number) => {
      if (performance.now() - breath < Math.min(1000, 100 * stallTime)) return;
      breathe();
      if ((await redis.exists(key)) === 0) throw new Forgotten();
      // Fails if Redis has lost the job; the answer counts all the same.
      await job.updateProgress({ done, total }).catch(() => {});
    };
    try {
      const message = await read(key);
      const other = (question: string) => read(messageKey(data.base, question));
      const bytes = await answer({ data, message, read: other, pause }, name);
      breathe();
      // XX: only over the empty answer, which is gone if the asking process has withdrawn.
      await redis.set(answerKey(data), bytes, 'KEEPTTL', 'XX');
    } catch (error) {
      // Errors do not matter if the answer is no longer wanted.
      if (error instanceof Forgotten || (await redis.exists(key)) === 0) return;
      if (error instanceof Refusal) throw new bullmq.UnrecoverableError(`${name}: ${error.message}`);
      throw new Error(`${name}: ${String(error)}`, { cause: error });
    }
  };
  const worker = new bullmq.Worker<Data & JobData>(queueName(queue), answerJob, {
    connection: redis,
    name,
    concurrency,
    lockDuration: Math.ceil(1000 * stallTime),
    stalledInterval: Math.ceil(500 * stallTime),
    maxStalledCount: maxLostWorkers,
  });
  worker.on('error', onError);
  await worker.waitUntilReady();
  /** Removes BullMQ's keys of the queue, unless other workers serve it or it has jobs. */
  const tidyAfter = async (self: string) => {
    const emptied = new bullmq.Queue(queueName(queue), { connection: redis, skipMetasUpdate: true });
    emptied.on('error', onError);
    try {
      const others = (await emptied.getWorkers()).filter(
        ({ rawname = '' }) => !rawname.endsWith(`:w:${self}`),
      );
      if (others.length === 0) await removeIfIdle(emptied);
    } catch (error) {
      onError(new Error(`${where}: the queue could not be cleaned up: ${String(error)}`, { cause: error }));
    }
    await emptied.close();
  };
  const close = async () => {
    await worker.close();
    if (redis.status === 'ready') await within(closingTime, tidyAfter(name));
    link.close();
  };
  let closed: Promise<void> | undefined;
  return { name, close: () => (closed ??= close()) };
}

/** Prints an error, but not again while the same one repeats. */
function printed(where: string): (error: Error) => void {
  let last = '';
  return (error) => {
    const text = String(error);
    if (text !== last) console.error(`${where}: ${text}`);
    last = text;
  };
}

/** Reads messages and caches the latest. */
function reader(redis: Redis): (key: string) => Promise<Message<unknown>> {
  const messages = new Map<string, Promise<Message<unknown>>>();
  const fetched = async (key: string) => {
    const bytes = await redis.getBuffer(key);
    if (bytes === null) throw new Forgotten();
    return decode<unknown>(bytes);
  };
  return (key) => {
    const message = messages.get(key) ?? fetched(key);
    // A Map iterates in order of insertion, so the first key is the least recently used.
    messages.delete(key);
    messages.set(key, message);
    message.catch(() => messages.delete(key));
    const [oldest] = messages.keys();
    if (messages.size > remembered) messages.delete(oldest);
    return message;
  };
}
