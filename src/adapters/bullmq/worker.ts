/**
 * The answering side: a worker of BullMQ that reads messages and writes answers.
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
  /** Given to the function that makes the problem. */
  data?: Data;
  /** Jobs at once in this process: more than 1 where evaluations wait for something else than it. @defaultValue `1` */
  concurrency?: number;
  /**
   * Seconds without a sign of life after which the job of a worker is given to another; longer than one evaluation
   * that keeps the process busy. The same for all workers of a queue.
   *
   * @defaultValue `30`
   */
  stallTime?: number;
  /** Told of errors that are no answer to anybody, such as a lost connection. @defaultValue `console.error` */
  onError?: (error: Error) => void;
}

export const serveRules: Rules<ServeOptions> = {
  ...connectionRules,
  data: { allowed: 'anything', accepts: () => true },
  concurrency: integerIn(1, 1_000_000),
  stallTime: finitePositive,
  onError: callable,
};

/** A worker at work. */
export interface BullmqWorker {
  /** Name under which messages speak of it: host and process. */
  readonly name: string;
  /** Finishes the jobs that it has begun, and disconnects. */
  close(): Promise<void>;
}

/** A job, with what it takes to answer it. */
export interface Call<Data> {
  readonly data: Data & JobData;
  /** The message of the question. */
  readonly message: Message<unknown>;
  /** Another message of the same run. */
  readonly read: (name: string) => Promise<Message<unknown>>;
  /**
   * To be called between evaluations: about every second the lock on the job can be renewed meanwhile, progress is
   * told, and the call throws if nobody waits for the answer any more.
   */
  readonly pause: (done: number, total: number) => Promise<void>;
}

/** Thrown where nobody waits for an answer any more. */
class Forgotten extends Error {}

/** Thrown where another attempt would be in vain. */
export class Refusal extends Error {}

/** Messages that a worker remembers: the start of a run, its question, and one that overlaps. */
const remembered = 3;
/** A job may lose so many workers before it is given up. */
const maxLostWorkers = 5;

/**
 * Starts a worker; resolves when it is connected.
 *
 * @param kind - name of the jobs that it answers
 * @param answer - computes an answer; what it throws fails the job
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
        `${name}: the job is a ${job.name}, and ${where} answers to ${kind}; use another queue for it.`,
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
          `${where}: ${busy.toFixed(0)} s went by without a pause, and a job whose process is busy is given to another worker after ${stallTime} s; raise stallTime on all workers.`,
        ),
      );
    };
    const pause = async (done: number, total: number) => {
      if (performance.now() - breath < Math.min(1000, 100 * stallTime)) return;
      breathe();
      if ((await redis.exists(key)) === 0) throw new Forgotten();
      // A job that Redis has lost is told of nothing; its answer counts all the same.
      await job.updateProgress({ done, total }).catch(() => {});
    };
    try {
      const message = await read(key);
      const other = (question: string) => read(messageKey(data.base, question));
      const bytes = await answer({ data, message, read: other, pause }, name);
      breathe();
      // Only where an empty answer waits to be filled: whoever has asked may be gone.
      await redis.set(answerKey(data), bytes, 'KEEPTTL', 'XX');
    } catch (error) {
      // What goes wrong with an answer that nobody waits for is nobody's failure.
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
  /** Removes what BullMQ keeps of a queue that is served, unless others serve it or have jobs there. */
  const tidyAfter = async (self: string) => {
    const emptied = new bullmq.Queue(queueName(queue), { connection: redis, skipMetasUpdate: true });
    emptied.on('error', onError);
    try {
      const others = (await emptied.getWorkers()).filter(
        ({ rawname = '' }) => !rawname.endsWith(`:w:${self}`),
      );
      if (others.length === 0) await removeIfIdle(emptied);
    } catch (error) {
      onError(new Error(`${where}: the queue could not be tidied up: ${String(error)}`, { cause: error }));
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

/** Prints an error once, however often it comes in a row. */
function printed(where: string): (error: Error) => void {
  let last = '';
  return (error) => {
    const text = String(error);
    if (text !== last) console.error(`${where}: ${text}`);
    last = text;
  };
}

/** Reads messages, and remembers the last ones. */
function reader(redis: Redis): (key: string) => Promise<Message<unknown>> {
  const messages = new Map<string, Promise<Message<unknown>>>();
  const fetched = async (key: string) => {
    const bytes = await redis.getBuffer(key);
    if (bytes === null) throw new Forgotten();
    return decode<unknown>(bytes);
  };
  return (key) => {
    const message = messages.get(key) ?? fetched(key);
    // The last used come last.
    messages.delete(key);
    messages.set(key, message);
    message.catch(() => messages.delete(key));
    const [oldest] = messages.keys();
    if (messages.size > remembered) messages.delete(oldest);
    return message;
  };
}
