// A module worker of a page: `new Worker(new URL('webWorker.js', import.meta.url), { type: 'module' })`.
import { train } from './train.js';

const stop = new AbortController();
addEventListener('message', ({ data }) => {
  if (data === 'stop') stop.abort();
});
await train((message) => postMessage(message), stop.signal);
