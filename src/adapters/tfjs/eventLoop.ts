/**
 * Lets the event loop run during long work that only awaits promises: they alone never let a timer, a click or a
 * repaint through.
 *
 * @module
 */

/** Milliseconds between two turns of the event loop: about one frame. */
export const FRAME = 16;

/** Returns a function to be awaited often; it lets the event loop turn when `every` milliseconds have passed. */
export function breather(every: number): () => Promise<void> | void {
  let last = performance.now();
  return () => {
    if (performance.now() - last < every) return;
    return macrotask().then(() => {
      last = performance.now();
    });
  };
}

/** Resolves in a later task, after what waits in the event loop by now. */
function macrotask(): Promise<void> {
  // Timers of a page are held back to 4 ms when they are nested; messages are not.
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    const arrived = (): void => {
      port1.close();
      resolve();
    };
    port1.addEventListener('message', arrived, { once: true });
    port1.start();
    port2.postMessage(null);
  });
}
