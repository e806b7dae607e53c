/**
 * Frees memory that is no longer read.
 *
 * onnxruntime-node (1.30) returns copies of all outputs, even of those that it was given tensors for. Left to the garbage
 * collector, several of them stay in memory, and the next one is written to memory that is in no cache of the processor.
 *
 * @module
 */
import type { OrtTensors } from './ort.ts';

/** Smaller arrays are left to the garbage collector. */
const LARGE_BYTES = 2 ** 15;

/**
 * Frees the large arrays of results at once; they are empty afterwards.
 *
 * @param results - tensors in memory of their own
 * @param names - names of those that are no longer read
 */
export function giveBack(results: OrtTensors, names: readonly string[]): void {
  free(
    names.flatMap((name) => {
      const data = results[name]?.data;
      return ArrayBuffer.isView(data) && data.byteLength >= LARGE_BYTES ? [data] : [];
    }),
  );
}

/** Frees the memory of arrays at once: it is transferred to a port that is closed, which drops it. */
export function free(arrays: readonly ArrayBufferView[]): void {
  if (arrays.length === 0) return;
  try {
    const buffers = arrays.map(({ buffer }) => buffer).filter((buffer) => buffer instanceof ArrayBuffer);
    port().postMessage(null, buffers);
  } catch {
    // It cannot be transferred: the garbage collector frees it.
  }
}

let closed: MessagePort | undefined;

/** A port that drops what it is sent. */
function port(): MessagePort {
  if (closed === undefined) {
    closed = new MessageChannel().port1;
    closed.close();
  }
  return closed;
}
