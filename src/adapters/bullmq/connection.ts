/**
 * Connections to Redis. The packages bullmq and ioredis are loaded on first use.
 *
 * @module
 */
import { show, type Rule } from '../../core/options.ts';
import type * as bullmq from 'bullmq';
import type { Redis, RedisOptions } from 'ioredis';

/** A Redis server: an address such as `'redis://user:password@host:6379/0'`, options of ioredis, or an ioredis client. */
export type BullmqConnection = string | RedisOptions | Redis;

/** Options shared by all functions of this entry point. */
export interface BullmqOptions {
  /** The Redis server. A client is duplicated; it is not used itself, nor closed. */
  connection: BullmqConnection;
  /** Name of the queue, any text; the same on the asking and the serving side. */
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
 * Throws if a required option is missing; the rules of options accept absent ones.
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

/** A connection and the loaded packages. */
export interface Link {
  readonly redis: Redis;
  readonly bullmq: typeof bullmq;
  /** `host:port`, for messages. */
  readonly address: string;
  /** Closes the connection; its duplicates do not reconnect. */
  close(): void;
}

/**
 * Opens a connection. While it is lost, commands wait for it to be restored.
 *
 * @throws Error if bullmq or ioredis is not installed
 */
export async function connect(where: string, connection: BullmqConnection): Promise<Link> {
  const { queues, ioredis } = await loadPackages(where);
  let closed = false;
  const given = optionsOf(connection)?.retryStrategy;
  const options = {
    // Required by BullMQ: waiting commands must not fail by themselves.
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
  // Without a listener ioredis prints each failed attempt.
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
