/**
 * Connections to Redis, and the two packages that make them, loaded when they are first needed.
 *
 * @module
 */
import { show, type Rule } from '../../core/options.ts';
import type * as bullmq from 'bullmq';
import type { Redis, RedisOptions } from 'ioredis';

/** Place of Redis: an address such as `'redis://user:password@host:6379/0'`, options of ioredis, or a client of it. */
export type BullmqConnection = string | RedisOptions | Redis;

/** Options that all functions of this entry point share. */
export interface BullmqOptions {
  /** Place of Redis. A client is only copied, never used or closed. */
  connection: BullmqConnection;
  /** Name of the queue: any text, the same for those who ask and those who serve. */
  queue: string;
}

export const connectionRules = {
  connection: {
    allowed: 'an address (redis://host:port), options of ioredis, or a client of ioredis (no cluster)',
    accepts: (v) =>
      typeof v === 'string'
        ? /^rediss?:\/\//.test(v)
        : typeof v === 'object' && v !== null && !('isCluster' in v && v.isCluster === true),
  },
  queue: { allowed: 'a text that is not empty', accepts: (v) => typeof v === 'string' && v !== '' },
} satisfies Record<keyof BullmqOptions, Rule>;

/**
 * Complains of a missing connection or queue: options that are absent pass every rule.
 *
 * @throws TypeError
 */
export function requireOptions<Options extends object>(
  where: string,
  options: Options,
  ...names: readonly (keyof Options & string)[]
): void {
  const missing = names.filter((name) => options?.[name] === undefined);
  if (missing.length === 0) return;
  throw new TypeError(`${where}: needs ${missing.join(', ')}; got ${show(options)}.`);
}

/** A connection, and the packages. */
export interface Link {
  readonly redis: Redis;
  readonly bullmq: typeof bullmq;
  /** `host:port`, for messages. */
  readonly address: string;
  /** Ends the connection and keeps its copies from reconnecting. */
  close(): void;
}

/**
 * Opens a connection whose commands wait for as long as it takes to reconnect.
 *
 * @throws Error if bullmq or ioredis is not installed
 */
export async function connect(where: string, connection: BullmqConnection): Promise<Link> {
  const { queues, ioredis } = await loadPackages(where);
  let closed = false;
  const given = optionsOf(connection)?.retryStrategy;
  const options = {
    // BullMQ demands it, and a command that is told to wait must not fail by itself.
    maxRetriesPerRequest: null,
    replyMapping: 'legacy' as const,
    retryStrategy: (times: number) => (closed ? null : given ? given(times) : Math.min(50 * times, 1000)),
  };
  const redis =
    typeof connection === 'string'
      ? new ioredis.Redis(connection, options)
      : isClient(connection)
        ? connection.duplicate(options)
        : new ioredis.Redis({ ...connection, ...options });
  // Without a listener ioredis prints each failed attempt; who needs to know listens too.
  redis.on('error', () => {});
  const { path, host, port } = redis.options;
  return {
    redis,
    bullmq: queues,
    address: path ?? `${host}:${port}`,
    close() {
      closed = true;
      redis.disconnect();
    },
  };
}

const isClient = (connection: RedisOptions | Redis): connection is Redis =>
  'duplicate' in connection && typeof connection.duplicate === 'function';

const optionsOf = (connection: BullmqConnection): RedisOptions | undefined =>
  typeof connection === 'string' ? undefined : isClient(connection) ? connection.options : connection;

async function loadPackages(where: string) {
  try {
    const [queues, ioredis] = await Promise.all([import('bullmq'), import('ioredis')]);
    return { queues, ioredis };
  } catch (cause) {
    throw new Error(
      `${where}: bullmq or ioredis could not be loaded. Install them (npm install bullmq ioredis).`,
      { cause },
    );
  }
}
