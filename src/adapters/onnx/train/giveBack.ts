/**
 * Memory of results that nobody reads any longer.
 *
 * onnxruntime-node (1.30) returns copies even of outputs that it was given tensors for. Left to the garbage collector,
 * several of them lie about at a time, and each new one is memory that the processor has not in its caches.
 *
 * @module
 */
import type { OrtTensors } from './ort.ts';

/** Smaller arrays are left to the garbage collector. */
const LARGE_BYTES = 2 ** 15;

/**
 * Frees the large arrays of results at once. They are transferred to a port that is closed, which drops them; afterwards
 * they are empty.
 *
 * @param results - tensors in memory of their own, that nothing reads any longer
 * @param names - those to free
 */
export function giveBack(results: OrtTensors, names: readonly string[]): void {
  const buffers = names.flatMap((name) => {
    const data = results[name]?.data;
    const isLarge = ArrayBuffer.isView(data) && data.byteLength >= LARGE_BYTES;
    return isLarge && data.buffer instanceof ArrayBuffer ? [data.buffer] : [];
  });
  if (buffers.length === 0) return;
  try {
    nowhere().postMessage(null, buffers);
  } catch {
    // They may not be transferred, or one is twice among them: the garbage collector frees them.
  }
}

let closed: MessagePort | undefined;

/** A port that drops what it is sent. */
function nowhere(): MessagePort {
  if (closed === undefined) {
    closed = new MessageChannel().port1;
    closed.close();
  }
  return closed;
}
