/**
 * Vectors as bytes. Job data are JSON; vectors are stored in Redis beside them.
 *
 * Layout: the length of a JSON head (little-endian uint32), the head, then arrays, each at a multiple of 8 bytes.
 *
 * @module
 */

/** An array of a message. */
export type Numbers = Float32Array | Float64Array;

/** A decoded message. */
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

/** Largest value that Redis accepts, in bytes. */
const maxBytes = 2 ** 29;

/**
 * Encodes a message. An array whose elements are all float32 numbers takes half the bytes, without loss.
 *
 * @throws RangeError if it is larger than Redis allows
 */
export function encode(header: object, arrays: readonly Numbers[]): Buffer {
  const packed = arrays.map(narrowed);
  const kinds = packed.map((array) => [array instanceof Float32Array ? 'float32' : 'float64', array.length]);
  const head = Buffer.from(JSON.stringify({ header, arrays: kinds }));
  const start = padded(4 + head.length);
  const size = packed.reduce((sum, { byteLength }) => sum + padded(byteLength), start);
  if (size > maxBytes) {
    throw new RangeError(
      `${(size / 2 ** 20).toFixed(0)} MiB in one message exceed Redis's limit of 512 MiB; use more shards, or a float32 problem.`,
    );
  }
  const bytes = Buffer.allocUnsafe(size);
  bytes.writeUInt32LE(head.length, 0);
  bytes.set(head, 4);
  bytes.fill(0, 4 + head.length, start);
  let at = start;
  for (const { buffer, byteOffset, byteLength } of packed) {
    // In the machine's byte order: every platform of Node is little-endian.
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    bytes.fill(0, at + byteLength, at + padded(byteLength));
    at += padded(byteLength);
  }
  return bytes;
}

/**
 * Decodes a message.
 *
 * @param scratch - memory for its arrays, valid until its next use; by default new memory
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

/** Returns memory of at least the given number of bytes. */
export type Scratch = (bytes: number) => ArrayBuffer;

const newMemory: Scratch = (bytes) => Buffer.allocUnsafeSlow(bytes).buffer;

/**
 * Returns a function that provides the same memory each time, enlarged as needed. Collecting megabytes of garbage at
 * each evaluation would take longer than computing them.
 */
export function reused(): Scratch {
  let memory = newMemory(0);
  return (bytes) => {
    if (memory.byteLength < bytes) memory = newMemory(bytes);
    return memory;
  };
}

/** Converts to float64, without a copy if it is already. */
export const float64 = (array: Numbers): Float64Array =>
  array instanceof Float64Array ? array : new Float64Array(array);

/** Converts to float32 if every element is a float32 number. */
function narrowed(array: Numbers): Numbers {
  if (array instanceof Float32Array) return array;
  for (const value of array) if (Math.fround(value) !== value) return array; // NaN stays as it is
  return new Float32Array(array);
}
