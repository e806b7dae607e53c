/**
 * Landscapes as bytes, for files and for shards from other machines.
 *
 * Layout: the word QNLS, a version, the length of a JSON header and the CRC-32 of everything that follows
 * (four little-endian uint32), the header padded to a multiple of 8, float64 columns (loss, x, y, z, metrics,
 * and center and directions if they are there), one byte for each cell.
 *
 * @module
 */
import { show } from '../../core/options.ts';
import { crc32 } from '../../core/crc32.ts';
import { isAdaptiveReport, type AdaptiveReport, type LandscapeData } from './data.ts';

interface Header {
  readonly fingerprint: string;
  readonly nx: number;
  readonly ny: number;
  readonly metrics: readonly string[];
  readonly labels: readonly [string, string];
  /** Length of the parameter vectors; 0 if they are omitted. */
  readonly n: number;
  readonly dimensions: 1 | 2;
  /** Report of a complete adaptive grid. */
  readonly adaptive?: AdaptiveReport;
}

const magic = 0x534c4e51;
const version = 2;
/** Number of bytes before the header. */
const prefix = 16;

/**
 * Encodes a landscape for storage or transfer; `decodeLandscape` reads it.
 *
 * @param vectors - true to include the parameters and directions; a landscape without them can be drawn and
 *   merged, but no path can be projected onto its plane
 */
export function encodeLandscape(data: LandscapeData, vectors = true): Uint8Array {
  const { plane, x, y, z, metrics, done, loss, fingerprint, adaptive } = data;
  const header: Header = {
    fingerprint,
    nx: x.length,
    ny: y.length,
    metrics: Object.keys(metrics),
    labels: plane.labels,
    n: vectors ? plane.center.length : 0,
    dimensions: plane.directions.length === 1 ? 1 : 2,
    ...(adaptive && { adaptive }),
  };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = 8 * Math.ceil((prefix + json.length) / 8);
  const columns = [Float64Array.of(loss), x, y, z, ...Object.values(metrics)];
  if (vectors) columns.push(plane.center, ...plane.directions);
  const length = columns.reduce((sum, column) => sum + column.length, 0);
  const bytes = new Uint8Array(start + 8 * length + done.length).fill(32, 0, start);
  bytes.set(json, prefix);
  let offset = start;
  for (const column of columns) {
    // In the machine's byte order, which is little-endian on every platform that runs JavaScript today.
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), offset);
    offset += column.byteLength;
  }
  bytes.set(done, offset);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, version, true);
  view.setUint32(8, start - prefix, true);
  view.setUint32(12, crc32(bytes.subarray(prefix)), true);
  return bytes;
}

/**
 * Decodes a landscape from bytes that {@link encodeLandscape} wrote.
 *
 * @param what - names the bytes in the message
 * @throws TypeError if they are not a landscape, or are truncated or damaged
 */
export function decodeLandscape(bytes: Uint8Array, what = 'decodeLandscape: bytes'): LandscapeData {
  if (!(bytes instanceof Uint8Array))
    throw new TypeError(`${what} must be a Uint8Array, got ${show(bytes)}.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < prefix || view.getUint32(0, true) !== magic)
    throw new TypeError(`${what} are not a landscape.`);
  if (view.getUint32(4, true) !== version) {
    throw new TypeError(
      `${what} hold a landscape of version ${view.getUint32(4, true)}; this package reads version ${version}.`,
    );
  }
  const start = prefix + view.getUint32(8, true);
  if (bytes.length < start)
    throw new TypeError(`${what} are cut short: ${bytes.length} bytes of ${start} and more.`);
  const damaged = crc32(bytes.subarray(prefix)) !== view.getUint32(12, true);
  const header = headerOf(bytes.subarray(prefix, start));
  const length = header === undefined ? NaN : sizeOf(header, start);
  // Truncation is told apart from damage, since a truncated file can be fetched again.
  if (bytes.length < length)
    throw new TypeError(`${what} are cut short: ${bytes.length} bytes of ${length}.`);
  if (damaged) throw new TypeError(`${what} are damaged: their checksum differs.`);
  if (header === undefined || bytes.length !== length) {
    throw new TypeError(
      `${what} are not a landscape that this version could have written: their header is wrong.`,
    );
  }
  const { nx, ny, metrics, labels, n, dimensions, fingerprint, adaptive } = header;
  const cells = nx * ny;
  const floats = floatsOf(header);
  // Not `bytes.slice`, which does not copy a Buffer of Node.
  const copy = new Uint8Array(bytes.subarray(start));
  const numbers = new Float64Array(copy.buffer, 0, floats);
  let at = 0;
  const take = (count: number) => numbers.slice(at, (at += count));
  const [loss] = take(1);
  const x = take(nx);
  const y = take(ny);
  const z = take(cells);
  const columns = Object.fromEntries(metrics.map((name) => [name, take(cells)]));
  const center = take(n);
  const directions = Array.from({ length: dimensions }, () => take(n));
  const done = new Uint8Array(copy.subarray(8 * floats));
  const plane = { center, directions, labels };
  return { x, y, z, metrics: columns, done, loss, plane, fingerprint, ...(adaptive && { adaptive }) };
}

const floatsOf = ({ nx, ny, metrics, n, dimensions }: Header): number =>
  1 + nx + ny + nx * ny * (1 + metrics.length) + n * (1 + dimensions);

const sizeOf = (header: Header, start: number): number =>
  start + 8 * floatsOf(header) + header.nx * header.ny;

/** Returns the header, fully checked before anything is allocated. */
function headerOf(json: Uint8Array): Header | undefined {
  let value: Partial<Record<keyof Header, unknown>> | null;
  try {
    value = JSON.parse(new TextDecoder().decode(json));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { fingerprint, nx, ny, metrics, labels, n, dimensions, adaptive } = value;
  const isHeader =
    typeof fingerprint === 'string' &&
    isCount(nx, 1) &&
    isCount(ny, 1) &&
    isCount(n, 0) &&
    (dimensions === 1 || dimensions === 2) &&
    (dimensions === 2 || ny === 1) &&
    isTexts(metrics) &&
    new Set(metrics).size === metrics.length &&
    isTexts(labels) &&
    labels.length === 2 &&
    (adaptive === undefined || isAdaptiveReport(adaptive));
  return isHeader ? (value as unknown as Header) : undefined;
}

const isCount = (value: unknown, least: number): value is number =>
  Number.isSafeInteger(value) && Number(value) >= least && Number(value) < 2 ** 40;

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((text) => typeof text === 'string');
