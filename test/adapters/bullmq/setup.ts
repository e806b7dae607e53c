import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { hasRedis, startRedis as startServer } from '../../../examples/lib/redis.js';

if (!hasRedis)
  console.warn('There is no redis-server here (apt-get install redis-server); its tests are skipped.');

export { hasRedis };

/** A server of this test's own, and a client that looks into it. */
export type TestRedis = Awaited<ReturnType<typeof startRedis>>;

/** Starts Redis on a free loopback port. */
export async function startRedis(options: Parameters<typeof startServer>[0] = {}) {
  const server = await startServer(options);
  const client = new Redis(server.connection, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
  client.on('error', () => {});
  return {
    ...server,
    client,
    async stop() {
      client.disconnect();
      await server.stop();
    },
  };
}

/** What a worker process is to do; see worker.js. */
export interface WorkerJob {
  readonly serves: 'landscape' | 'problem';
  /** A module beside this one. */
  readonly module: string;
  readonly connection: string;
  readonly queue: string;
  readonly data?: unknown;
  readonly stallTime?: number;
}

/** A worker in a process of its own. */
export interface WorkerProcess {
  readonly child: ChildProcess;
  /** Evaluations that it has begun. */
  readonly begun: number;
  /** Resolves when it has begun so many. */
  hasBegun(count: number): Promise<void>;
  /** Kills it at once. */
  kill(): Promise<void>;
  /** Asks it to close; resolves with its exit code, once it has ended by itself. */
  close(): Promise<number>;
}

/** Starts a worker process; resolves when it is connected. */
export async function startWorkerProcess(job: WorkerJob): Promise<WorkerProcess> {
  const script = fileURLToPath(new URL('worker.js', import.meta.url));
  const child = fork(script, [JSON.stringify(job)], { execArgv: [] });
  let begun = 0;
  const ended = once(child, 'exit');
  const goals = new Set<() => void>();
  child.on('message', (message) => {
    if (message !== 'begun') return;
    begun++;
    for (const goal of goals) goal();
  });
  await Promise.race([
    once(child, 'message'),
    ended.then(([code]) => {
      throw new Error(`the worker process ended with ${code}`);
    }),
  ]);
  return {
    child,
    get begun() {
      return begun;
    },
    hasBegun: (count) =>
      new Promise((resolve) => {
        const goal = () => {
          if (begun < count) return;
          goals.delete(goal);
          resolve();
        };
        goals.add(goal);
        goal();
      }),
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    async close() {
      child.send('close');
      const [code] = await ended;
      return code;
    },
  };
}

/** Keys that will not vanish by themselves. */
export async function lastingKeys(client: Redis): Promise<string[]> {
  const keys = await client.keys('*');
  const lifetimes = await Promise.all(keys.map((key) => client.ttl(key)));
  return keys.filter((_, k) => lifetimes[k] < 0);
}

/** True if two arrays hold the same bits. */
export function sameBits(a: Float64Array, b: Float64Array): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: Float64Array) =>
    Buffer.from(buffer, byteOffset, byteLength);
  return bytes(a).equals(bytes(b));
}
