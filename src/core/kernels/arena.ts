import { accelerate, type FastOperations } from '../vector.ts';
import { simdBytes } from './simdBytes.ts';

/** Numbers taken from a vector at a time: few enough to stay in the cache, enough for the rows to stream. */
export const TILE = 32768;

/** Where the last tile of a vector starts. */
export const lastTile = ({ length }: Float64Array): number => Math.floor((length - 1) / TILE) * TILE;

/** A row takes a multiple of so many numbers; those after its end are 0. */
const PADDING = 8;

/** n numbers take as many as this. */
export const padded = (n: number): number => Math.ceil(n / PADDING) * PADDING;

/** So many rows a kernel takes at a time. */
export const ROWS = 5;

/**
 * The kernels, the bytes of a stored number in their names; pointers are in bytes, `n` in numbers, a multiple of
 * {@link PADDING}.
 */
interface Exports {
  readonly project8: Project;
  readonly project4: Project;
  readonly combine8: Combine;
  readonly combine4: Combine;
  readonly record8: Record;
  readonly record4: Record;
  readonly addScaled: (x: number, alpha: number, s: number, out: number, n: number) => void;
  readonly dot: (p: number, q: number, results: number, n: number) => void;
  readonly normInf: (p: number, results: number, n: number) => void;
}
/** A table of `count` pointers, and how many bytes of each row are skipped. */
type Rows = [rows: number, count: number, skip: number];
type Move = [x: number, trial: number, g: number, trialG: number];
type Project = (...at: [...Rows, v: number, results: number, n: number]) => void;
type Combine = (...at: [...Rows, factors: number, c: number, g: number, out: number, n: number]) => void;
type Record = (...at: [...Move, s: number, y: number, results: number, n: number]) => void;

/** A WebAssembly memory of rows and vectors of one length, with the kernels that work on it. */
export interface Arena {
  readonly kernels: Exports;
  readonly buffer: ArrayBuffer;
  /** Views of what the kernels read and write beside rows and vectors, each at its `byteOffset`. */
  readonly tiles: readonly Float64Array[];
  readonly results: Float64Array;
  readonly factors: Float64Array;
  readonly rows: Uint32Array;
  rowOffset(row: number): number;
  /** Another vector, or null when there is no room for one. */
  vector(): Float64Array | null;
}

/** The arena in whose memory an array lies: what a state, being plain data, cannot say. */
const arenas = new WeakMap<ArrayBufferLike, Arena>();

export const arenaOf = ({ buffer }: ArrayBufferView): Arena | undefined => arenas.get(buffer);

/** WebAssembly addresses 4 GiB, in pages of 64 KiB; the last is left out, for at its end addresses begin anew. */
const PAGE = 2 ** 16;
const MAX_PAGES = 2 ** 16 - 1;

/** Null where it cannot be had; undefined until it is first wanted. */
let module: WebAssembly.Module | null | undefined;

/** As many vectors as a kernel reads beside rows. */
const TILES = 4;

/** There is room for so many vectors: a line search's point and gradient, twice, and its direction. */
const VECTORS = 5;

/**
 * Allocates the memory of so many rows once and for all, since growth would detach every view.
 *
 * @returns null where there is no WebAssembly with SIMD, or not so much memory
 */
export function newArena(n: number, rows: number, bytesPerNumber: number): Arena | null {
  if (module === undefined) module = compile();
  if (module === null) return null;
  const length = padded(n);
  const tile = Math.min(TILE, length);
  const table = rows + ROWS;
  const resultsAt = 8 * TILES * tile;
  const factorsAt = resultsAt + 8 * table;
  const tableAt = factorsAt + 8 * table;
  const vectorsAt = resultsAt + 8 * padded(3 * table);
  const rowsAt = vectorsAt + 8 * VECTORS * length;
  const pages = Math.ceil((rowsAt + bytesPerNumber * rows * length) / PAGE);
  if (pages > MAX_PAGES) return null;
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { buffer } = memory;
    let vectors = 0;
    const arena: Arena = {
      kernels: new WebAssembly.Instance(module, { host: { memory } }).exports as unknown as Exports,
      buffer,
      tiles: Array.from({ length: TILES }, (_, i) => new Float64Array(buffer, 8 * i * tile, tile)),
      results: new Float64Array(buffer, resultsAt, table),
      factors: new Float64Array(buffer, factorsAt, table),
      rows: new Uint32Array(buffer, tableAt, table),
      rowOffset: (row) => rowsAt + bytesPerNumber * row * length,
      vector: () =>
        vectors < VECTORS ? new Float64Array(buffer, vectorsAt + 8 * vectors++ * length, n) : null,
    };
    arenas.set(buffer, arena);
    accelerate(buffer, simdOperations(arena, n));
    return arena;
  } catch {
    // The process has no such memory to give.
    return null;
  }
}

/** Makes the numbers that fill a vector up 0 again: a factor that is not finite has made them NaN. */
export function clearPadding({ buffer, byteOffset, byteLength, length }: Float64Array): void {
  new Float64Array(buffer, byteOffset + byteLength, padded(length) - length).fill(0);
}

/** What vector.ts does, on vectors in the arena: their ends are filled up with zeros. */
function simdOperations({ kernels, results }: Arena, n: number): FastOperations {
  return {
    length: n,
    dot(a, b) {
      results[0] = 0;
      kernels.dot(a.byteOffset, b.byteOffset, results.byteOffset, padded(a.length));
      return results[0];
    },
    addScaled(x, alpha, s, out) {
      kernels.addScaled(x.byteOffset, alpha, s.byteOffset, out.byteOffset, padded(x.length));
      if (!Number.isFinite(alpha)) clearPadding(out);
    },
    normInf(x) {
      kernels.normInf(x.byteOffset, results.byteOffset, padded(x.length));
      return Math.max(results[0], results[1]);
    },
  };
}

function compile(): WebAssembly.Module | null {
  try {
    return new WebAssembly.Module(
      Uint8Array.from(simdBytes.match(/../g) ?? [], (byte) => parseInt(byte, 16)),
    );
  } catch {
    // No WebAssembly, no SIMD, or a content security policy against it.
    return null;
  }
}
