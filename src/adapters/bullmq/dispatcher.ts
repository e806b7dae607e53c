/**
 * The asking side. A question has parts; each part is a job and is answered once.
 *
 * BullMQ distributes the jobs, retries those whose worker died or threw, and reports when they end. Vectors are stored
 * in separate keys: one message shared by all parts, and one answer per part. A worker may only replace the empty
 * answer that the dispatcher created, and reading an answer deletes it, so duplicate and late answers are dropped.
 * Jobs and keys that Redis loses are sent again.
 *
 * @module
 */
import { randomUUID } from 'node:crypto';
import { connect, type BullmqOptions, type Link } from './connection.ts';
import { answerKey, baseOf, lease, messageKey, queueName, type JobData } from './keys.ts';
import { closingTime, failureOf, removeIfIdle, within } from './queueEnd.ts';
import { watch, type Watch } from './watch.ts';
import type { Queue, QueueEvents } from 'bullmq';
import type { Redis } from 'ioredis';

/** Options of the asking side. */
export interface DispatchOptions extends BullmqOptions {
  /** Seconds to wait for Redis, at the start and whenever the connection is lost. @defaultValue `60` */
  reconnectTime?: number | undefined;
  /** Number of attempts at a job whose worker throws. @defaultValue `3` */
  attempts?: number | undefined;
}

/** A pending question. */
export interface Asked {
  /** One answer per part; if one fails, all fail. */
  readonly answers: readonly Promise<Buffer>[];
  /** Drops the question and removes its keys and jobs from Redis. */
  readonly withdraw: () => void;
}

/** A part of a question. */
interface Part {
  readonly id: string;
  readonly kind: string;
  readonly data: JobData;
  answered: boolean;
  /** Time of the last submission in milliseconds, and number of submissions. */
  since: number;
  submissions: number;
  resolve(answer: Buffer): void;
  /** Fails the question. */
  fail(reason: unknown): void;
}

/** Milliseconds without an answer after which the dispatcher checks that a job still exists. */
const auditInterval = 10_000;
/** Number of submissions after which a job that keeps vanishing fails. */
const maxSubmissions = 20;

/** Asks questions through a queue. */
export class Dispatcher {
  readonly #where: string;
  readonly #name: string;
  readonly #attempts: number;
  readonly #link: Link;
  readonly #redis: Redis;
  readonly #watch: Watch;
  readonly #queue: Queue;
  readonly #run = randomUUID();
  readonly #base: string;
  readonly #waiting = new Map<string, Part>();
  readonly #messages = new Map<string, Buffer>();
  readonly #cleanups = new Set<Promise<unknown>>();
  readonly #timer: NodeJS.Timeout;
  #events: QueueEvents | undefined;
  #closed: Promise<void> | undefined;
  #auditing = false;
  #warned = false;

  /**
   * Connects, and waits until the dispatcher is ready.
   *
   * @param signal - when aborted, all pending questions fail with its reason
   * @throws Error if there is no connection within `reconnectTime`
   */
  static async open(where: string, options: DispatchOptions, signal?: AbortSignal): Promise<Dispatcher> {
    signal?.throwIfAborted();
    const dispatcher = new Dispatcher(where, options, await connect(where, options.connection), signal);
    try {
      await dispatcher.#listen();
      return dispatcher;
    } catch (error) {
      await dispatcher.close();
      throw error;
    }
  }

  private constructor(
    where: string,
    { queue, reconnectTime = 60, attempts = 3 }: DispatchOptions,
    link: Link,
    signal: AbortSignal | undefined,
  ) {
    this.#where = where;
    this.#name = queue;
    this.#attempts = attempts;
    this.#link = link;
    this.#redis = link.redis;
    this.#base = baseOf(queue, this.#run);
    this.#watch = watch(where, link, reconnectTime, signal);
    this.#watch.ended.addEventListener('abort', () => this.#failAll());
    this.#queue = new link.bullmq.Queue(queueName(queue), { connection: link.redis });
    this.#queue.on('error', () => {}); // reported by the watch
    this.#timer = setInterval(() => this.#audit(auditInterval), auditInterval / 2);
    // Redis may have lost its data.
    link.redis.on('ready', () => this.#audit(0));
  }

  async #listen(): Promise<void> {
    await this.#watch.orEnd(this.#queue.waitUntilReady());
    const [seconds, microseconds] = await this.#watch.orEnd(this.#redis.time());
    // Read events from now on, even if the first job ends before the reader is connected.
    const now = 1000 * seconds + Math.floor(microseconds / 1000);
    this.#events = new this.#link.bullmq.QueueEvents(queueName(this.#name), {
      connection: this.#redis,
      lastEventId: `${now - 1}-0`,
    });
    this.#events.on('error', () => {});
    this.#events.on('completed', ({ jobId }) => {
      const part = this.#waiting.get(jobId);
      if (part) this.#attempt(this.#take(part));
    });
    this.#events.on('failed', ({ jobId, failedReason }) => {
      this.#waiting.get(jobId)?.fail(failureOf(this.#where, failedReason));
    });
  }

  /** Keeps a message in Redis until the dispatcher is closed. */
  keep(name: string, message: Buffer): void {
    const key = messageKey(this.#base, name);
    this.#messages.set(key, message);
    this.#attempt(this.#redis.set(key, message, 'PX', lease));
  }

  /**
   * Asks a question.
   *
   * @param kind - name of the jobs
   * @param message - shared by all parts
   * @param parts - additional data of each job
   */
  ask(kind: string, question: string, message: Buffer, parts: readonly object[]): Asked {
    this.keep(question, message);
    const mine: Part[] = [];
    const rejections: ((reason: unknown) => void)[] = [];
    const fail = (reason: unknown) => {
      for (const { id } of mine) this.#waiting.delete(id);
      for (const reject of rejections) reject(reason);
    };
    const answers = parts.map(
      (data, part) =>
        new Promise<Buffer>((resolve, reject) => {
          const id = `${this.#run}-${question}-${part}`;
          const job = { ...data, base: this.#base, question, part };
          mine.push({ id, kind, data: job, answered: false, since: 0, submissions: 0, resolve, fail });
          rejections.push(reject);
        }),
    );
    // A caller that awaits only the first answer must not see unhandled rejections of the others.
    for (const answer of answers) answer.catch(() => {});
    for (const part of mine) this.#waiting.set(part.id, part);
    if (this.#watch.ended.aborted) fail(this.#watch.ended.reason);
    else this.#attempt(this.#submit(mine));
    return { answers, withdraw: () => this.#withdraw(question, mine) };
  }

  /** Removes the remaining keys from Redis and closes the connections. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer);
    this.#watch.end(new Error(`${this.#where}: it was closed.`));
    if (this.#redis.status === 'ready') {
      await within(
        closingTime,
        this.#tidy().catch(() => {}),
      );
    }
    this.#watch.stop();
    // While reconnecting, the event reader does not close by itself.
    await within(closingTime, Promise.allSettled([this.#events?.close(), this.#queue.close()]));
    this.#link.close();
  }

  /** Adds jobs to the queue, each with an empty answer key. */
  async #submit(parts: readonly Part[]): Promise<void> {
    const pipeline = this.#redis.pipeline();
    for (const part of parts) {
      part.since = performance.now();
      part.submissions++;
      pipeline.set(answerKey(part.data), '', 'PX', lease);
    }
    const jobs = parts.map(({ id, kind, data }) => ({
      name: kind,
      data,
      opts: { jobId: id, attempts: this.#attempts, removeOnComplete: true, removeOnFail: true },
    }));
    // Sent together, in this order.
    const [results] = await Promise.all([pipeline.exec(), this.#queue.addBulk(jobs)]);
    const refused = results?.find(([error]) => error !== null);
    if (refused) throw refused[0];
  }

  /** Reads the answer of a finished job. */
  async #take(part: Part): Promise<void> {
    const answer = await this.#redis.getdelBuffer(answerKey(part.data));
    if (this.#waiting.get(part.id) !== part) return;
    if (answer !== null && answer.length > 0) {
      this.#waiting.delete(part.id);
      part.answered = true;
      part.resolve(answer);
    } else if (part.submissions < maxSubmissions) {
      await this.#renew();
      await this.#submit([part]);
    } else {
      part.fail(
        new Error(
          `${this.#where}: a job was lost ${maxSubmissions} times. Does Redis evict keys? BullMQ needs maxmemory-policy noeviction.`,
        ),
      );
    }
  }

  /** Extends the life of the messages, and sends lost ones again. */
  async #renew(): Promise<void> {
    for (const [key, message] of this.#messages) {
      const there = await this.#redis.pexpire(key, lease);
      if (there === 0 && this.#messages.has(key)) await this.#redis.set(key, message, 'PX', lease);
    }
  }

  /** Checks the parts that were submitted at least `age` milliseconds ago. */
  #audit(age: number): void {
    if (this.#auditing || this.#redis.status !== 'ready' || this.#messages.size === 0) return;
    this.#auditing = true;
    const all = async () => {
      await this.#renew();
      const old = [...this.#waiting.values()].filter(({ since }) => performance.now() - since >= age);
      for (const part of old) await this.#lookAfter(part);
      if (age > 0 && old.length > 0) await this.#adviseIfAlone();
    };
    this.#attempt(all().finally(() => (this.#auditing = false)));
  }

  async #lookAfter(part: Part): Promise<void> {
    const state = await this.#queue.getJobState(part.id);
    if (this.#waiting.get(part.id) !== part) return;
    if (state === 'unknown') {
      await this.#take(part);
    } else {
      const key = answerKey(part.data);
      const there = await this.#redis.pexpire(key, lease);
      if (there === 0 && this.#waiting.has(part.id)) await this.#redis.set(key, '', 'PX', lease, 'NX');
    }
  }

  async #adviseIfAlone(): Promise<void> {
    if (this.#warned || (await this.#queue.getWorkersCount()) > 0) return;
    this.#warned = true;
    process.emitWarning(
      `${this.#where}: no worker serves the queue ${JSON.stringify(this.#name)} at ${this.#link.address}; waiting for one.`,
    );
  }

  #withdraw(question: string, parts: readonly Part[]): void {
    const key = messageKey(this.#base, question);
    const open = parts.filter(({ id, answered }) => this.#waiting.delete(id) || !answered);
    this.#messages.delete(key);
    if (this.#redis.status !== 'ready') return; // they expire
    const keys = open.map(({ data }) => answerKey(data));
    const cleanup: Promise<unknown> = Promise.allSettled([
      this.#redis.unlink(key, ...keys),
      ...open.map(({ id }) => this.#queue.remove(id)),
    ]).then(() => this.#cleanups.delete(cleanup));
    this.#cleanups.add(cleanup);
  }

  /** Removes the messages, and the queue unless others have jobs in it. */
  async #tidy(): Promise<void> {
    await Promise.all(this.#cleanups);
    const keys = [...this.#messages.keys()];
    this.#messages.clear();
    if (keys.length > 0) await this.#redis.unlink(...keys);
    await removeIfIdle(this.#queue);
  }

  #failAll(): void {
    for (const part of this.#waiting.values()) part.fail(this.#watch.ended.reason);
  }

  /** Ends the dispatcher if Redis refuses a command (out of memory, missing permission). */
  #attempt(work: Promise<unknown>): void {
    work.catch((cause) =>
      this.#watch.end(new Error(`${this.#where}: Redis refuses: ${String(cause)}`, { cause })),
    );
  }
}
