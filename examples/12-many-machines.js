// Training and a landscape on several processes, which could be several machines, through BullMQ and a Redis server; the
// server is started here if it is installed. Writes out/many-machines.svg.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { bullmqExecutor, bullmqProblem } from 'quasi-newton/bullmq';
import { contourf, landscapeAsync } from 'quasi-newton/landscape';
import digitsProblem from './lib/digitsForWorkers.js';
import { landscapeBar } from './lib/progress.js';
import { hasRedis, startRedis } from './lib/redis.js';
import { saveFigure } from './lib/report.js';

const quick = process.env.QUICK === '1';
const samples = quick ? 60 : 1000;
const npoints = quick ? 7 : 51;
const here = await digitsProblem({ samples }, { shard: 0, shards: 1 });

if (hasRedis) {
  const redis = await startRedis();
  const { connection } = redis;
  const script = new URL('lib/digitsWorker.js', import.meta.url);
  const workers = [1, 2, 3].map(() => fork(script, [connection, `${samples}`]));
  await Promise.all(workers.map((worker) => once(worker, 'message')));

  const problem = await bullmqProblem({ connection, queue: 'digits', shards: 4 });
  const { x, f, evaluations } = await minimizeAsync(problem, lbfgs(), { maxIterations: quick ? 5 : 25 });
  await problem.close();
  console.log(`\n4 shards in 3 processes: loss ${f.toExponential(2)} after ${evaluations.f} evaluations.`);

  const executor = bullmqExecutor({ connection, queue: 'digits landscape' });
  const data = await landscapeAsync(here, {
    center: x,
    npoints,
    executor,
    onProgress: landscapeBar('Landscape on 3 workers'),
  });
  for (const worker of workers) worker.kill('SIGTERM');
  await Promise.all(workers.map((worker) => once(worker, 'exit')));
  await redis.stop();
  draw(data);
} else {
  console.log(
    '\nredis-server is not installed (apt-get install redis-server), so everything runs in this process.',
  );
  draw(await landscapeAsync(here, { npoints }));
}

/** @param {import('quasi-newton/landscape').LandscapeData} data */
function draw(data) {
  saveFigure(
    'many-machines.svg',
    contourf(data, { zscale: 'log', zlabel: 'cross-entropy', title: 'Digits, evaluated by three workers' }),
  );
}
