// A worker in a process of its own, on the built package: serves until it is told to close, then ends by itself.
import { serveLandscape, serveProblem } from 'quasi-newton/bullmq';

/** @type {import('./setup.ts').WorkerJob} */
const { serves, module, ...options } = JSON.parse(process.argv[2]);
const serve = serves === 'landscape' ? serveLandscape : serveProblem;
const worker = await serve(new URL(module, import.meta.url), options);
process.send?.('up');
// If the parent dies, so does its worker; told to close, it must end by itself.
const orphaned = () => process.exit(1);
process.once('disconnect', orphaned);
process.once('message', () => {
  process.off('disconnect', orphaned);
  void worker.close().then(() => process.disconnect());
});
