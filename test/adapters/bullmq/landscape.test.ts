import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bullmqExecutor, serveLandscape, type BullmqWorker } from 'quasi-newton/bullmq';
import { isComplete, landscape, landscapeAsync, type Executor } from 'quasi-newton/landscape';
import makeDigits from './digits.js';
import makeNetwork from './network.js';
import { hasRedis, lastingKeys, sameBits, startRedis, startWorkerProcess } from './setup.ts';
import type { LandscapeSource, Served, ServeOptions } from 'quasi-newton/bullmq';
import type { TestRedis, WorkerJob, WorkerProcess } from './setup.ts';

const network = makeNetwork();

describe.skipIf(!hasRedis)('a 51×51 landscape of the digits model over three processes', () => {
  const queue = 'digits';
  let redis: TestRedis;
  let workers: WorkerProcess[];
  let digits: Awaited<ReturnType<typeof makeDigits>>;
  beforeAll(async () => {
    redis = await startRedis({ persist: true });
    const job: WorkerJob = {
      serves: 'landscape',
      module: './digits.js',
      connection: redis.connection,
      queue,
      data: { tell: true },
      stallTime: 2,
    };
    [digits, ...workers] = await Promise.all([
      makeDigits(),
      ...[1, 2, 3].map(() => startWorkerProcess(job)),
    ] as const);
  }, 240_000);
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.kill()));
    await redis.stop();
  });

  it('is the local one bit for bit', { timeout: 240_000 }, async () => {
    const options = { npoints: 51, normalize: 'filter' } as const;
    const executor = bullmqExecutor({ connection: redis.connection, queue });
    const remote = await landscapeAsync(digits, { ...options, executor });
    expect(sameBits(remote.z, landscape(digits, options).z)).toBe(true);
    expect(isComplete(remote)).toBe(true);
    expect(workers.every(({ begun }) => begun > 100)).toBe(true);
  });

  it(
    'loses no more than the tiles in flight when a worker is killed and Redis restarts',
    { timeout: 240_000 },
    async () => {
      const options = { npoints: 51, normalize: 'filter', seed: 7 } as const;
      const parallelism = 8;
      const executor = bullmqExecutor({ connection: redis.connection, queue, parallelism });
      const [first, second, third] = workers;
      const before = workers.map(({ begun }) => begun);
      const running = landscapeAsync(digits, { ...options, executor });
      await first.hasBegun(before[0] + 400);
      await first.kill();
      await second.hasBegun(before[1] + 700);
      await redis.kill();
      await redis.start();
      const remote = await running;
      expect(sameBits(remote.z, landscape(digits, options).z)).toBe(true);
      expect(isComplete(remote)).toBe(true);
      // Each worker evaluates the center once; three tiles were in flight at each of the two blows.
      const tileLength = Math.ceil(51 ** 2 / (8 * parallelism));
      const begun = workers.reduce((sum, worker, k) => sum + worker.begun - before[k], 0);
      expect(begun).toBeLessThanOrEqual(51 ** 2 + 3 + 2 * 3 * tileLength);
      // They end by themselves, and nothing is left.
      expect([await second.close(), await third.close()]).toEqual([0, 0]);
      expect(await lastingKeys(redis.client)).toEqual([]);
    },
  );
});

describe.skipIf(!hasRedis)('landscapes through a queue', () => {
  let redis: TestRedis;
  const closing: (() => Promise<unknown>)[] = [];
  const serve = async <Data>(
    source: Served<LandscapeSource, Data>,
    options: ServeOptions<Data>,
  ): Promise<BullmqWorker> => {
    const worker = await serveLandscape(source, options);
    closing.push(() => worker.close());
    return worker;
  };
  const startWorkers = async (count: number, job: Omit<WorkerJob, 'serves'>): Promise<WorkerProcess[]> =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const worker = await startWorkerProcess({ serves: 'landscape', ...job });
        closing.push(() => worker.kill());
        return worker;
      }),
    );
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
    await redis.client.flushall();
  });
  afterAll(() => redis?.stop());

  it('are finished even if Redis forgets everything', async () => {
    const own = await startRedis();
    closing.push(() => own.stop());
    const { connection } = own;
    const [worker] = await startWorkers(1, {
      module: './network.js',
      connection,
      queue: 'network',
      data: { tell: true, milliseconds: 2 },
    });
    const options = { npoints: 21, metrics: network.metrics };
    const local = landscape(network, options);
    const running = landscapeAsync(network, {
      ...options,
      executor: bullmqExecutor({ connection, queue: 'network' }),
    });
    await worker.hasBegun(100);
    await own.kill();
    await own.start();
    const remote = await running;
    expect(sameBits(remote.z, local.z)).toBe(true);
    expect(sameBits(remote.metrics.first, local.metrics.first)).toBe(true);
  });

  it('resume from a checkpoint', async () => {
    const checkpoint = join(tmpdir(), `bullmq-${process.pid}.landscape`);
    closing.push(async () => rmSync(checkpoint, { force: true }));
    const queue = 'resumed';
    let evaluations = 0;
    const counting = () => ({
      ...network,
      fg(x: Float64Array) {
        evaluations++;
        return network.fg(x, null);
      },
    });
    await serve(counting, { connection: redis.connection, queue });
    const executor = bullmqExecutor({ connection: redis.connection, queue, parallelism: 4 });
    const local = landscape(network, { npoints: 21 });
    const controller = new AbortController();
    const half: Executor = {
      ...executor,
      async *run(...given) {
        let tiles = 0;
        for await (const tile of executor.run(...given)) {
          yield tile;
          if (++tiles === 16) controller.abort(new Error('enough'));
        }
      },
    };
    const { signal } = controller;
    const aborted = landscapeAsync(network, { npoints: 21, executor: half, checkpoint, signal });
    await expect(aborted).rejects.toThrow('enough');
    const before = evaluations;
    expect(before).toBeLessThan(441);
    const resumed = await landscapeAsync(network, { npoints: 21, executor, checkpoint });
    expect(sameBits(resumed.z, local.z)).toBe(true);
    // 16 of 32 tiles of 14 cells were in the file.
    expect(evaluations - before).toBeLessThanOrEqual(1 + 441 - 16 * 14);
  });

  it('are refused where a worker has other data, another model or no such metric', async () => {
    const { connection } = redis;
    const other = await serve(makeNetwork, { connection, queue: 'data', data: { frequency: 3 } });
    const onQueue = (queue: string, metrics = {}) =>
      landscapeAsync(network, { npoints: 3, metrics, executor: bullmqExecutor({ connection, queue }) });
    await expect(onQueue('data')).rejects.toThrow(
      `executor: its loss at the center is ${landscape(makeNetwork({ frequency: 3 }), { npoints: 3 }).loss} on ${other.name}, here it is`,
    );
    await serve({ p0: new Float64Array(3), fg: () => 0 }, { connection, queue: 'model' });
    await expect(onQueue('model')).rejects.toThrow(
      /its problem has 3 parameters, but the landscape has 97; their models differ/,
    );
    await serve(makeNetwork, { connection, queue: 'metric' });
    await expect(onQueue('metric', { accuracy: () => 1 })).rejects.toThrow(/it has no metric "accuracy"/);
    await expect(onQueue('metric', network.metrics)).resolves.toBeDefined();
  });

  it('report the error of a worker after three attempts', async () => {
    let calls = 0;
    const failing = () => ({
      ...network,
      fg(): number {
        calls++;
        throw new TypeError('far out');
      },
    });
    const worker = await serve(failing, { connection: redis.connection, queue: 'throws' });
    const executor = bullmqExecutor({ connection: redis.connection, queue: 'throws', parallelism: 1 });
    await expect(landscapeAsync(network, { npoints: 3, dimensions: 1, executor })).rejects.toThrow(
      `bullmqExecutor: ${worker.name}: TypeError: far out`,
    );
    expect(calls).toBeGreaterThanOrEqual(3);
    // The worker may still be at another tile; the job of that vanishes as well.
    await worker.close();
    const left = await lastingKeys(redis.client);
    expect(left.filter((key) => !/^bull:throws:(meta|id|events)$/.test(key))).toEqual([]);
  });

  it('work through a queue of any name, and with parameters that the loss reads', async () => {
    const queue = 'a:b % {c} "é" \n*';
    const memory = Float64Array.from(network.p0);
    const params = {
      length: memory.length,
      layout: { length: memory.length, tensors: [] },
      zeros: () => new Float64Array(memory.length),
      copyInto: (vector: Float64Array) => {
        vector.set(memory);
        return vector;
      },
      copyFrom: (vector: ArrayLike<number>) => memory.set(vector),
    };
    await serve({ loss: () => network.fg(memory, null), params }, { connection: redis.connection, queue });
    const executor = bullmqExecutor({ connection: redis.connection, queue });
    const remote = await landscapeAsync(network, { npoints: 5, executor });
    expect(sameBits(remote.z, landscape(network, { npoints: 5 }).z)).toBe(true);
    expect(sameBits(memory, network.p0)).toBe(true);
  });

  it('do not mix the parameters of jobs that one process works on at once', async () => {
    let made = 0;
    const slow = () => {
      made++;
      const own = makeNetwork();
      const memory = Float64Array.from(own.p0);
      return {
        p0: own.p0,
        async fg(x: Float64Array) {
          memory.set(x);
          await new Promise(setImmediate);
          return own.fg(memory, null);
        },
      };
    };
    await serve(slow, { connection: redis.connection, queue: 'many', concurrency: 3 });
    const executor = bullmqExecutor({ connection: redis.connection, queue: 'many' });
    const remote = await landscapeAsync(network, { npoints: 11, executor });
    expect(sameBits(remote.z, landscape(network, { npoints: 11 }).z)).toBe(true);
    expect(made).toBeGreaterThan(1);
    await expect(
      serveLandscape(network, { connection: redis.connection, queue: 'many', concurrency: 2 }),
    ).rejects.toThrow(/concurrency: 2 jobs at once would share the parameters of one problem/);
  });
});
