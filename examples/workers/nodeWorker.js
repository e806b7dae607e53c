// A worker thread of Node: `new Worker(new URL('nodeWorker.js', import.meta.url))`.
import { parentPort, workerData } from 'node:worker_threads';
import { train } from './train.js';

const stop = new AbortController();
parentPort?.on('message', (message) => {
  if (message === 'stop') stop.abort();
});
await train((message) => parentPort?.postMessage(message), stop.signal, workerData?.maxIterations);
parentPort?.close();
