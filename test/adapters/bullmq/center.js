// Asks through a queue, in a process of its own on the built package; it must end by itself.
import { lbfgs, minimizeAsync } from 'quasi-newton';
import { bullmqExecutor, bullmqProblem, serveLandscape, serveProblem } from 'quasi-newton/bullmq';
import { landscapeAsync } from 'quasi-newton/landscape';
import network from './network.js';

const connection = process.argv[2];
const workers = [
  await serveLandscape(network, { connection, queue: 'landscape' }),
  await serveProblem(network, { connection, queue: 'problem' }),
];
const data = await landscapeAsync(network(), {
  npoints: 5,
  executor: bullmqExecutor({ connection, queue: 'landscape' }),
});
const problem = await bullmqProblem({ connection, queue: 'problem', shards: 2 });
const { iterations } = await minimizeAsync(problem, lbfgs(), { maxIterations: 3 });
await problem.close();
for (const worker of workers) await worker.close();
console.log(JSON.stringify({ cells: data.z.length, iterations }));
