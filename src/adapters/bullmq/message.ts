/**
 * Numbers as bytes: what travels through Redis beside the jobs, whose data are JSON.
 *
 * Layout: the length of a JSON head (little-endian uint32), the head, then arrays, each at a multiple of 8 bytes.
 *
 * @module
 */

/** An array of a message; a reader takes either kind. */
export type Numbers = Float32Array | Float64Array;

/** A message that has been read. */
export interface Message<Header> {
  readonly header: Header;
  readonly arrays: readonly Numbers[];
}

type Kind = 'float32' | 'float64';
interface Head<Header> {
  readonly header: Header;
  readonly arrays: readonly (readonly [Kind, number])[];
}

const padded = (length: number) => 8 * Math.ceil(length / 8);

/** The longest value that Redis takes. */
const maxBytes = 2 ** 29;

/**
 * Writes a message; an array whose elements are all float32 numbers takes half the bytes, without loss.
 *
 * @throws RangeError if it is longer than Redis allows
 */
export function encode(header: object, arrays: readonly Numbers[]): Buffer {
  const packed = arrays.map(narrowed);
  const kinds = packed.map((array) => [array instanceof Float32Array ? 'float32' : 'float64', array.length]);
  const head = Buffer.from(JSON.stringify({ header, arrays: kinds }));
  const start = padded(4 + head.length);
  const size = packed.reduce((sum, { byteLength }) => sum + padded(byteLength), start);
  if (size > maxBytes) {
    throw new RangeError(
      `${(size / 2 ** 20).toFixed(0)} MiB in one message are more than Redis takes, which is 512; use more shards, or a float32 problem.`,
    );
  }
  const bytes = Buffer.allocUnsafe(size);
  bytes.writeUInt32LE(head.length, 0);
  bytes.set(head, 4);
  bytes.fill(0, 4 + head.length, start);
  let at = start;
  for (const { buffer, byteOffset, byteLength } of packed) {
    // Byte order is that of the machine: every platform that runs Node today is little-endian.
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    bytes.fill(0, at + byteLength, at + padded(byteLength));
    at += padded(byteLength);
  }
  return bytes;
}

/**
 * Reads a message.
 *
 * @param scratch - memory for its arrays, which last until it is used for the next message; by default their own
 */
export function decode<Header>(bytes: Uint8Array, scratch: Scratch = newMemory): Message<Header> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const head: Head<Header> = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const start = padded(4 + length);
  // Copied, because a view of these bytes need not be aligned.
  const memory = scratch(bytes.length - start);
  new Uint8Array(memory).set(bytes.subarray(start));
  let at = 0;
  const arrays = head.arrays.map(([kind, count]) => {
    const array =
      kind === 'float32' ? new Float32Array(memory, at, count) : new Float64Array(memory, at, count);
    at += padded(array.byteLength);
    return array;
  });
  return { header: head.header, arrays };
}

/** Gives memory of at least so many bytes. */
export type Scratch = (bytes: number) => ArrayBuffer;

const newMemory: Scratch = (bytes) => Buffer.allocUnsafeSlow(bytes).buffer;

/**
 * Gives the same memory each time, enlarged where it has to be: megabytes that are thrown away at each evaluation keep
 * the garbage collector busy for longer than they take to be computed.
 */
export function reused(): Scratch {
  let memory = newMemory(0);
  return (bytes) => {
    if (memory.byteLength < bytes) memory = newMemory(bytes);
    return memory;
  };
}

/** The same numbers in float64, which is what problems take; not a copy if they are. */
export const float64 = (array: Numbers): Float64Array =>
  array instanceof Float64Array ? array : new Float64Array(array);

/** The same numbers in float32, if each of them is one. */
function narrowed(array: Numbers): Numbers {
  if (array instanceof Float32Array) return array;
  for (const value of array) if (Math.fround(value) !== value) return array; // NaN stays as it is
  return new Float32Array(array);
}
