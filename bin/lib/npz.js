import { crc32, inflateRawSync } from 'node:zlib';
import { readNPY } from 'quasi-newton/landscape';
import { messageOf } from './badInput.js';

/** @import { NpyArray } from 'quasi-newton/landscape' */

/** Signatures of a zip archive: of its end, of an entry in its directory. */
const END = 0x06054b50;
const ENTRY = 0x02014b50;
/** Bytes of the fixed part of the end, of an entry in the directory, of an entry's own header. */
const endSize = 22;
const entrySize = 46;
const headerSize = 30;

/**
 * Reads the arrays of an .npz file, as `numpy.savez` and `numpy.savez_compressed` write it: a zip archive of .npy files.
 *
 * @param {Uint8Array} bytes
 * @returns {Map<string, NpyArray>} by name
 * @throws Error if the bytes are no such archive, or an array holds other than floats, integers or booleans
 */
export function readNPZ(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - endSize;
  while (end >= 0 && view.getUint32(end, true) !== END) end--;
  if (end < 0) throw new Error('it is no .npz file: a zip archive of .npy files');
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if (count === 0xffff || at === 0xffffffff) throw new Error('archives of more than 4 GB are not read');
  /** @type {Map<string, NpyArray>} */
  const arrays = new Map();
  for (let i = 0; i < count; i++) {
    if (at + entrySize > bytes.length || view.getUint32(at, true) !== ENTRY) throw new Error('it is damaged');
    const nameLength = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(bytes.subarray(at + entrySize, at + entrySize + nameLength));
    arrays.set(name.replace(/\.npy$/, ''), arrayAt(bytes, view, at, name));
    at += entrySize + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return arrays;
}

/**
 * @param {Uint8Array} bytes
 * @param {DataView} view
 * @param {number} entry - where it stands in the directory
 * @param {string} name
 */
function arrayAt(bytes, view, entry, name) {
  const method = view.getUint16(entry + 10, true);
  const checksum = view.getUint32(entry + 16, true);
  const size = view.getUint32(entry + 20, true);
  const header = view.getUint32(entry + 42, true);
  if (header + headerSize > bytes.length) throw new Error('it is damaged');
  const start = header + headerSize + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
  const packed = bytes.subarray(start, start + size);
  if (method !== 0 && method !== 8) throw new Error(`array ${name}: compression ${method} is not read`);
  try {
    const array = method === 0 ? packed : inflateRawSync(packed);
    if (crc32(array) !== checksum) throw new Error('it is damaged: its checksum differs');
    return readNPY(array);
  } catch (error) {
    throw new Error(`array ${name}: ${messageOf(error)}`, { cause: error });
  }
}
