import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { bullmqExecutor, bullmqProblem, serveLandscape, serveProblem } from 'quasi-newton/bullmq';
import { landscapeAsync } from 'quasi-newton/landscape';
import { decode, encode, reused } from '../../../src/adapters/bullmq/message.ts';
import makeNetwork from './network.js';
import { hasRedis, lastingKeys, sameBits, startRedis } from './setup.ts';
import type { TestRedis } from './setup.ts';

const network = makeNetwork();

describe('a message', () => {
  const floats = fc.array(fc.double(), { maxLength: 20 }).map((values) => Float64Array.from(values));
  const singles = fc
    .array(fc.float({ noNaN: true }), { maxLength: 20 })
    .map((values) => Float64Array.from(values));

  it('keeps every bit of its numbers, wherever it lies in memory', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(floats, singles), { maxLength: 4 }),
        fc.string(),
        fc.nat(9),
        (arrays, text, shift) => {
          const bytes = encode({ text }, arrays);
          const moved = Buffer.concat([Buffer.alloc(shift), bytes]).subarray(shift);
          for (const { header, arrays: read } of [decode(moved), decode(moved, reused())]) {
            expect(header).toEqual({ text });
            expect(read.length).toBe(arrays.length);
            read.forEach((array, k) => expect(sameBits(new Float64Array(array), arrays[k])).toBe(true));
          }
        },
      ),
    );
  });

  it('takes half the bytes for float32 numbers', () => {
    const values = Float64Array.from({ length: 1000 }, (_, i) => Math.fround(Math.sin(i)));
    expect(encode({}, [values]).length).toBeLessThan(4100);
    values[999] = 0.1;
    expect(encode({}, [values]).length).toBeGreaterThan(8000);
  });
});

describe('options', () => {
  const connection = 'redis://127.0.0.1:1';

  it('are checked before anything is connected', async () => {
    expect(() => bullmqExecutor({ queue: 'x' } as never)).toThrow(
      'bullmqExecutor: needs connection; got an object with queue.',
    );
    expect(() => bullmqExecutor({ connection, queue: '', parallelism: 0 })).toThrow(
      /2 options are wrong:\n {2}queue: must be a text that is not empty, got ""\.\n {2}parallelism: must be a whole number in \[1, 1000000\], got 0\./,
    );
    expect(() => bullmqExecutor({ connection: 'localhost:6379', queue: 'x' })).toThrow(
      /connection: must be an address \(redis:\/\/host:port\), .* got "localhost:6379"/,
    );
    await expect(bullmqProblem({ connection, queue: 'x' } as never)).rejects.toThrow(
      'bullmqProblem: needs shards;',
    );
    await expect(bullmqProblem({ connection, queue: 'x', shards: 1.5 })).rejects.toThrow(
      /shards: must be a whole number in \[1, 1000000\], got 1\.5/,
    );
    await expect(serveProblem('./x.js', { connection, queue: 'x' })).rejects.toThrow(
      /serveProblem: module "\.\/x\.js" is relative; .*import\.meta\.url/,
    );
    await expect(serveLandscape(5 as never, { connection, queue: 'x' })).rejects.toThrow(
      /serveLandscape: needs the address of a module, a function or a problem, got 5/,
    );
    await expect(serveLandscape({} as never, { connection, queue: 'x' })).rejects.toThrow(
      /serveLandscape: needs \{ p0, fg \} or \{ loss, params \}, got an object with nothing/,
    );
    const noFunction = new URL('data:text/javascript,export default 5');
    await expect(serveProblem(noFunction, { connection, queue: 'x' })).rejects.toThrow(
      /must export a function by default, got 5/,
    );
  });
});

describe.skipIf(!hasRedis)('a queue', () => {
  let redis: TestRedis;
  const closing: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    for (const close of closing.splice(0)) await close();
    await redis.client.flushall();
  });
  afterAll(() => redis?.stop());
  const served = async (queue: string) => {
    const worker = await serveProblem(makeNetwork, { connection: redis.connection, queue });
    closing.push(() => worker.close());
    return worker;
  };

  it('leaves nothing behind: a process that has used it ends by itself, and no key is left', async () => {
    const script = fileURLToPath(new URL('center.js', import.meta.url));
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, redis.connection], {
      timeout: 50_000,
    });
    expect(JSON.parse(stdout)).toEqual({ cells: 25, iterations: 3 });
    expect(stderr).toBe('');
    expect(await lastingKeys(redis.client)).toEqual([]);
  });

  it('is removed by the last of its workers, which keep some of it while they serve', async () => {
    const { connection } = redis;
    // A worker that looks for lost jobs every 50 ms, and writes a key each time.
    const options = { connection, queue: 'kept', stallTime: 0.1 };
    const [first, second] = [
      await serveProblem(makeNetwork, options),
      await serveProblem(makeNetwork, options),
    ];
    const problem = await bullmqProblem({ connection, queue: 'kept', shards: 2 });
    await problem.close();
    await vi.waitFor(async () => expect(await lastingKeys(redis.client)).toEqual(['bull:kept:meta']), 10_000);
    await first.close();
    await second.close();
    expect(await lastingKeys(redis.client)).toEqual([]);
  });

  it('waits for Redis within a stated time, and says where it was sought', async () => {
    const own = await startRedis();
    closing.push(() => own.stop());
    await own.kill();
    const { connection } = own;
    const address = connection.replace('redis://', '');
    await expect(bullmqProblem({ connection, queue: 'x', shards: 1, reconnectTime: 0.3 })).rejects.toThrow(
      `bullmqProblem: no connection to Redis at ${address} for 0.3 s (reconnectTime) (connect ECONNREFUSED ${address}). Is a server running there, and does it accept this client?`,
    );
    // A server that comes in time is found.
    const opening = bullmqProblem({ connection, queue: 'x', shards: 1 });
    await own.start();
    const worker = await serveProblem(makeNetwork, { connection, queue: 'x', onError: () => {} });
    const problem = await opening;
    expect(await problem.fg(network.p0, null)).toBe(network.fg(network.p0, null));
    await problem.close();
    // One that vanishes for too long is not waited for any longer.
    const impatient = await bullmqProblem({ connection, queue: 'x', shards: 1, reconnectTime: 0.3 });
    await worker.close();
    const pending = impatient.fg(network.p0, null);
    await own.kill();
    await expect(pending).rejects.toThrow(/^bullmqProblem: no connection to Redis at .* for 0\.3 s/);
    await expect(impatient.fg(network.p0, null)).rejects.toThrow(/no connection to Redis/);
    await impatient.close();
  });

  it('is left at once when a signal is aborted, also where no worker has come', async () => {
    const { connection } = redis;
    const controller = new AbortController();
    const { signal } = controller;
    const executor = bullmqExecutor({ connection, queue: 'nobody' });
    const reasons = [
      landscapeAsync(network, { npoints: 3, executor, signal }),
      bullmqProblem({ connection, queue: 'nobody', shards: 2, signal }),
    ].map((promise) => promise.catch((reason) => reason));
    // Jobs wait in the queue.
    await vi.waitFor(
      async () => expect(await redis.client.llen('bull:nobody:wait')).toBeGreaterThan(2),
      10_000,
    );
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await Promise.all(reasons)).toEqual([reason, reason]);
    expect(await lastingKeys(redis.client)).toEqual([]);
    await expect(bullmqProblem({ connection, queue: 'nobody', shards: 2, signal })).rejects.toBe(reason);
  });

  it('ends an evaluation that goes on when the signal is aborted', async () => {
    const controller = new AbortController();
    const { connection } = redis;
    let begin: () => void;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let finish: () => void = () => {};
    const slow = () => ({
      p0: Float64Array.of(1),
      fg: async (x: Float64Array) => {
        if (x[0] < 1.5) return 0; // at the start and beside it
        begin();
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        return x[0];
      },
    });
    const worker = await serveProblem(slow, { connection, queue: 'slow' });
    const problem = await bullmqProblem({ connection, queue: 'slow', shards: 1, signal: controller.signal });
    const evaluation = problem.fg(Float64Array.of(2), null);
    await begun;
    controller.abort(new Error('enough'));
    await expect(evaluation).rejects.toThrow('enough');
    finish();
    await problem.close();
    await worker.close();
    expect((await redis.client.keys('quasi-newton:*')).length).toBe(0);
  });

  it('tells workers of landscapes and of problems apart', async () => {
    const { name } = await served('problems');
    const executor = bullmqExecutor({ connection: redis.connection, queue: 'problems' });
    await expect(landscapeAsync(network, { npoints: 3, executor })).rejects.toThrow(
      `bullmqExecutor: ${name}: the job is a tile, but serveProblem serves shards; use another queue for it.`,
    );
  });

  it('can serve several callers at once', async () => {
    const worker = await served('shared');
    const problems = await Promise.all(
      [1, 2, 3].map((shards) => bullmqProblem({ connection: redis.connection, queue: 'shared', shards })),
    );
    const values = await Promise.all(
      problems.flatMap((problem) => [
        problem.fg(network.p0, null),
        problem.fg(network.p0.map(Math.sin), null),
      ]),
    );
    const [f, g] = [network.fg(network.p0, null), network.fg(network.p0.map(Math.sin), null)];
    values.forEach((value, k) => expect(value).toBeCloseTo(k % 2 === 0 ? f : g, 12));
    await Promise.all(problems.map((problem) => problem.close()));
    await worker.close();
    expect(await lastingKeys(redis.client)).toEqual([]);
  });

  it('duplicates the client it is given', async () => {
    const worker = await serveProblem(makeNetwork, { connection: redis.client, queue: 'client' });
    const problem = await bullmqProblem({ connection: redis.client, queue: 'client', shards: 1 });
    await problem.close();
    await worker.close();
    expect(await redis.client.ping()).toBe('PONG');
  });

  it('reports errors of Redis', async () => {
    const own = await startRedis({ args: ['--maxmemory', '3mb', '--maxmemory-policy', 'noeviction'] });
    closing.push(() => own.stop());
    const big = { p0: new Float64Array(1_000_000).fill(0.1), fg: () => 0 };
    const queue = { connection: own.connection, queue: 'big' };
    const worker = await serveProblem(big, queue);
    closing.unshift(() => worker.close());
    await expect(bullmqProblem({ ...queue, shards: 1, p0: big.p0 })).rejects.toThrow(
      /^bullmqProblem: Redis refuses: ReplyError: OOM command not allowed/,
    );
  });
});
