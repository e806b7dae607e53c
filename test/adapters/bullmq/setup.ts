import { fork, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';

/** True if there is a redis-server to start. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
if (!hasRedis)
  console.warn('There is no redis-server here (apt-get install redis-server); its tests are skipped.');

/** A server of this test's own. */
export interface TestRedis {
  readonly connection: string;
  /** A client that looks into it. */
  readonly client: Redis;
  /** Kills the process at once. */
  kill(): Promise<void>;
  /** Starts another process on the same port and in the same folder. */
  start(): Promise<void>;
  /** Stops the server, and removes its folder. */
  stop(): Promise<void>;
}

/** Starts Redis on a free loopback port; what it holds survives its process if it is to `persist`. */
export async function startRedis({ persist = false, args = [] as string[] } = {}): Promise<TestRedis> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'redis-'));
  const options = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''];
  if (persist) options.push('--appendonly', 'yes');
  let server: ChildProcess;
  const connection = `redis://127.0.0.1:${port}`;
  const client = new Redis(connection, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    retryStrategy: () => 50,
  });
  client.on('error', () => {});
  const start = async () => {
    server = spawn('redis-server', [...options, ...args], { stdio: 'ignore' });
    await client.ping();
  };
  const kill = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  };
  await start();
  return {
    connection,
    client,
    kill,
    start,
    async stop() {
      client.disconnect();
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  listener.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
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
