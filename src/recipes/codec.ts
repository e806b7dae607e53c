/**
 * A landscape as bytes: for files, and for shards that come from other machines.
 *
 * Layout: the word QNLS, a version and the length of a JSON header (two little-endian uint32), the header padded
 * to a multiple of 8, then float64 columns (loss, x, y, z, metrics, and center and directions if they are
 * there), then one byte for each cell.
 *
 * @module
 */
import { show } from '../core/options.ts';
import type { LandscapeData } from './data.ts';

interface Header {
  readonly fingerprint: string;
  readonly nx: number;
  readonly ny: number;
  readonly metrics: readonly string[];
  readonly labels: readonly [string, string];
  /** Length of the parameter vectors, 0 where they are left out. */
  readonly n: number;
  readonly dimensions: number;
}

const magic = 0x534c4e51;
const version = 1;

/**
 * A landscape as bytes, to be stored or sent; `decodeLandscape` reads them.
 *
 * @param vectors - whether the parameters and directions go in too; a landscape without them can be drawn and merged,
 *   but no path can be projected on its plane
 */
export function encodeLandscape(data: LandscapeData, vectors = true): Uint8Array {
  const { plane, x, y, z, metrics, done, loss, fingerprint } = data;
  const header: Header = {
    fingerprint,
    nx: x.length,
    ny: y.length,
    metrics: Object.keys(metrics),
    labels: plane.labels,
    n: vectors ? plane.center.length : 0,
    dimensions: plane.directions.length,
  };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = 8 * Math.ceil((12 + json.length) / 8);
  const columns = [Float64Array.of(loss), x, y, z, ...Object.values(metrics)];
  if (vectors) columns.push(plane.center, ...plane.directions);
  const length = columns.reduce((sum, column) => sum + column.length, 0);
  const bytes = new Uint8Array(start + 8 * length + done.length).fill(32, 0, start);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, version, true);
  view.setUint32(8, start - 12, true);
  bytes.set(json, 12);
  let offset = start;
  for (const column of columns) {
    // Byte order is that of the machine: every platform that runs JavaScript today is little-endian.
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), offset);
    offset += column.byteLength;
  }
  bytes.set(done, offset);
  return bytes;
}

/**
 * The landscape in `bytes`, as {@link encodeLandscape} wrote it.
 *
 * @param what - names the bytes in the message
 * @throws TypeError if they are no landscape, or are cut short
 */
export function decodeLandscape(bytes: Uint8Array, what = 'decodeLandscape: bytes'): LandscapeData {
  if (!(bytes instanceof Uint8Array))
    throw new TypeError(`${what} must be a Uint8Array, got ${show(bytes)}.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || view.getUint32(0, true) !== magic)
    throw new TypeError(`${what} hold no landscape.`);
  if (view.getUint32(4, true) !== version) {
    throw new TypeError(
      `${what} hold a landscape of version ${view.getUint32(4, true)}; only ${version} is known.`,
    );
  }
  const start = 12 + view.getUint32(8, true);
  if (bytes.length < start)
    throw new TypeError(`${what} are cut short: ${bytes.length} bytes of ${start} and more.`);
  const { nx, ny, metrics, labels, n, dimensions, fingerprint }: Header = JSON.parse(
    new TextDecoder().decode(bytes.subarray(12, start)),
  );
  const cells = nx * ny;
  const floats = 1 + nx + ny + cells * (1 + metrics.length) + (n > 0 ? n * (1 + dimensions) : 0);
  if (bytes.length !== start + 8 * floats + cells) {
    throw new TypeError(`${what} are cut short: ${bytes.length} bytes of ${start + 8 * floats + cells}.`);
  }
  // Not `bytes.slice`: of a Buffer of Node that is no copy.
  const copy = new Uint8Array(bytes.subarray(start));
  const numbers = new Float64Array(copy.buffer, 0, floats);
  let at = 0;
  const take = (length: number) => numbers.slice(at, (at += length));
  const [loss] = take(1);
  const x = take(nx);
  const y = take(ny);
  const z = take(cells);
  const columns = Object.fromEntries(metrics.map((name) => [name, take(cells)]));
  const center = take(n);
  const directions = Array.from({ length: dimensions }, () => take(n));
  const done = new Uint8Array(copy.subarray(8 * floats));
  return { x, y, z, metrics: columns, done, loss, plane: { center, directions, labels }, fingerprint };
}
