/**
 * NumPy's .npy format, version 1.0.
 *
 * @module
 * @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { sizeOf } from '../../core/layout.ts';
import { show } from '../../core/options.ts';

/** An array of NumPy as float64, row by row. */
export interface NpyArray {
  readonly data: Float64Array;
  readonly shape: readonly number[];
}

const magic = '\u0093NUMPY';

/** Readers of the dtypes: size in bytes, and the number at an offset. */
const dtypes: Readonly<
  Record<string, readonly [number, (view: DataView, at: number, little: boolean) => number]>
> = {
  f8: [8, (view, at, little) => view.getFloat64(at, little)],
  f4: [4, (view, at, little) => view.getFloat32(at, little)],
  f2: [2, (view, at, little) => fromHalf(view.getUint16(at, little))],
  i8: [8, (view, at, little) => Number(view.getBigInt64(at, little))],
  i4: [4, (view, at, little) => view.getInt32(at, little)],
  i2: [2, (view, at, little) => view.getInt16(at, little)],
  i1: [1, (view, at) => view.getInt8(at)],
  u8: [8, (view, at, little) => Number(view.getBigUint64(at, little))],
  u4: [4, (view, at, little) => view.getUint32(at, little)],
  u2: [2, (view, at, little) => view.getUint16(at, little)],
  u1: [1, (view, at) => view.getUint8(at)],
  b1: [1, (view, at) => view.getUint8(at)],
};

/** Decodes 16 bits of IEEE 754 binary16. */
function fromHalf(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  const size =
    exponent === 31
      ? fraction === 0
        ? Infinity
        : NaN
      : exponent === 0
        ? fraction * 2 ** -14
        : (1 + fraction) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

/**
 * Reads the bytes of an .npy file: floats of 2 to 8 bytes, integers or booleans (1 and 0), in any byte order, in C or
 * Fortran order.
 *
 * @throws TypeError if they are not an .npy file, are truncated, or hold another type
 * @example
 * ```ts
 * const { data, shape: [ny, nx] } = readNPY(readFileSync('loss.npy'));
 * ```
 */
export function readNPY(bytes: Uint8Array): NpyArray {
  if (!(bytes instanceof Uint8Array))
    throw new TypeError(`readNPY: bytes must be a Uint8Array, got ${show(bytes)}.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(0, 6)) !== magic) {
    throw new TypeError('readNPY: these bytes are not an .npy file.');
  }
  const wide = bytes[6] > 1;
  const start = (wide ? 12 : 10) + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(bytes.subarray(wide ? 12 : 10, start));
  const [, order, type] = /'descr':\s*'([<>|=])([a-z]\d+)'/.exec(header) ?? [];
  const [, fortran] = /'fortran_order':\s*(True|False)/.exec(header) ?? [];
  const [, dimensions] = /'shape':\s*\(([\d,\s]*)\)/.exec(header) ?? [];
  const dtype = Object.hasOwn(dtypes, type ?? '') ? dtypes[type] : undefined;
  if (dtype === undefined || fortran === undefined || dimensions === undefined) {
    throw new TypeError(
      `readNPY: only arrays of floats, integers and booleans can be read; the header says ${header.trim()}.`,
    );
  }
  const shape = dimensions
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  const [size, read] = dtype;
  const count = sizeOf(shape);
  if (bytes.length - start < count * size) {
    throw new TypeError(
      `readNPY: the file is cut short: it has ${bytes.length} of ${start + count * size} bytes.`,
    );
  }
  const data = Float64Array.from({ length: count }, (_, k) => read(view, start + k * size, order !== '>'));
  return { data: fortran === 'True' ? rowByRow(data, shape) : data, shape };
}

/**
 * Writes numbers as the bytes of an .npy file, float64 in C order.
 *
 * @param data - row by row; other types than float64 are widened
 * @throws TypeError if `data` is not an array of numbers
 * @throws RangeError if `shape` is not a shape, or does not fit the data
 */
export function writeNPY(data: ArrayLike<number>, shape: readonly number[] = [data.length]): Uint8Array {
  if (!isNumbers(data)) throw new TypeError(`writeNPY: data must be an array of numbers, got ${show(data)}.`);
  if (!shape.every((side) => Number.isInteger(side) && side >= 0)) {
    throw new RangeError(`writeNPY: shape must hold whole numbers ≥ 0, got [${shape.join(', ')}].`);
  }
  const count = sizeOf(shape);
  if (count !== data.length) {
    throw new RangeError(
      `writeNPY: shape [${shape.join(', ')}] holds ${count} numbers; there are ${data.length}.`,
    );
  }
  const sides = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const header = `{'descr': '<f8', 'fortran_order': False, 'shape': (${sides}), }`;
  const start = 64 * Math.ceil((10 + header.length + 1) / 64);
  const bytes = new Uint8Array(start + 8 * data.length).fill(32, 0, start);
  bytes.set(Array.from(magic, (character) => character.charCodeAt(0)));
  bytes.set([1, 0], 6);
  new DataView(bytes.buffer).setUint16(8, start - 10, true);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes[start - 1] = 10;
  const view = new DataView(bytes.buffer, start);
  for (let i = 0; i < data.length; i++) view.setFloat64(8 * i, data[i], true);
  return bytes;
}

const isNumbers = (data: unknown): boolean =>
  Array.isArray(data)
    ? data.every((value) => typeof value === 'number')
    : ArrayBuffer.isView(data) && 'length' in data && !(data instanceof BigInt64Array || data instanceof BigUint64Array); // prettier-ignore

/** Reorders elements from Fortran's order, first index fastest, to C's, last index fastest. */
function rowByRow(data: Float64Array, shape: readonly number[]): Float64Array {
  const out = new Float64Array(data.length);
  const index = shape.map(() => 0);
  for (const value of data) {
    out[index.reduce((at, i, k) => at * shape[k] + i, 0)] = value;
    for (let k = 0; k < shape.length && ++index[k] === shape[k]; k++) index[k] = 0;
  }
  return out;
}
