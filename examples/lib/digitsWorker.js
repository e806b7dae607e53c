// Runs a worker, on any machine: node digitsWorker.js redis://host:port samples
import { serveLandscape, serveProblem } from 'quasi-newton/bullmq';

const [connection, samples] = process.argv.slice(2);
const module = new URL('digitsForWorkers.js', import.meta.url);
const data = { samples: Number(samples) };
const workers = [
  await serveLandscape(module, { connection, queue: 'digits landscape', data }),
  await serveProblem(module, { connection, queue: 'digits', data }),
];
process.send?.('up');
process.once('SIGTERM', () => {
  void Promise.all(workers.map((worker) => worker.close())).then(() => process.exit());
});
