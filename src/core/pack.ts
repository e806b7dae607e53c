/**
 * Plain data as one string and one vector, to write a solver's state to a file and read it again bit for bit.
 *
 * The string is JSON in which every number is replaced by 0 and every typed array by `{ "float64": length }`
 * or `{ "float32": length }`. The vector holds the numbers themselves, in order, so that NaN, −0 and
 * infinities are kept.
 *
 * @module
 */
import { show } from './options.ts';

/** Numbers, booleans, strings, null, `Float64Array`s, `Float32Array`s, and arrays and objects of these. */
export type PlainData =
  | number
  | boolean
  | string
  | null
  | Float64Array
  | Float32Array
  | readonly PlainData[]
  | { readonly [name: string]: PlainData };

/** Plain data in the form returned by {@link pack}. */
export interface Packed {
  /** JSON. */
  readonly structure: string;
  readonly numbers: Float64Array;
}

/**
 * Packs plain data.
 *
 * @throws TypeError naming the path to a value that is not plain data
 */
export function pack(data: unknown): Packed {
  const chunks: ArrayLike<number>[] = [];
  const outline = (value: unknown, path: string): unknown => {
    if (typeof value === 'number') {
      chunks.push([value]);
      return 0;
    }
    if (value instanceof Float64Array) {
      chunks.push(value);
      return { float64: value.length };
    }
    if (value instanceof Float32Array) {
      chunks.push(value);
      return { float32: value.length };
    }
    if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
    if (Array.isArray(value)) return value.map((item, i) => outline(item, `${path}[${i}]`));
    if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
      const entries = Object.entries(value).filter(([, item]) => item !== undefined);
      return Object.fromEntries(entries.map(([name, item]) => [name, outline(item, `${path}.${name}`)]));
    }
    throw new TypeError(`pack: ${path} is ${show(value)}, which is not plain data.`);
  };
  const structure = JSON.stringify(outline(data, 'data'));
  const numbers = new Float64Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    numbers.set(chunk, offset);
    offset += chunk.length;
  }
  return { structure, numbers };
}

/**
 * Returns the data that was passed to {@link pack}.
 *
 * @throws RangeError if structure and numbers do not belong together
 */
export function unpack({ structure, numbers }: Packed): PlainData {
  let offset = 0;
  const take = (length: number): Float64Array => {
    offset += length;
    return numbers.slice(offset - length, offset);
  };
  const fill = (outline: unknown): PlainData => {
    if (typeof outline === 'number') return take(1)[0];
    if (Array.isArray(outline)) return outline.map(fill);
    if (typeof outline !== 'object' || outline === null) return outline as string | boolean | null;
    const { float64, float32 } = outline as { float64?: unknown; float32?: unknown };
    if (typeof float64 === 'number') return take(float64);
    if (typeof float32 === 'number') return Float32Array.from(take(float32));
    return Object.fromEntries(Object.entries(outline).map(([name, item]) => [name, fill(item)]));
  };
  const data = fill(JSON.parse(structure));
  if (offset !== numbers.length) {
    throw new RangeError(`unpack: the structure needs ${offset} numbers, got ${numbers.length}.`);
  }
  return data;
}
