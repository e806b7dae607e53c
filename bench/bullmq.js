// Overhead of an evaluation over a queue: bytes, commands and time on loopback, measured with shards and tiles whose
// evaluation costs almost nothing. From these figures, a simulation of up to 1,000 workers tells how many pay off at a
// given evaluation time. Requires redis-server. On a busy machine, use the minimum times, and for vectors of megabytes the
// CPU time of the hub (Redis and the asking process): wall-clock times are then mostly waiting for a core.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { bullmqExecutor, bullmqProblem } from 'quasi-newton/bullmq';
import { landscapeAsync } from 'quasi-newton/landscape';
import { hasRedis, startRedis } from '../examples/lib/redis.js';
import { median, printTable } from '../examples/lib/report.js';
import { fitCosts, simulate } from './lib/queueModel.js';

export const title = 'Evaluations over a queue';

const sizes = [100, 10_000, 100_000, 1_000_000];
const layouts = [
  { workers: 1, shards: 1 },
  { workers: 2, shards: 2 },
  { workers: 3, shards: 3 },
  { workers: 3, shards: 4 },
  { workers: 4, shards: 4 },
];
/** Bandwidth of 10 Gbit/s Ethernet, in bytes per second, and its round trip, in seconds. */
const ethernet = { throughput: 1.25e9, roundTrip: 2e-4 };
/** Numbers of workers that are simulated. */
const bestCounts = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1000];
/** Number of message delays in an evaluation: there and back, from the question to the sum. */
const serialRoundTrips = 7;

/** Prints the tables. */
export async function run() {
  if (!hasRedis) throw new Error('bench bullmq: there is no redis-server; apt-get install redis-server.');
  const redis = await startRedis();
  try {
    const measured = [];
    for (const n of sizes) {
      for (const layout of layouts) {
        // Megabytes take long on a busy machine, and a few layouts suffice to show their cost.
        if (n > 100_000 && layout.shards > 1 && layout.workers < 4) continue;
        measured.push(await shardsOf(redis, n, layout));
      }
    }
    printTable(
      [
        'An evaluation with its gradient',
        'n',
        'Least ms',
        'Median ms',
        'Hub CPU ms',
        'kB in',
        'kB out',
        'Commands',
      ],
      measured.map((m) => [
        `${m.workers} workers, ${m.shards} shards`,
        m.n.toLocaleString('en'),
        ms(m.seconds),
        ms(m.median),
        ms(m.hub),
        (m.bytesIn / 1000).toFixed(1),
        (m.bytesOut / 1000).toFixed(1),
        Number.isNaN(m.commands) ? '' : m.commands.toFixed(0),
      ]),
    );
    console.log('');
    const tiles = [];
    for (const workers of [1, 2, 3, 4]) tiles.push(await tilesOf(redis, workers));
    printTable(['A tile of 21 cells', 'Least ms', 'Bytes in', 'Bytes out'], tiles);

    const costs = fitCosts(measured);
    const throughputs = sizes
      .slice(1)
      .map((n) => `${(costs.throughputAt(n) / 1e9).toFixed(2)} GB/s at n = ${n.toLocaleString('en')}`);
    console.log(
      `\nFitted: ${ms(costs.latency)} ms for each evaluation, ${ms(costs.job)} ms for each job; through Redis ${throughputs.join(', ')}.\n`,
    );
    simulated(costs);
  } finally {
    await redis.stop();
  }
}

/**
 * @param {Awaited<ReturnType<typeof startRedis>>} redis
 * @param {number} n
 * @param {{ workers: number, shards: number }} layout
 */
async function shardsOf({ connection }, n, { workers, shards }) {
  const queue = `shards ${n} ${workers}`;
  const processes = await startWorkers(workers, [connection, queue, 'shards', `${n}`]);
  const problem = await bullmqProblem({ connection, queue, shards });
  // With protocol 3, ioredis may mistake the first line of a monitor for the reply to a command.
  const client = new Redis(connection, { protocol: 2 });
  const x = Float64Array.from({ length: n }, (_, i) => Math.sin(i));
  const gradient = new Float64Array(n);
  const evaluate = async (/** @type {number} */ turns) => {
    const times = [];
    for (let turn = 0; turn < turns; turn++) {
      const start = performance.now();
      await problem.fg(x, gradient);
      times.push((performance.now() - start) / 1000);
    }
    return times;
  };
  const turns = n > 100_000 ? 5 : 100;
  await evaluate(Math.ceil(turns / 10));
  const before = await traffic(client);
  const cpu = process.cpuUsage();
  const times = await evaluate(turns);
  const { user, system } = process.cpuUsage(cpu);
  const after = await traffic(client);
  // The number of commands does not depend on n, and monitoring megabytes takes long.
  const commands = n === sizes[0] ? (await commandsOf(client, () => evaluate(10))) / 10 : NaN;
  await problem.close();
  await stopWorkers(processes);
  client.disconnect();
  return {
    n,
    workers,
    shards,
    seconds: Math.min(...times),
    median: median(times),
    hub: (after.cpu - before.cpu + (user + system) / 1e6) / turns,
    bytesIn: (after.in - before.in) / turns,
    bytesOut: (after.out - before.out) / turns,
    commands,
  };
}

/**
 * @param {Awaited<ReturnType<typeof startRedis>>} redis
 * @param {number} workers
 */
async function tilesOf({ connection }, workers) {
  const queue = `tiles ${workers}`;
  const processes = await startWorkers(workers, [connection, queue, 'tiles', '100']);
  const client = new Redis(connection);
  const p0 = new Float64Array(100).fill(0.1);
  const before = await traffic(client);
  /** @type {number[]} */
  const times = [];
  // 51 × 51 cells in 124 tiles of 21.
  const executor = bullmqExecutor({ connection, queue, parallelism: 16 });
  for (let turn = 0; turn < 3; turn++) {
    let tiles = 0;
    await landscapeAsync(
      { p0, fg: async (x) => x[0] },
      {
        npoints: 51,
        executor: {
          ...executor,
          async *run(...given) {
            const start = performance.now();
            for await (const tile of executor.run(...given)) {
              tiles++;
              yield tile;
            }
            times.push((performance.now() - start) / 1000 / tiles);
          },
        },
      },
    );
  }
  const after = await traffic(client);
  await stopWorkers(processes);
  client.disconnect();
  const count = 3 * Math.ceil(51 ** 2 / 21);
  return [
    `${workers} workers`,
    ms(Math.min(...times)),
    ((after.in - before.in) / count).toFixed(0),
    ((after.out - before.out) / count).toFixed(0),
  ];
}

/** @param {ReturnType<typeof fitCosts>} loopback */
function simulated({ latency, job, throughputAt }) {
  const counts = [4, 16, 64, 256, 1000];
  console.log('Speed-up, simulated with the costs of loopback and the round trips of 10 Gbit/s Ethernet\n');
  printTable(
    ['One process takes', 'n', ...counts.map((workers) => `${workers} workers`), 'Best'],
    [0.01, 0.1, 1, 10, 100].flatMap((seconds) =>
      sizes.slice(1).map((n) => {
        const costs = {
          latency: latency + serialRoundTrips * ethernet.roundTrip,
          job,
          throughput: Math.min(throughputAt(n), ethernet.throughput),
        };
        const speedup = (/** @type {number} */ workers) => seconds / simulate(costs, { workers, n, seconds });
        const [best] = bestCounts.toSorted((a, b) => speedup(b) - speedup(a));
        const speedups = counts.map((workers) => speedup(workers).toFixed(speedup(workers) < 10 ? 2 : 0));
        return [`${seconds} s`, n.toLocaleString('en')].concat(
          speedups,
          speedup(best) > 1 ? `${best} workers` : 'none',
        );
      }),
    ),
  );
}

/**
 * @param {number} count
 * @param {string[]} args
 */
async function startWorkers(count, args) {
  const script = new URL('lib/queueWorker.js', import.meta.url);
  const processes = Array.from({ length: count }, () => fork(script, args));
  await Promise.all(processes.map((child) => once(child, 'message')));
  return processes;
}

/** @param {import('node:child_process').ChildProcess[]} processes */
async function stopWorkers(processes) {
  for (const child of processes) child.send('close');
  await Promise.all(processes.map((child) => once(child, 'exit')));
}

/** @param {Redis} client */
async function traffic(client) {
  const info = `${await client.info('stats')}\n${await client.info('cpu')}`;
  const number = (/** @type {string} */ name) => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1]);
  return {
    cpu: number('used_cpu_sys') + number('used_cpu_user'),
    in: number('total_net_input_bytes'),
    out: number('total_net_output_bytes'),
  };
}

/**
 * Counts the commands that clients send during a task; those within scripts are not counted.
 *
 * @param {Redis} client
 * @param {() => Promise<unknown>} work
 */
async function commandsOf(client, work) {
  const monitor = await client.monitor();
  let count = 0;
  monitor.on('monitor', (/** @type {string} */ _time, _args, /** @type {string} */ source) => {
    if (source !== 'lua') count++;
  });
  await work();
  monitor.disconnect();
  return count;
}

/** @param {number} seconds */
const ms = (seconds) => (1000 * seconds).toFixed(2);
