// A worker in a process of its own, on the built package: serves until it is told to close, then ends by itself.
import { serveLandscape, serveProblem } from 'quasi-newton/bullmq';

/** @type {import('./setup.ts').WorkerJob} */
const { serves, module, ...options } = JSON.parse(process.argv[2]);
const serve = serves === 'landscape' ? serveLandscape : serveProblem;
const worker = await serve(new URL(module, import.meta.url), options);
process.send?.('up');
process.once('message', () => {
  void worker.close().then(() => process.disconnect());
});
