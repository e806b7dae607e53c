/**
 * Watches for Ctrl-C (SIGINT) and SIGTERM while a task runs: the first asks it to stop, the second ends the process.
 *
 * @template T
 * @param {(stop: { readonly asked: boolean, readonly signal: AbortSignal }) => Promise<T>} task
 * @returns {Promise<T>}
 */
export async function interruptible(task) {
  const controller = new AbortController();
  const ask = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Interrupted('stopped by Ctrl-C'));
    process.stderr.write('\nStopping after this step; Ctrl-C again ends at once, and writes nothing.\n');
  };
  process.on('SIGINT', ask).on('SIGTERM', ask);
  try {
    return await task({
      get asked() {
        return controller.signal.aborted;
      },
      signal: controller.signal,
    });
  } finally {
    process.off('SIGINT', ask).off('SIGTERM', ask);
  }
}

/** The reason of a stop that the user asked for. */
export class Interrupted extends Error {
  /** @override */
  name = 'Interrupted';
}

/** Milliseconds between two looks at what the system has to tell, signals among it. */
const INTERVAL = 50;

/**
 * Wraps a function that answers later so that signals are noticed in between: ONNX Runtime blocks the event loop.
 *
 * @template {readonly unknown[]} Args
 * @template T
 * @param {(...args: Args) => Promise<T> | T} answer
 * @returns {(...args: Args) => Promise<T>}
 */
export function noticing(answer) {
  let last = performance.now();
  return async (...args) => {
    if (performance.now() - last > INTERVAL) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      last = performance.now();
    }
    return answer(...args);
  };
}
