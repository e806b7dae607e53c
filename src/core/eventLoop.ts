/**
 * Lets the event loop run during long work. Awaiting promises alone never gives timers, clicks or repaints a
 * turn.
 *
 * @module
 */

/** Milliseconds between turns of the event loop: about one frame. */
export const FRAME = 16;

/** Returns a function to await often; it yields to the event loop once `every` milliseconds have passed. */
export function breather(every: number): () => Promise<void> | void {
  let last = performance.now();
  return () => {
    if (performance.now() - last < every) return;
    return macrotask().then(() => {
      last = performance.now();
    });
  };
}

/** Resolves in a later task, after everything that is now waiting in the event loop. */
function macrotask(): Promise<void> {
  // Browsers delay nested timers by at least 4 ms; messages are not delayed.
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    const arrived = (): void => {
      port1.close();
      resolve();
    };
    port1.addEventListener('message', arrived);
    port1.start();
    port2.postMessage(null);
  });
}
